package main

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"avion.internal/migrate/internal/cli"
	"avion.internal/migrate/internal/deliver"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/terminal"
)

func TestAWrongCommandLineIsRefusedInOneSentence(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, line := range []string{"frobnicate", "up now", "up --nope", "down 3", "status --json=perhaps", "to 1 2", "up --auto=x"} {
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
		arguments := []string{name}
		if name == "to" {
			arguments = append(arguments, "1")
		}
		err := program.Run(context.Background(), terminal.Terminal{In: &out, Out: &out, Err: &out}, arguments)
		if failure.CodeOf(err) != failure.CodeRefused || !strings.Contains(err.Error(), "no .goose.yml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheCommandsAreTheContract(t *testing.T) {
	if got := names(); !slices.Equal(got, cli.Commands[cli.Operator]) {
		t.Error(got)
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

func TestAJobRunsWhatWorksOnADatabase(t *testing.T) {
	elsewhere := []string{"backfill", "cronjobs", "job", "maintain", "redo", "seed"} // by JOB=, by a CronJob, without a database, in development
	all := slices.Sorted(slices.Values(append(elsewhere, deliver.Commands...)))
	if !slices.Equal(all, cli.Commands[cli.Operator]) {
		t.Errorf("a new command is for a Job, or it is not: %v", all)
	}
}
