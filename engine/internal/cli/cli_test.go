package cli

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/terminal"
)

func TestAWrongCommandLineIsRefusedInOneSentence(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, line := range []string{
		"frobnicate", "up now", "up --nope", "down 3", "status --json=perhaps", "create --block", "to 1 2", "up --auto=x",
	} {
		var out bytes.Buffer
		err := Run(context.Background(), terminal.Terminal{In: &out, Out: &out, Err: &out}, strings.Fields(line))
		if failure.CodeOf(err) != failure.CodeRefused || err == nil || strings.Contains(err.Error(), "\n") || out.Len() > 0 {
			t.Errorf("%s: %v, %s", line, err, out.String())
		}
	}
}

func TestEveryCommandNeedsAProject(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range commands() {
		var out bytes.Buffer
		arguments := []string{name}
		if name == "to" {
			arguments = append(arguments, "1")
		}
		err := Run(context.Background(), terminal.Terminal{In: &out, Out: &out, Err: &out}, arguments)
		if failure.CodeOf(err) != failure.CodeRefused || !strings.Contains(err.Error(), "no .goose.yml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheCommandsAreTheContract(t *testing.T) {
	want := []string{"backfill", "check", "create", "cronjobs", "doctor", "down", "indexes", "job", "lint", "maintain", "mark", "ping", "plan", "recipes", "redo", "repair", "reset", "seed", "status", "template-check", "to", "up", "validate", "version", "wire"}
	if got := commands(); !slices.Equal(got, want) {
		t.Error(got)
	}
}

func TestCreateTakesTheNumberFromTheBlock(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile(".goose.yml", []byte("driver: postgres\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("migrations", 0o755); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err := Run(context.Background(), terminal.Terminal{In: &out, Out: &out, Err: &bytes.Buffer{}},
		[]string{"create", "--block=200", "--", "add users"})
	if err != nil || out.String() != "migrations/00200_add_users.sql\n" {
		t.Error(out.String(), err)
	}
}

func commands() []string {
	var names []string
	for _, command := range newRoot(terminal.Terminal{}).Commands() {
		names = append(names, command.Name())
	}
	return names
}
