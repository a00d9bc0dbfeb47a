package develop

import (
	"context"
	"os"
	"strings"

	"avion.internal/migrate/internal/child"
	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/git"
)

// TemplateCheck looks for what an update of the template may leave behind, and for an answers file from which the next
// one could not start. It needs no database.
func (e *Engine) TemplateCheck(ctx context.Context) error {
	repository := git.Repository{}
	if err := repository.Require(ctx); err != nil {
		return err
	}
	answers, problems, err := e.templateProblems(ctx, repository)
	if err != nil {
		return err
	}
	if len(problems) > 0 {
		return e.tell(problems)
	}
	e.Report.Say("the files are those of the template's %s, merged completely", answers.Commit)
	return nil
}

func (e *Engine) templateProblems(ctx context.Context, repository git.Repository) (copier.Answers, []error, error) {
	problems, err := leftovers(ctx)
	if err != nil {
		return copier.Answers{}, nil, err
	}
	answers, err := copier.ReadAnswers(".")
	if err != nil {
		problems = append(problems, err)
	} else {
		problems = append(problems, answers.Check(copier.Facts{
			Service:           e.Project.Service,
			ProductionSSLMode: e.Project.Rules(environment.Production).SSLMode.String(),
			Folder:            repository.Prefix(ctx),
		})...)
	}
	return answers, append(problems, rootProblems(ctx, repository)...), nil
}

// leftoversScript finds what an update left unfinished. It is no part of this program, because from such files no program can
// be built.
const leftoversScript = "tools/migrate/template-check.sh"

func leftovers(ctx context.Context) ([]error, error) {
	var said strings.Builder
	script := child.Script(ctx, leftoversScript)
	script.Stderr = &said
	err := script.Run()
	var problems []error
	for line := range strings.Lines(said.String()) {
		if sentence, found := strings.CutPrefix(strings.TrimSpace(line), "migrate: "); found {
			problems = append(problems, failure.Refused("%s", sentence))
		}
	}
	if err != nil && len(problems) == 0 {
		return nil, failure.Refused("%s does not run (%w): restore it from git", leftoversScript, err)
	}
	return problems, nil
}

// rootProblems are those of the monorepo around the service: its root has an answers file too, and no engine.
func rootProblems(ctx context.Context, repository git.Repository) []error {
	top := repository.Top(ctx)
	file := top + copier.AnswersFile
	if _, err := os.Stat(file); top == "" || err != nil {
		return nil
	}
	answers, err := copier.ReadAnswers(top)
	if err != nil {
		return []error{err}
	}
	if answers.Layout != copier.RootLayout {
		return nil // It is another template's.
	}
	return answers.CheckOrigin(file)
}
