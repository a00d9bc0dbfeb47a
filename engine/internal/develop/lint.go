package develop

import (
	"context"
	"fmt"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/git"
	"avion.internal/migrate/internal/lint"
	"avion.internal/migrate/internal/migration"
)

// Lint asks squawk what in the new migrations is dangerous on a database that is in use. It needs no database.
func (e *Engine) Lint(ctx context.Context, base string) error {
	directory, err := migration.ReadDirectory(e.Project.Migrations.Dir, e.Project.Migrations.Naming)
	if err != nil {
		return err
	}
	if err := directory.Check(); err != nil {
		return err
	}
	repository := git.Repository{}
	selected, err := e.notYetIn(ctx, repository, base, directory)
	if err != nil {
		return err
	}
	squawk, err := lint.FindSquawk(e.Settings.Get("SQUAWK").Value)
	if err != nil {
		return err
	}
	write := lint.Text
	if e.Settings.Typed("GITHUB_ACTIONS") == "true" {
		write = lint.Annotation(repository.Prefix(ctx))
	}
	found := 0
	for _, m := range selected {
		source, err := directory.Source(m)
		if err != nil {
			return err
		}
		findings, err := squawk.Lint(ctx, source)
		if err != nil {
			return err
		}
		found += len(findings)
		for _, finding := range findings {
			fmt.Fprintln(e.Terminal.Out, write(finding))
		}
	}
	if found > 0 {
		return failure.Refused("squawk has objections to %s (%d): follow its help, or put '-- squawk-ignore RULE' "+
			"above a statement that is safe here, and say why", migration.Count(len(selected)), found)
	}
	e.Report.Say("squawk has no objection to %s", migration.Count(len(selected)))
	return nil
}

// notYetIn are the migrations that the base branch does not have; an applied migration cannot be made better.
func (e *Engine) notYetIn(ctx context.Context, repository git.Repository, base string, directory migration.Directory) ([]migration.Migration, error) {
	added, known, err := repository.Added(ctx, base, directory.Path)
	if err != nil || !known {
		return directory.Migrations, err
	}
	var selected []migration.Migration
	for _, m := range directory.Migrations {
		if added[m.File] {
			selected = append(selected, m)
		}
	}
	return selected, nil
}
