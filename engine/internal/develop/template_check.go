package develop

import (
	"context"
	"os"

	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/environment"
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
	problems, err := copier.Leftovers(ctx, repository, copier.Service)
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
	atRoot, err := rootProblems(ctx, repository)
	return answers, append(problems, atRoot...), err
}

// rootProblems are those of the monorepo around the service: its root has files of the template too, and no engine.
func rootProblems(ctx context.Context, repository git.Repository) ([]error, error) {
	top := repository.Top(ctx)
	file := top + copier.AnswersFile
	if _, err := os.Stat(file); top == "" || err != nil {
		return nil, nil
	}
	answers, err := copier.ReadAnswers(top)
	if err != nil {
		return []error{err}, nil
	}
	if answers.Layout != copier.RootLayout {
		return nil, nil // It is another template's.
	}
	problems, err := copier.Leftovers(ctx, repository, copier.Root)
	return append(problems, answers.CheckOrigin(file)...), err
}
