package wiring

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/failure"
)

const (
	ownTargets  = "migrate := bin\n\nmigrate-up: ## up\n\t@echo theirs\n\nmigrate-down:\n\t@echo theirs\n"
	ownDatabase = "services:\n  postgres:\n    image: postgres:15\n  migrate:\n    build: .\nvolumes:\n  postgres_data:\n"
)

// service is a folder with what the template brings and the files of a test.
func service(t *testing.T, files map[string]string) Service {
	t.Helper()
	folder := t.TempDir()
	all := map[string]string{
		targets:                 ownTargets,
		TemplateCompose:         ownDatabase,
		copier.AnswersFile:      "docs_language: en\n",
		"tools/migrate/main.go": "package main\n",
	}
	maps.Copy(all, files)
	for name, content := range all {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return Service{Folder: folder, Port: "5432", Lookup: func(string) string { return "" }}
}

func plan(t *testing.T, s Service) Plan {
	t.Helper()
	plan, err := s.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// wired returns a file after everything was written, and makes sure that a second time nothing is.
func wired(t *testing.T, name, content string) string {
	t.Helper()
	s := service(t, map[string]string{name: content})
	first := plan(t, s)
	if len(first.Clashes) > 0 {
		t.Fatalf("%q: %v", content, first.Clashes)
	}
	if err := s.Write(first.Edits); err != nil {
		t.Fatal(err)
	}
	if again := plan(t, s); len(again.Edits) > 0 || len(again.Clashes) > 0 {
		t.Errorf("%q is changed again: %+v", content, again)
	}
	after, _, err := s.read(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(after)
}

func TestTheMakefileGetsOneLineAtItsEnd(t *testing.T) {
	for content, want := range map[string]string{
		"all:\n\t@echo own\n":                    "all:\n\t@echo own\n\ninclude migrations.mk\n",
		"all:\n\t@echo own":                      "all:\n\t@echo own\n\ninclude migrations.mk\n",
		"all:\n\t@echo own\n\n":                  "all:\n\t@echo own\n\ninclude migrations.mk\n",
		"all:\r\n\t@echo own\r\n":                "all:\r\n\t@echo own\r\n\r\ninclude migrations.mk\r\n",
		"A := 1 \\\n":                            "A := 1 \\\n\ninclude migrations.mk\n",
		"":                                       "include migrations.mk\n",
		"include migrations.mk\n":                "include migrations.mk\n",
		"-include ./migrations.mk":               "-include ./migrations.mk",
		"F := migrations\ninclude $(F).mk\n":     "F := migrations\ninclude $(F).mk\n",
		"include $(sort $(wildcard *.mk))\nall:": "include $(sort $(wildcard *.mk))\nall:",
		"%:\n\t@:\n":                             "%:\n\t@:\n\ninclude migrations.mk\n",
		"build: migrate-status\n":                "build: migrate-status\n\ninclude migrations.mk\n",
	} {
		if got := wired(t, "Makefile", content); got != want {
			t.Errorf("%q became %q, not %q", content, got, want)
		}
	}
}

func TestTheDefaultGoalStays(t *testing.T) {
	s := service(t, map[string]string{"Makefile": "all:\n\t@echo own\n"})
	if err := s.Write(plan(t, s).Edits); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("make")
	command.Dir = s.Folder
	command.Env = slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "MAKE") || strings.HasPrefix(entry, "MFLAGS") })
	if output, err := command.CombinedOutput(); err != nil || string(output) != "own\n" {
		t.Errorf("%s %v", output, err)
	}
}

func TestTheFileThatMakeReadsIsTheOneThatIsWired(t *testing.T) {
	s := service(t, map[string]string{"GNUmakefile": "all:\n", "Makefile": "include migrations.mk\n"})
	found := plan(t, s)
	if len(found.Edits) != 1 || found.Edits[0].Path != "GNUmakefile" || !strings.Contains(strings.Join(found.Notes, "\n"), "Makefile is never read") {
		t.Errorf("%+v", found)
	}
}

