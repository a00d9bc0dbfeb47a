package develop

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/git"
	"avion.internal/migrate/internal/lint"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/wiring"
)

// ValidateOptions choose what the files are held against besides the rules.
type ValidateOptions struct {
	// Database asks for the history of the database.
	Database bool
	// Base is the branch that the work is merged to; nothing is compared if it is empty.
	Base string
}

// Validate looks for mistakes in the files, without a database, unless it is asked to hold them against the history of
// one. Every mistake is told, and the gravest decides the exit code.
func (e *Engine) Validate(ctx context.Context, options ValidateOptions) error {
	files, problems, err := e.problems(ctx, options)
	if err != nil {
		return err
	}
	if len(problems) == 0 {
		compared := ""
		if options.Base != "" {
			compared = ", and go on from " + options.Base
		}
		e.Report.Say("%d files are valid%s", files, compared)
		return nil
	}
	if e.Settings.Typed(config.GitHubActions) == "true" {
		e.annotate(git.Repository{}.Prefix(ctx), problems)
	}
	return e.tell(problems)
}

// problems also counts the files.
func (e *Engine) problems(ctx context.Context, options ValidateOptions) (int, []error, error) {
	migrations, err := e.Project.Migrations.ReadDirectory()
	if err != nil {
		return 0, nil, err
	}
	if len(migrations.Migrations)+len(migrations.Misnamed) == 0 {
		return 0, nil, failure.Refused("%s holds no migration: create the first one with make migrate-create", migrations.Path)
	}
	directories := []migration.Directory{migrations}
	if _, err := os.Stat(e.Project.Seed.Dir); err == nil {
		seeds, err := e.Project.Seed.ReadDirectory()
		if err != nil {
			return 0, nil, err
		}
		directories = append(directories, seeds)
	}
	files := 0
	problems := wiring.FolderProblems(e.Project.Migrations.Dir)
	for _, directory := range directories {
		files += len(directory.Migrations)
		problems = append(problems, migration.Validate(directory)...)
	}
	if options.Base != "" {
		base, found, err := e.compareWithBase(ctx, options.Base, migrations)
		if err != nil {
			return 0, nil, err
		}
		problems = append(problems, found...)
		// What is merged cannot be corrected any more, and has run somewhere.
		directories[0].Migrations = slices.DeleteFunc(slices.Clone(migrations.Migrations), func(m migration.Migration) bool { return base.Has(m.File) })
	}
	broken, err := e.unparsable(ctx, directories)
	if err != nil {
		return 0, nil, err
	}
	problems = append(problems, notYet(problems, broken)...)
	if options.Database {
		found, err := e.compareWithDatabase(ctx)
		if err != nil {
			return 0, nil, err
		}
		problems = append(problems, found...)
	}
	return files, problems, nil
}

// notYet leaves out what is about a file of which a graver mistake is told already: one line at a time is enough.
func notYet(told, found []error) []error {
	known := map[string]bool{}
	for _, each := range told {
		if placed, ok := errors.AsType[*failure.Error](each); ok {
			known[fmt.Sprint(placed.File, placed.Line)] = true
		}
	}
	return slices.DeleteFunc(found, func(each error) bool {
		var placed *failure.Error
		return errors.As(each, &placed) && known[fmt.Sprint(placed.File, placed.Line)]
	})
}

// unparsable finds what PostgreSQL could not read, or would not run. What its parser here does not know yet, squawk may.
func (e *Engine) unparsable(ctx context.Context, directories []migration.Directory) ([]error, error) {
	named := e.Settings.Get(config.Squawk).Value
	squawk := new(lint.Squawk)
	var err error
	if *squawk, err = lint.FindSquawk(named); err != nil {
		if named != "" {
			return nil, err
		}
		squawk = nil
	}
	var problems []error
	for _, directory := range directories {
		found, err := lint.Syntax(ctx, squawk, directory)
		if err != nil {
			return nil, err
		}
		problems = append(problems, found...)
	}
	return problems, nil
}

// compareWithBase holds the files against those of the branch that they are to be merged to.
func (e *Engine) compareWithBase(ctx context.Context, name string, directory migration.Directory) (migration.Base, []error, error) {
	repository := git.Repository{}
	found, err := repository.Base(ctx, name)
	if err != nil {
		return migration.Base{}, nil, err
	}
	fork, err := e.migrationsAt(ctx, repository, found.Fork)
	if err != nil {
		return migration.Base{}, nil, err
	}
	tip, err := e.migrationsAt(ctx, repository, found.Tip)
	if err != nil {
		return migration.Base{}, nil, err
	}
	base := migration.Base{Name: name, Fork: migration.ChecksumsOf(fork), Tip: migration.ChecksumsOf(tip)}
	problems, err := directory.CompareWithBase(base, e.Project.OutOfOrder)
	if err != nil {
		return base, problems, err
	}
	if unjudged := directory.CheckJudged(base); unjudged != nil {
		problems = append(problems, failure.At(config.ProjectFile, 1, unjudged))
	}
	merged, err := repository.FileAt(ctx, found.Fork, config.ProjectFile)
	if weaker := e.compareProduction(merged, name); weaker != nil {
		problems = append(problems, failure.At(config.ProjectFile, 1, weaker))
	}
	return base, problems, err
}

// compareProduction finds rules for production that are weaker than those of the branch. A file that the branch does
// not have, or that nothing could ever be run with, demanded nothing.
func (e *Engine) compareProduction(content []byte, name string) error {
	merged, err := config.ParseProject(content)
	if err != nil {
		return nil //nolint:nilerr // it demanded nothing
	}
	production := environment.Production
	return production.CheckNotWeaker(e.Project.Rules(production), merged.Rules(production), name)
}

// migrationsAt are the files in the folder that .goose.yml named then.
func (e *Engine) migrationsAt(ctx context.Context, repository git.Repository, commit string) (map[string][]byte, error) {
	then, err := e.projectAt(ctx, repository, commit)
	if err != nil {
		return nil, err
	}
	return repository.FilesAt(ctx, commit, then.Migrations.Dir)
}

// projectAt is .goose.yml as a commit has it, or as it is now where that one cannot be read.
func (e *Engine) projectAt(ctx context.Context, repository git.Repository, commit string) (config.Project, error) {
	content, err := repository.FileAt(ctx, commit, config.ProjectFile)
	if content != nil {
		if then, err := config.ParseProject(content); err == nil {
			return then, nil
		}
	}
	return e.Project, err
}

func (e *Engine) compareWithDatabase(ctx context.Context) ([]error, error) {
	session, err := e.Open(ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	current, err := session.Read(ctx)
	if err != nil {
		return nil, err
	}
	return current.Comparison.Problems(), nil
}

// tell reports all problems but the gravest, which becomes the error.
func (e *Engine) tell(problems []error) error {
	gravest := migration.Gravest(problems)
	for _, problem := range problems {
		if !errors.Is(problem, gravest) {
			e.Report.Failed("migrate", problem)
		}
	}
	return gravest
}

// annotate lets GitHub show the problems beside their lines.
func (e *Engine) annotate(prefix string, problems []error) {
	for _, problem := range problems {
		shown := report.Annotation{Level: "error", Title: "migrate validate", Message: problem.Error()}
		var placed *failure.Error
		if errors.As(problem, &placed) && placed.File != "" {
			shown.File, shown.Line = prefix+placed.File, placed.Line
		}
		fmt.Fprintln(e.Terminal.Out, shown)
	}
}
