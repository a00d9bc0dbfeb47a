package git

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
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

func enterFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+name+"_NAME", "test")
		t.Setenv("GIT_"+name+"_EMAIL", "test@example.org")
	}
}

func TestOnlyWhatTheBaseDoesNotHaveIsNew(t *testing.T) {
	enterFolder(t)
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

func TestACommitKeepsItsFiles(t *testing.T) {
	enterFolder(t)
	command(t, "init", "--quiet", "--initial-branch=main")
	write(t, "service/migrations/00001_a.sql", "service/migrations/deeper/00002_b.sql", "service/migrations/ü \".sql", "service/empty.yml")
	t.Chdir("service")
	if err := os.WriteFile("empty.yml", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("migrations/00003_binary.sql", []byte("\x00\n\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	command(t, "add", ".")
	command(t, "commit", "--quiet", "--message=one")
	command(t, "switch", "--quiet", "--create=work")
	write(t, "migrations/00009_later.sql")
	command(t, "add", ".")
	command(t, "commit", "--quiet", "--message=two")

	repository, ctx := Repository{}, context.Background()
	base, err := repository.Base(ctx, "main")
	if err != nil || base.Fork != base.Tip {
		t.Fatal(base, err)
	}
	for _, folder := range []string{"./migrations", "migrations/"} {
		files, err := repository.FilesAt(ctx, base.Tip, folder)
		if err != nil || len(files) != 3 || string(files["00001_a.sql"]) != "service/migrations/00001_a.sql" || string(files["00003_binary.sql"]) != "\x00\n\n" {
			t.Error(files, err)
		}
	}
	if files, err := repository.FilesAt(ctx, base.Tip, "nowhere"); err != nil || len(files) != 0 {
		t.Error(files, err)
	}
	if content, err := repository.FileAt(ctx, base.Tip, "migrations/00001_a.sql"); err != nil || string(content) != "service/migrations/00001_a.sql" {
		t.Error(string(content), err)
	}
	if content, err := repository.FileAt(ctx, base.Tip, "empty.yml"); err != nil || content == nil || len(content) > 0 {
		t.Error(content, err)
	}
	if content, err := repository.FileAt(ctx, base.Tip, "nowhere.yml"); err != nil || content != nil {
		t.Error(string(content), err)
	}
	command(t, "switch", "--quiet", "--orphan", "stranger")
	command(t, "commit", "--quiet", "--allow-empty", "--message=three")
	for _, name := range []string{"main", "nope"} {
		if _, err := repository.Base(ctx, name); failure.CodeOf(err) != failure.CodeRefused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatGitCannotReadIsNotTakenForMissing(t *testing.T) {
	enterFolder(t)
	command(t, "init", "--quiet", "--initial-branch=main")
	write(t, ".goose.yml")
	command(t, "add", ".")
	command(t, "commit", "--quiet", "--message=one")
	objects, err := filepath.Glob(".git/objects/??/*")
	if err != nil || len(objects) != 3 {
		t.Fatal(objects, err)
	}
	repository, ctx := Repository{}, context.Background()
	base, err := repository.Base(ctx, "main")
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range objects {
		if err := os.Remove(object); err != nil {
			t.Fatal(err)
		}
	}
	if content, err := repository.FileAt(ctx, base.Tip, ".goose.yml"); failure.CodeOf(err) != failure.CodeRefused {
		t.Errorf("%q, %v", content, err)
	}
}

func TestARefusalHoldsWhatGitSays(t *testing.T) {
	enterFolder(t)
	repository, ctx := Repository{}, context.Background()
	for name, ask := range map[string]func() error{
		"a commit":     func() error { _, err := repository.Base(ctx, "main"); return err },
		"new files":    func() error { _, _, err := repository.Added(ctx, "main", "migrations"); return err },
		"a repository": func() error { return repository.Require(ctx) },
	} {
		if err := ask(); err == nil || !strings.Contains(err.Error(), "not a git repository") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := repository.Base(ctx, "main"); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Error(err)
	}
}