func TestAClashInTheMakefileIsReportedWithItsPlace(t *testing.T) {
	for content, want := range map[string]string{
		"all:\n\nmigrate-up:\n\t@goose up\n":                                                     "Makefile:4 has a target migrate-up",
		"include own.mk\n":                                                                       "own.mk:2 has a target migrate-down",
		"include migrations.mk\nmigrate-up:\n\t@goose up\n":                                      "Makefile:3 has a target migrate-up",
		"migrate-up:\n\t@goose up\ninclude migrations.mk\n":                                      "Makefile:2 has a target migrate-up",
		"ifndef NOWHERE\nmigrate-up: ; goose up\nendif\n":                                        "Makefile:2 has a target migrate-up",
		"migrate-up::\n\t@goose up\n":                                                            "both : and :: entries",
		"migrate = goose\nall: ; $(migrate)\n":                                                   "Makefile:1 sets the variable migrate",
		"ifdef X\nelse\ninclude .env.example\nexport\nendif\n":                                   "Makefile includes .env.example and exports everything",
		".RECIPEPREFIX = >\nall:\n> @echo own\n":                                                 ".RECIPEPREFIX",
		"include .env\nall:\n":                                                                   ".env",
		"ifneq ($(wildcard .env),)\ninclude .env\nelse ifdef X\nendif\nmigrate-up: ; goose up\n": "Makefile:5 has a target migrate-up",
		"ifdef X\nendif\ninclude .env\n":                                                         "Makefile:3 (.env is not there)",
		"all:\n  echo no tab\n":                                                                  "missing separator",
	} {
		s := service(t, map[string]string{"Makefile": content, "own.mk": "migrate-down:\n\t@goose down\n", ".env.example": "DB_NAME=auth\n"})
		found := plan(t, s)
		if len(found.Clashes) != 1 || !strings.Contains(found.Clashes[0].Error(), want) {
			t.Errorf("%q: %v, without %q", content, found.Clashes, want)
		}
	}
}

func TestNothingInTheMakefileRuns(t *testing.T) {
	s := service(t, map[string]string{"Makefile": "X := $(shell touch ran)\ninclude $(shell touch ran; echo own.mk)\nY != touch ran\n$(shell touch ran)\nall:\n\t@touch ran\n"})
	found := plan(t, s)
	if _, err := os.Stat(filepath.Join(s.Folder, "ran")); err == nil {
		t.Error("it ran")
	}
	if len(found.Clashes) > 0 || !strings.Contains(strings.Join(found.Notes, "\n"), "Makefile:2") {
		t.Errorf("%+v", found)
	}
}

func TestWhatTheServiceDoesAmongItselfIsNoClash(t *testing.T) {
	wired(t, "Makefile", "all:\n.PHONY: migrate-up\nmigrate-up: all\n")
	wired(t, "Makefile", "migrate up:\n\t@goose up\nmigrate down:\n\t@goose down\n")
}

func TestTheComposeFileIncludesTheDatabase(t *testing.T) {
	for content, want := range map[string]string{
		"services:\n  app: # ours\n    build: .\n": "services:\n  app: # ours\n    build: .\n\ninclude:\n  - compose.migrations.yaml\n",
		"services: {}":     "services: {}\n\ninclude:\n  - compose.migrations.yaml\n",
		"services: {}\r\n": "services: {}\r\n\r\ninclude:\r\n  - compose.migrations.yaml\r\n",
		"include:\n  - a.yaml # first\n\nservices: {}\n":              "include:\n  - a.yaml # first\n  - compose.migrations.yaml\n\nservices: {}\n",
		"include:\n- path: a.yaml\n  env_file: b\nservices: {}\n":     "include:\n- path: a.yaml\n  env_file: b\n- compose.migrations.yaml\nservices: {}\n",
		"include: [a.yaml]\nservices: {}\n":                           "include: [compose.migrations.yaml, a.yaml]\nservices: {}\n",
		"include: []\nservices: {}\n":                                 "include: [compose.migrations.yaml]\nservices: {}\n",
		"include:\n  - a.yaml":                                        "include:\n  - a.yaml\n  - compose.migrations.yaml\n",
		"include: [./compose.migrations.yaml]\n":                      "include: [./compose.migrations.yaml]\n",
		"include:\n- path: [a.yaml, compose.migrations.yaml]\n":       "include:\n- path: [a.yaml, compose.migrations.yaml]\n",
		"include:\n- path: compose.migrations.yaml\n":                 "include:\n- path: compose.migrations.yaml\n",
		"x-a: &a {b: c}\nservices:\n  app: *a\n":                      "x-a: &a {b: c}\nservices:\n  app: *a\n\ninclude:\n  - compose.migrations.yaml\n",
		"services: {}\nvolumes:\n  postgres_data:\n":                  "services: {}\nvolumes:\n  postgres_data:\n\ninclude:\n  - compose.migrations.yaml\n",
		"services:\n  app: {ports: ['5432', '5433:5432', 8080:80]}\n": "services:\n  app: {ports: ['5432', '5433:5432', 8080:80]}\n\ninclude:\n  - compose.migrations.yaml\n",
	} {
		if got := wired(t, "compose.yaml", content); got != want {
			t.Errorf("%q became %q, not %q", content, got, want)
		}
	}
}

