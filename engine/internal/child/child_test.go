package child

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestAProgramIsToldNoSecret(t *testing.T) {
	for _, name := range []string{"DB_URL", "DB_PASSWORD", "PGPASSWORD", "GITHUB_TOKEN", "MIGRATION_PUSHGATEWAY", "CONFIRM", "MAKEFLAGS"} {
		t.Setenv(name, "hunter2")
	}
	for _, command := range []*exec.Cmd{Command(context.Background(), "env"), Git(context.Background(), "-c", "alias.all=!env", "all")} {
		output, err := command.CombinedOutput()
		if err != nil || strings.Contains(string(output), "hunter2") || !strings.Contains(string(output), "PATH=") {
			t.Errorf("%s %v", output, err)
		}
	}
}

func TestGitLooksWhereItIsAndNotWhereAHookWas(t *testing.T) {
	run := func(folder string, arguments ...string) string {
		t.Helper()
		command := Git(context.Background(), arguments...)
		command.Dir = folder
		output, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("git %v: %s", arguments, output)
		}
		return strings.TrimSpace(string(output))
	}
	here, other := t.TempDir(), t.TempDir()
	run(here, "init", "-q")
	run(other, "init", "-q")
	// As git sets them for a hook of a linked worktree.
	for name, value := range map[string]string{"GIT_DIR": filepath.Join(other, ".git"), "GIT_WORK_TREE": other, "GIT_INDEX_FILE": filepath.Join(other, ".git/index"), "GIT_PREFIX": "x/"} {
		t.Setenv(name, value)
	}
	resolved, err := filepath.EvalSymlinks(here)
	if err != nil {
		t.Fatal(err)
	}
	if top := run(here, "rev-parse", "--show-toplevel"); top != resolved {
		t.Errorf("%s, not %s", top, resolved)
	}
	if os.Getenv("GIT_DIR") == "" {
		t.Error("the test has set nothing")
	}
}

func TestNobodyElseStartsAProgram(t *testing.T) {
	started := regexp.MustCompile(`\bexec\.Command(Context)?\(|\bos\.StartProcess\(`)
	err := filepath.WalkDir("../..", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") ||
			strings.HasSuffix(filepath.Dir(path), "test") || filepath.Base(path) == "child.go" {
			return err
		}
		content, err := os.ReadFile(path)
		if found := started.Find(content); found != nil {
			t.Errorf("%s: %s", path, found)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
