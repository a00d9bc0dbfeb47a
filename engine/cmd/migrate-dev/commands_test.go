package main

import (
	"bytes"
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"avion.internal/migrate/internal/cli"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/terminal"
)

func TestAWrongCommandLineIsRefusedInOneSentence(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, line := range []string{"frobnicate", "create --block", "lint now", "check --nope", "validate --database=perhaps"} {
		var out bytes.Buffer
		err := program.Run(context.Background(), terminal.Terminal{In: &out, Out: &out, Err: &out}, strings.Fields(line))
		if failure.CodeOf(err) != failure.CodeRefused || err == nil || strings.Contains(err.Error(), "\n") || out.Len() > 0 {
			t.Errorf("%s: %v, %s", line, err, out.String())
		}
	}
}

func TestEveryCommandNeedsAProject(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range names() {
		var out bytes.Buffer
		err := program.Run(context.Background(), terminal.Terminal{In: &out, Out: &out, Err: &out}, []string{name})
		if failure.CodeOf(err) != failure.CodeRefused || !strings.Contains(err.Error(), "no .goose.yml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheCommandsAreTheContract(t *testing.T) {
	if got := names(); !slices.Equal(got, cli.Commands[cli.Developer]) {
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
	err := program.Run(context.Background(), terminal.Terminal{In: &out, Out: &out, Err: &bytes.Buffer{}},
		[]string{"create", "--block=200", "--", "add users"})
	if err != nil || out.String() != "migrations/00200_add_users.sql\n" {
		t.Error(out.String(), err)
	}
}

func names() []string {
	var all []string
	for _, command := range commands(terminal.Terminal{}) {
		all = append(all, command.Name())
	}
	slices.Sort(all)
	return all
}