func TestAClashInTheComposeFileIsReportedWithItsPlace(t *testing.T) {
	for content, want := range map[string]string{
		"services:\n  app: {}\n  postgres:\n    image: postgres:14\n":    `:3 has "postgres" among its services`,
		"include: [compose.migrations.yaml]\nservices:\n  migrate: {}\n": `:3 has "migrate" among its services`,
		"services: {}\nvolumes:\n  postgres_data: {external: true}\n":    `:3 has "postgres_data" among its volumes`,
		"services:\n  db:\n    ports:\n      - 5432:5432\n":              ":4: db publishes port 5432",
		"services: {db: {ports: ['127.0.0.1:5432:5432/tcp']}}\n":         "publishes port 5432",
		"services: {db: {ports: ['${PORT:-5432}:5432']}}\n":              "publishes port 5432",
		"services: {db: {ports: [{target: 5432, published: '5432'}]}}\n": "publishes port 5432",
		"services: [\n":                                 "cannot be read as YAML",
		"{services: {}}\n":                              "by hand",
		"include: a.yaml\nservices: {}\n":               "by hand",
		"services:\n  app:\n    command: |+\n      a\n": "by hand",
		"a: 1\n---\nb: 2\n":                             "cannot be read as YAML",
	} {
		found := plan(t, service(t, map[string]string{"docker-compose.yml": content}))
		if len(found.Clashes) != 1 || !strings.Contains(found.Clashes[0].Error(), want) {
			t.Errorf("%q: %v, without %q", content, found.Clashes, want)
		}
	}
}

func TestAnOverrideCannotChangeWhatIsIncluded(t *testing.T) {
	found := plan(t, service(t, map[string]string{
		"compose.yaml": "services: {}\n", "compose.override.yaml": "services:\n  postgres: {ports: []}\n",
	}))
	if len(found.Clashes) != 1 || !strings.Contains(found.Clashes[0].Error(), "compose.override.yaml:2") {
		t.Error(found.Clashes)
	}
}

func TestWhatIsWorthKnowingIsSaid(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"docker-compose 1":           {"docker-compose.yml": "version: '3.8'\nservices: {}\n"},
		"a PostgreSQL server too":    {"docker-compose.yml": "services:\n  db: {image: 'postgres:15-alpine'}\n"},
		"docker compose reads comp":  {"compose.yaml": "services: {}\n", "docker-compose.yml": "services: {}\n"},
		"exports everything":         {"Makefile": "include .env\nexport\nall:\n", ".env": "A=1\n"},
		"CONTRIBUTING.md is not the": {"README.md": "# Own\n"},
	} {
		if notes := strings.Join(plan(t, service(t, files)).Notes, "\n"); !strings.Contains(notes, name) {
			t.Errorf("%s: %q", name, notes)
		}
	}
}

