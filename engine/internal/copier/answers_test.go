package copier

import (
	"os"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

var (
	answers = Answers{
		Commit: "v1.2.3", Source: "gh:org/avion-migration-template",
		Layout: "repository", Prefix: "avion", ServiceName: "auth", ProductionSSLMode: "require",
	}
	facts = Facts{Service: "avion-auth", ProductionSSLMode: "require"}
)

func expect(t *testing.T, answers Answers, facts Facts, word string) {
	t.Helper()
	problems := answers.Check(facts)
	if word == "" && len(problems) == 0 {
		return
	}
	if len(problems) != 1 || word == "" || !strings.HasPrefix(problems[0].Error(), ".copier-answers.yml: "+word) {
		t.Errorf("%+v, not %q: %v", answers, word, problems)
	}
}

func TestOnlyAReleaseIsAVersion(t *testing.T) {
	for _, commit := range []string{"v1.2.3", "1.2.3", "v0.1.0", "v10.20.30"} {
		one := answers
		one.Commit = commit
		expect(t, one, facts, "")
	}
	for _, commit := range []string{
		"", "v1.2", "v2.0.0-1-g533162c", "v2.0.0rc1", "1a76800", "main", "v1.2.3\n", "v1.2.3 # newest", "None",
	} {
		one := answers
		one.Commit = commit
		expect(t, one, facts, "_commit is ")
	}
}

func TestOnlyWhatABotCanFetchIsASource(t *testing.T) {
	for _, address := range []string{
		"gh:org/avion-migration-template", "gl:org/group/template", "https://github.com/org/template.git",
		"git+https://github.com/org/template", "git@github.com:org/template.git", "ssh://git@github.com/org/template.git",
		"ssh://git.example/org/template",
	} {
		one := answers
		one.Source = address
		expect(t, one, facts, "")
	}
	for _, address := range []string{
		"", "/home/me/template", "../template", "template", "file:///srv/template", "C:\\template", "gh:org",
		"https://me:secret@git.example/t.git", "https://token@git.example/t.git", "ssh://me:secret@git.example/t.git",
		"https://github.com/org/a b",
	} {
		one := answers
		one.Source = address
		expect(t, one, facts, "_src_path is ")
		if problem := one.Check(facts)[0].Error(); strings.Contains(problem, "secret") {
			t.Error("a source may hold a password:", problem)
		}
	}
}

func TestAnswersAndFilesTellTheSameStory(t *testing.T) {
	for word, other := range map[string]Facts{
		`the service is "avion-auth", but .goose.yml says "avion-user"`:         {Service: "avion-user", ProductionSSLMode: "require"},
		`production_ssl_mode is "require", but .goose.yml says "verify-full"`:   {Service: "avion-auth", ProductionSSLMode: "verify-full"},
		`layout is "repository", but this folder is that of a monorepo-service`: {Service: "avion-auth", ProductionSSLMode: "require", Folder: "avion-auth/"},
	} {
		expect(t, answers, other, word)
	}
	inside := answers
	inside.Layout = "monorepo-service"
	expect(t, inside, facts, `layout is "monorepo-service", but this folder is that of a repository`)
	expect(t, inside, Facts{Service: "avion-auth", ProductionSSLMode: "require", Folder: "services/avion-auth/"}, "")
}

func TestAnAnswersFileThatNobodyCanReadIsRefused(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, content := range []string{"", "_commit: [\n", "- a\n", "_commit: v1\n_commit: v2\n"} {
		if content != "" {
			if err := os.WriteFile(AnswersFile, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		_, err := ReadAnswers(".")
		if failure.CodeOf(err) != failure.CodeRefused || !strings.Contains(err.Error(), "restore it with git checkout") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestAPartIsMissingOnlyWhereSomebodyChoseWithoutIt(t *testing.T) {
	t.Chdir(t.TempDir())
	for content, want := range map[string]bool{
		"_commit: v1.2.3\n":                               true, // No version asked.
		"parts: [compose, kubernetes]\n":                  true,
		"parts:\n- compose\n- prometheus\n":               false,
		"parts: []\n":                                     false,
		"layout: monorepo-root\nparts: [kubernetes]\n":    true,
		"prefix: avion\nservice_name: auth\nparts: [x]\n": false,
	} {
		if err := os.WriteFile(AnswersFile, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		answers, err := ReadAnswers(".")
		if err != nil || answers.Chose(Kubernetes) != want {
			t.Errorf("%q: %t, %v", content, answers.Chose(Kubernetes), err)
		}
		refused := RequirePart(".", Kubernetes)
		if (refused == nil) != want {
			t.Errorf("%q: %v", content, refused)
		}
		if refused != nil && !strings.Contains(refused.Error(), "has not chosen the part kubernetes: choose it with copier update ") {
			t.Error(refused)
		}
	}
	if err := os.Remove(AnswersFile); err != nil {
		t.Fatal(err)
	}
	if err := RequirePart(".", Kubernetes); err != nil {
		t.Error("a folder without answers has every part:", err)
	}
}

func TestTheServerOfComposeIsTheOneThatTheAnswersName(t *testing.T) {
	for want, answers := range map[string]Answers{
		"postgres":            {},
		"avion-auth-postgres": {Prefix: "avion", ServiceName: "auth", ComposeNames: "own"},
		"db":                  {Prefix: "avion", ServiceName: "auth", ComposeNames: "own", ComposeServer: "db"},
	} {
		if got := answers.ComposeDatabase(); got != want {
			t.Errorf("%+v: %q", answers, got)
		}
	}
}
