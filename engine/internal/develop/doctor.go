package develop

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"

	"avion.internal/migrate/internal/child"
	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/doctor"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/git"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/lint"
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/terminal"
	"avion.internal/migrate/internal/wiring"
)

// DoctorOptions choose the form of the answer.
type DoctorOptions struct {
	JSON bool
	// All shows also what is as it should be, and what only a person knows.
	All bool
	// Base is the branch that the work is merged to; nothing is compared if it is empty.
	Base string
	// Engine names the versions that the program is built from.
	Engine string
}

// Doctor holds the service against its checklist. It changes nothing, and fails if something that must hold does not.
func Doctor(ctx context.Context, outside terminal.Terminal, options DoctorOptions) error {
	if err := requireCheckout(); err != nil {
		return err
	}
	examined := doctor.Examine(examine(ctx, options))
	engine := operate.Engine{Terminal: outside}
	if options.JSON {
		if err := engine.PrintJSON(examined); err != nil {
			return err
		}
	} else {
		examined.Write(outside.Out, outside.Colour, options.All)
	}
	failed := examined.Failed()
	if config.Process().Typed(config.GitHubActions) == "true" && !options.JSON {
		prefix := git.Repository{}.Prefix(ctx)
		for _, item := range failed {
			shown := report.Annotation{Level: "error", Title: "migrate doctor: " + item.Item, Message: item.Evidence}
			if item.File != "" {
				shown.File, shown.Line = prefix+item.File, max(item.Line, 1)
			}
			fmt.Fprintln(outside.Out, shown)
		}
	}
	if len(failed) > 0 {
		return failure.Refused("items that must hold and do not: %d of %d: do what is said beside them, and run again", len(failed), len(examined.Items))
	}
	return nil
}

// requireCheckout refuses a folder that holds what runs the migrations at most: every item would be missing.
func requireCheckout() error {
	for _, file := range []string{"migrations.mk", copier.AnswersFile} {
		if _, err := os.Stat(file); err == nil {
			return nil
		}
	}
	if _, err := config.ReadProject("."); err != nil {
		return err
	}
	return failure.Refused("this folder holds neither migrations.mk nor %s: run doctor in a checkout of the service, "+
		"which the image is not", copier.AnswersFile)
}

// examine finds everything out at once: the network and the database may take as long as everything else.
func examine(ctx context.Context, options DoctorOptions) doctor.Evidence {
	evidence := doctor.Evidence{Folder: "."}
	evidence.Project, evidence.ProjectError = config.ReadProject(".")
	dotenv, there, err := config.ReadEnvFile(".", ".env")
	evidence.DotEnv, evidence.DotEnvError = there, err
	evidence.Settings = config.NewSettings(os.Environ(), dotenv)
	// Each gets an engine of its own, whose words nobody hears.
	engine := func() *Engine {
		return &Engine{&operate.Engine{
			Project: evidence.Project, Settings: evidence.Settings,
			Terminal: terminal.Terminal{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard},
			Report:   report.Reporter{Writer: io.Discard},
		}}
	}
	evidence.RepositoryError = evidence.Repository.Require(ctx)
	evidence.Prefix = evidence.Repository.Prefix(ctx)
	evidence.Programs = programs(ctx, evidence.Settings, options.Engine)

	var all sync.WaitGroup
	all.Go(func() {
		evidence.Template = engine().examineTemplate(ctx, evidence.Repository, evidence.RepositoryError)
	})
	all.Go(func() {
		service := engine().wirable()
		for _, each := range []struct {
			area wiring.Area
			into *doctor.Wired
		}{
			{wiring.Makefile, &evidence.Makefile}, {wiring.Compose, &evidence.Compose},
			{wiring.Documents, &evidence.Documents}, {wiring.Gitignore, &evidence.Gitignore},
		} {
			each.into.Plan, each.into.Error = service.ReadOnly(ctx, each.area)
		}
	})
	if evidence.ProjectError == nil {
		all.Go(func() { evidence.Files = engine().examineFiles(ctx, options.Base) })
		if evidence.DotEnvError == nil {
			all.Go(func() { evidence.Database = engine().examineDatabase(ctx) })
		}
	}
	all.Wait()
	return evidence
}