func TestTheDocumentsLeadToTheGuides(t *testing.T) {
	english, err := os.ReadFile("sections/README.en.md")
	if err != nil {
		t.Fatal(err)
	}
	for content, want := range map[string]string{
		"# Own":     "# Own\n\n" + string(english),
		"# Own\r\n": "# Own\r\n\r\n" + strings.ReplaceAll(string(english), "\n", "\r\n"),
		"# Own\n\n[Guide](./docs/migration-guide.md)": "# Own\n\n[Guide](./docs/migration-guide.md)",
	} {
		if got := wired(t, "README.md", content); got != want {
			t.Errorf("%q became %q", content, got)
		}
	}
}

func TestTheDocumentsFollowTheLanguageOfTheAnswers(t *testing.T) {
	for _, document := range []string{"README.md", "CONTRIBUTING.md"} {
		s := service(t, map[string]string{copier.AnswersFile: "docs_language: ja\n", document: "# Own\n"})
		if edits := plan(t, s).Edits; len(edits) != 1 || !strings.Contains(string(edits[0].After), "## マイグレーション") {
			t.Errorf("%s: %+v", document, edits)
		}
	}
	for answers, says := range map[string]string{"docs_language: fr\n": `docs_language in .copier-answers.yml is "fr"`, "{}\n": `is ""`, "[": "cannot be read"} {
		s := service(t, map[string]string{copier.AnswersFile: answers, "README.md": "# Own\n"})
		if _, err := s.Read(context.Background()); failure.CodeOf(err) != failure.CodeRefused || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", answers, err)
		}
	}
}

func TestWithoutComposeNothingIsWiredToIt(t *testing.T) {
	s := service(t, map[string]string{
		copier.AnswersFile: "docs_language: en\nparts: [kubernetes]\n", "compose.yaml": "services: {}\n", "README.md": "# Ours\n",
	})
	if err := os.Remove(filepath.Join(s.Folder, TemplateCompose)); err != nil {
		t.Fatal(err)
	}
	for _, edit := range plan(t, s).Edits {
		if edit.Path == "compose.yaml" || strings.Contains(string(edit.After), "docker compose") {
			t.Errorf("%s: %s", edit.Path, edit.After)
		}
	}
}

func TestTheDocumentsNameTheServerOfCompose(t *testing.T) {
	for answers, want := range map[string]string{
		"":                     "docker compose up --detach --wait postgres\n",
		"compose_server: db\n": "docker compose up --detach --wait db\n",
		"prefix: avion\nservice_name: auth\ncompose_names: own\n": "docker compose up --detach --wait avion-auth-postgres\n",
	} {
		s := service(t, map[string]string{copier.AnswersFile: "docs_language: en\n" + answers, "README.md": "# Ours\n"})
		if got := plan(t, s).Edits; len(got) != 1 || !strings.Contains(string(got[0].After), want) {
			t.Errorf("%q: %v", answers, got)
		}
	}
}

func TestTheServersOwnPortIsNoClashWhereTheTemplateBringsNone(t *testing.T) {
	s := service(t, map[string]string{
		TemplateCompose: "services:\n  migrate:\n    build: .\n",
		"compose.yaml":  "services:\n  db:\n    image: postgres:16\n    ports: ['5432:5432']\n",
	})
	if got := plan(t, s); len(got.Clashes) > 0 || len(got.Notes) > 0 && strings.Contains(strings.Join(got.Notes, "\n"), "PostgreSQL server too") {
		t.Error(got.Clashes, got.Notes)
	}
}

func TestGitIgnoresTheFileWithThePassword(t *testing.T) {
	for content, want := range map[string]string{
		"/bin/":     "/bin/\n.env\n",
		"/bin/\r\n": "/bin/\r\n.env\r\n",
		"":          ".env\n",
		"/.env\n":   "/.env\n",
	} {
		if got := wired(t, ".gitignore", content); got != want {
			t.Errorf("%q became %q", content, got)
		}
	}
}

func TestInARepositoryGitDecidesWhatIsIgnored(t *testing.T) {
	s := service(t, map[string]string{".gitignore": ".env*\n", ".env": "DB_PASSWORD=x\n"})
	for _, arguments := range [][]string{{"init", "--quiet"}, {"add", "--force", ".env"}} {
		if _, err := s.git(context.Background(), arguments...); err != nil {
			t.Fatal(arguments, err)
		}
	}
	found := plan(t, s)
	notes := strings.Join(found.Notes, "\n")
	if len(found.Edits) > 0 || !strings.Contains(notes, ".env is committed") || !strings.Contains(notes, "git ignores .env.example") {
		t.Errorf("%+v", found)
	}
}

