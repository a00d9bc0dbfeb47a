package develop

import (
	"context"
	"fmt"
	"slices"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/git"
	"avion.internal/migrate/internal/lint"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/trace"
)

// Lint tells what in the new migrations is dangerous on a database that is in use: by what PostgreSQL does with them on a
// throw-away database at the base, where a server can be reached, and by their text.
func (e *Engine) Lint(ctx context.Context, base string) error {
	directory, err := e.Project.Migrations.ReadDirectory()
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
	squawk, err := lint.FindSquawk(e.Settings.Get(config.Squawk).Value)
	if err != nil {
		return err
	}
	found, err := e.traceFrom(ctx, base, directory, selected)
	if err != nil {
		return err
	}
	if found.why != "" && len(selected) > 0 {
		e.Report.Say("nothing was measured, and the rules go by the text alone: %s", found.why)
	}
	write := lint.Text
	if e.Settings.Typed(config.GitHubActions) == "true" {
		write = lint.Annotation(repository.Prefix(ctx))
	}
	objections := 0
	for _, m := range selected {
		source, err := directory.Source(m)
		if err != nil {
			return err
		}
		review, err := squawk.Lint(ctx, source, found.statements[m.File])
		if err != nil {
			return err
		}
		objections += len(review.Findings)
		for _, finding := range review.Findings {
			fmt.Fprintln(e.Terminal.Out, write(finding))
		}
	}
	if objections > 0 {
		return failure.Refused("there are objections to %s (%d): follow their help, or put '-- squawk-ignore RULE' "+
			"above a statement that is safe here, and say why", report.Migrations(len(selected)), objections)
	}
	e.Report.Say("there is no objection to %s", report.Migrations(len(selected)))
	return nil
}

// traceFrom measures the new migrations on top of the others: those of the base branch with its test data where it is
// known, and otherwise those of the folder.
func (e *Engine) traceFrom(ctx context.Context, base string, directory migration.Directory, selected []migration.Migration) (measured, error) {
	if len(selected) == 0 {
		return measured{}, nil
	}
	target, err := e.Target()
	if err != nil {
		return measured{why: err.Error()}, nil //nolint:nilerr // it is why nothing was measured
	}
	files, err := traceable(directory, selected)
	if err != nil {
		return measured{}, err
	}
	before, err := e.beforeNew(ctx, base, directory, selected)
	if err != nil {
		return measured{}, err
	}
	return traceOn(ctx, target, before, files)
}

func (e *Engine) beforeNew(ctx context.Context, base string, directory migration.Directory, selected []migration.Migration) ([]trace.File, error) {
	if from, err := e.readBase(ctx, base); err == nil && from.known() {
		other, remove, err := withFilesOf(e.Engine, from)
		if err != nil {
			return nil, err
		}
		defer remove()
		merged, err := migration.ReadDirectory(other.Project.Migrations.Dir, from.project.Migrations.Rules)
		if err != nil {
			return nil, err
		}
		before, err := traceable(merged, merged.Migrations)
		return append(before, seeds(other.Project.Seed)...), err
	}
	return traceable(directory, slices.DeleteFunc(slices.Clone(directory.Migrations), func(m migration.Migration) bool { return slices.Contains(selected, m) }))
}

// notYetIn are the migrations that the base branch does not have, as far as they are judged; an applied migration cannot be
// made better.
func (e *Engine) notYetIn(ctx context.Context, repository git.Repository, base string, directory migration.Directory) ([]migration.Migration, error) {
	added, known, err := repository.Added(ctx, base, directory.Path)
	judged := directory.Migrations[directory.Unjudged():]
	if err != nil || !known {
		return judged, err
	}
	var selected []migration.Migration
	for _, m := range judged {
		if added[m.File] {
			selected = append(selected, m)
		}
	}
	return selected, nil
}