func (e *Engine) examineTemplate(ctx context.Context, repository git.Repository, outside error) doctor.Template {
	var found doctor.Template
	if found.Answers, found.Error = copier.ReadAnswers("."); found.Error != nil {
		return found
	}
	if outside == nil {
		var err error
		if _, found.Problems, err = e.templateProblems(ctx, repository); err != nil {
			found.Problems = append(found.Problems, err)
		}
	}
	if url := found.Answers.URL(); url != "" {
		found.Tags, found.TagsError = repository.RemoteTags(ctx, url)
	} else {
		found.TagsError = errors.New("_src_path is no address that can be asked")
	}
	return found
}

func (e *Engine) examineFiles(ctx context.Context, base string) doctor.Files {
	var found doctor.Files
	directory, err := e.Project.Migrations.ReadDirectory()
	if err != nil {
		found.Error = err
		return found
	}
	found.Migrations = len(directory.Migrations)
	_, err = lint.FindSquawk(e.Settings.Get(config.Squawk).Value)
	found.Squawk = err == nil
	found.Valid, found.Problems, found.Error = e.problems(ctx, ValidateOptions{Base: base})
	if !found.Squawk {
		return found
	}
	added, known, err := git.Repository{}.Added(ctx, base, directory.Path)
	if found.BaseKnown = known || err != nil; err != nil {
		found.LintError = err
		return found
	}
	if known {
		for _, m := range directory.Migrations {
			if added[m.File] {
				found.New++
			}
		}
		found.LintError = e.Lint(ctx, base)
	}
	return found
}

var neededGo = regexp.MustCompile(`(?m)^go (\S+)$`)

// programs asks for Go as build.sh does: outside of the module, where go has not switched to another toolchain yet.
func programs(ctx context.Context, settings config.Settings, engine string) doctor.Programs {
	found := doctor.Programs{Engine: engine}
	if content, err := os.ReadFile("tools/migrate/go.mod"); err == nil {
		if match := neededGo.FindSubmatch(content); match != nil {
			found.NeededGo = string(match[1])
		}
	}
	name := cmp.Or(settings.Typed(config.Go), config.Go.Default)
	path, err := exec.LookPath(name)
	if err != nil {
		found.GoError = fmt.Errorf("%s is not there, so that the next update of the engine could not be built", name)
		return found
	}
	command := child.Command(ctx, path, "env", "GOVERSION")
	command.Dir = os.TempDir()
	output, err := command.Output()
	if err != nil {
		found.GoError = fmt.Errorf("%s does not run", name)
	}
	found.Go = strings.TrimSpace(string(output))
	return found
}

func (e *Engine) examineDatabase(ctx context.Context) doctor.Database {
	found := doctor.Database{Given: connection.Given(e.Settings)}
	target, err := connection.Resolve(e.Settings, e.Project)
	if err != nil {
		found.TargetError = err
		return found
	}
	found.Target, found.Address = target, target.Address()
	if !found.Given.Present() {
		return found
	}
	session, err := e.OpenTarget(ctx, target.Impatient())
	if err != nil {
		found.Error = err
		return found
	}
	defer session.Close()
	server, err := session.Endpoint(ctx)
	if err != nil {
		found.Error = err
		return found
	}
	found.Server, found.Encrypted = server.Version, server.Encrypted
	if err := examineServer(ctx, session, &found); err != nil {
		found.Error = session.Unreadable(ctx, "pg_roles", err)
		return found
	}
	current, err := session.Read(ctx)
	if err != nil {
		found.HistoryError = err
		return found
	}
	found.Marker, found.Current = current.History.Marker, current.History.Current()
	if err := current.Check(); err != nil {
		found.Mismatches = append(found.Mismatches, current.Comparison.Problems()...)
		if len(found.Mismatches) == 0 {
			found.Mismatches = []error{err}
		}
	}
	for _, entry := range current.Comparison.In(history.Pending) {
		found.Pending = append(found.Pending, entry.File)
	}
	return found
}