func TestWhatOnlyThisPersonsGitIgnoresIsNotIgnored(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(home, ".config"))
	for rules, after := range map[string]string{"": ".env\n", "*.env\n!.env\n": "*.env\n!.env\n.env\n", ".env\n": ""} {
		for place, prepare := range map[string]func(folder string) string{
			"the person's": func(string) string { return filepath.Join(home, ".config/git/ignore") },
			"the clone's":  func(folder string) string { return filepath.Join(folder, ".git/info/exclude") },
		} {
			s := service(t, map[string]string{".gitignore": rules})
			if _, err := s.git(context.Background(), "init", "--quiet"); err != nil {
				t.Fatal(err)
			}
			file := prepare(s.Folder)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(".env\n"), 0o644)); err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, edit := range plan(t, s).Edits {
				got += string(edit.After)
			}
			if got != after {
				t.Errorf("%s, %q: %q", place, rules, got)
			}
		}
	}
}

func TestAFileKeepsItsPermissionsAndItsLink(t *testing.T) {
	s := service(t, map[string]string{"docs/own.md": "# Own\n"})
	own := filepath.Join(s.Folder, "docs/own.md")
	if err := os.Chmod(own, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("docs/own.md", filepath.Join(s.Folder, "README.md")); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(plan(t, s).Edits); err != nil {
		t.Fatal(err)
	}
	information, err := os.Lstat(own)
	if err != nil || information.Mode().Perm() != 0o640 {
		t.Error(information, err)
	}
	if target, err := os.Readlink(filepath.Join(s.Folder, "README.md")); err != nil || target != "docs/own.md" {
		t.Error(target, err)
	}
	if left, _ := filepath.Glob(filepath.Join(s.Folder, "docs/*")); len(left) != 1 {
		t.Error(left)
	}
}

func TestAFileThatChangedMeanwhileIsNotOverwritten(t *testing.T) {
	s := service(t, map[string]string{"README.md": "# Own\n"})
	edits := plan(t, s).Edits
	if err := os.WriteFile(filepath.Join(s.Folder, "README.md"), []byte("# Newer\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(edits); err == nil || !strings.Contains(err.Error(), "README.md") {
		t.Error(err)
	}
	if content, _, _ := s.read("README.md"); string(content) != "# Newer\n" {
		t.Errorf("%q", content)
	}
}

func TestTheDiffCanBeApplied(t *testing.T) {
	for _, each := range [][2]string{
		{"a\n", "a\n\nb\n"}, {"a", "a\n\nb\n"}, {"", "b\n"}, {"a\nb\nc\nd\ne\n", "a\nb\nx\nc\nd\ne\n"}, {"a\r\n", "a\r\nb\r\n"}, {"[a]\nb\n", "[c, a]\nb\n"},
	} {
		s := service(t, map[string]string{"file": each[0]})
		edit := Edit{Path: "file", Before: []byte(each[0]), After: []byte(each[1])}
		if err := os.WriteFile(filepath.Join(s.Folder, "diff"), []byte(edit.Diff()), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := s.git(context.Background(), "apply", "--unidiff-zero", "diff"); err != nil {
			t.Errorf("%q: %s\n%s", each[0], err, edit.Diff())
		}
		if content, _, _ := s.read("file"); string(content) != each[1] {
			t.Errorf("%q became %q", each[0], content)
		}
	}
}

func TestWhatMakeCannotReadHidesNoOtherClash(t *testing.T) {
	found := plan(t, service(t, map[string]string{"Makefile": "include local.env\nmigrate-up:\n\t@goose up\n"}))
	if len(found.Clashes) != 2 || !strings.Contains(found.Clashes[1].Error(), "Makefile:3 has a target migrate-up") {
		t.Error(found.Clashes)
	}
}
