package git

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"migrate/internal/failure"
)

func command(t *testing.T, arguments ...string) {
	t.Helper()
	if output, err := exec.Command("git", arguments...).CombinedOutput(); err != nil {
		t.Fatalf("git %v: %s%s", arguments, output, err)
	}
}

func write(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func expect(t *testing.T, base string, want ...string) {
	t.Helper()
	added, known, err := Repository{}.Added(context.Background(), base, "./migrations")
	delete(added, ".")
	if got := slices.Sorted(maps.Keys(added)); err != nil || !known || !slices.Equal(got, want) {
		t.Errorf("%q: %v, not %v: %v", base, got, want, err)
	}
}

func TestOnlyWhatTheBaseDoesNotHaveIsNew(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+name+"_NAME", "test")
		t.Setenv("GIT_"+name+"_EMAIL", "test@example.org")
	}
	if _, known, err := (Repository{}).Added(context.Background(), "", "migrations"); known || err != nil {
		t.Error("known outside of a repository", err)
	}
	command(t, "init", "--quiet", "--initial-branch=main")
	write(t, "service/migrations/00001_a.sql", "service/migrations/00002_b.sql")
	command(t, "add", ".")
	command(t, "commit", "--quiet", "--message=one")
	command(t, "switch", "--quiet", "--create=work")
	t.Chdir("service")
	write(t, "migrations/00003_committed.sql")
	command(t, "add", ".")
	command(t, "mv", "migrations/00002_b.sql", "migrations/00004_renamed.sql")
	command(t, "commit", "--quiet", "--message=two")
	command(t, "switch", "--quiet", "main")
	write(t, "migrations/00009_theirs.sql")
	command(t, "add", ".")
	command(t, "commit", "--quiet", "--message=three")
	command(t, "switch", "--quiet", "work")
	write(t, "migrations/00005_staged.sql")
	command(t, "add", ".")
	write(t, "migrations/00006_untracked.sql", "migrations/00001_a.sql")

	for _, base := range []string{"", "main"} {
		expect(t, base, "00003_committed.sql", "00004_renamed.sql", "00005_staged.sql", "00006_untracked.sql")
	}
	expect(t, "HEAD", "00005_staged.sql", "00006_untracked.sql")
	for _, base := range []string{"nope", "--output=x", "main; true"} {
		if _, _, err := (Repository{}).Added(context.Background(), base, "migrations"); failure.CodeOf(err) != failure.CodeRefused {
			t.Errorf("%s: %v", base, err)
		}
	}
	if prefix := (Repository{}).Prefix(context.Background()); prefix != "service/" {
		t.Error(prefix)
	}
}
