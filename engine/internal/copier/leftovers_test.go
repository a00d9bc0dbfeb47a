package copier

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"avion.internal/migrate/internal/git"
)

func repository(t *testing.T) func(arguments ...string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+name+"_NAME", "test")
		t.Setenv("GIT_"+name+"_EMAIL", "test@example.org")
	}
	return func(arguments ...string) {
		t.Helper()
		if output, err := exec.Command("git", arguments...).CombinedOutput(); err != nil && arguments[0] != "merge" {
			t.Fatalf("git %v: %s%s", arguments, output, err)
		}
	}
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func leftovers(t *testing.T) string {
	t.Helper()
	problems, err := Leftovers(context.Background(), git.Repository{}, Service)
	if err != nil {
		t.Fatal(err)
	}
	var sentences []string
	for _, problem := range problems {
		sentences = append(sentences, problem.Error())
	}
	return strings.Join(sentences, "\n")
}

func TestLeftoversAreFoundBelowTheCurrentFolder(t *testing.T) {
	command := repository(t)
	command("init", "--quiet")
	if err := os.MkdirAll("avion-auth/docs", 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, ".gitignore", "*.rej\nbin\n")
	write(t, "other.txt", "<<<<<<< before updating\n=======\n>>>>>>> after updating\n")
	t.Chdir("avion-auth")
	write(t, "clean.md", "Heading\n=======\n\nA conflict looks like `<<<<<<< HEAD`.\n  >>>>>>> indented\n<<<<<<<\n")
	write(t, "bin", "<<<<<<< ignored\n")
	command("add", "--all")
	if found := leftovers(t); found != "" {
		t.Error(found)
	}
	write(t, "docs/a b.md", "<<<<<<< before updating\na\n=======\nb\n>>>>>>> after updating\n")
	write(t, "half.txt", ">>>>>>> after updating\n")
	write(t, "ignored.mk.rej", "@@ -1 +1 @@\n")
	want := []string{"docs/a b.md holds conflict markers", "half.txt holds conflict markers", "ignored.mk.rej holds a change"}
	for committed := range 2 {
		found := strings.Split(leftovers(t), "\n")
		if len(found) != len(want) {
			t.Fatal(committed, found)
		}
		for i, prefix := range want {
			if !strings.HasPrefix(found[i], prefix) {
				t.Errorf("%q, not %q", found[i], prefix)
			}
		}
		command("add", "--all", "--force")
	}
}

func TestAConflictWithoutMarkersIsFound(t *testing.T) {
	command := repository(t)
	command("init", "--quiet", "--initial-branch=main")
	write(t, "a.txt", "one\n")
	command("add", "--all")
	command("commit", "--quiet", "--message=one")
	command("switch", "--quiet", "--create=theirs")
	command("rm", "--quiet", "a.txt")
	command("commit", "--quiet", "--message=theirs")
	command("switch", "--quiet", "main")
	write(t, "a.txt", "two\n")
	command("commit", "--quiet", "--all", "--message=ours")
	command("merge", "theirs")
	if found := leftovers(t); !strings.HasPrefix(found, "a.txt is not merged") {
		t.Error(found)
	}
}

func TestNoRepositoryIsNoCleanOne(t *testing.T) {
	repository(t)
	if _, err := Leftovers(context.Background(), git.Repository{}, Service); err == nil {
		t.Error("nothing is known outside of a repository")
	}
}

func TestLeftoversAtARootAreThoseOfTheTemplatesFilesThere(t *testing.T) {
	command := repository(t)
	command("init", "--quiet")
	for _, folder := range []string{".github/workflows", "monitoring", "avion-auth", "docs"} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	conflict := "<<<<<<< before updating\n=======\n>>>>>>> after updating\n"
	write(t, "docs/own.md", conflict)
	write(t, "docs/own.md.rej", "")
	write(t, "avion-auth/.goose.yml", conflict)
	t.Chdir("avion-auth")
	if problems, err := Leftovers(context.Background(), git.Repository{}, Root); len(problems) > 0 || err != nil {
		t.Error(problems, err)
	}
	write(t, "../.github/workflows/migrations.yml", conflict)
	write(t, "../monitoring/migrations-dashboard.json.rej", "")
	problems, err := Leftovers(context.Background(), git.Repository{}, Root)
	if len(problems) != 2 || err != nil || !strings.HasPrefix(problems[0].Error(), "../.github/workflows/migrations.yml holds") ||
		!strings.HasPrefix(problems[1].Error(), "../monitoring/migrations-dashboard.json.rej holds") {
		t.Error(problems, err)
	}
}
