package develop

import (
	"cmp"
	"context"
	"fmt"
	"strconv"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/wiring"
)

// Wire joins the template's files to the service's own. It shows what it would change and writes that only if somebody
// says yes; where both would take something from each other, it writes nothing.
func (e *Engine) Wire(ctx context.Context) error {
	service := e.wirable()
	plan, err := service.Read(ctx)
	if err != nil {
		return err
	}
	for _, edit := range plan.Edits {
		fmt.Fprint(e.Terminal.Out, edit.Diff())
	}
	for _, note := range plan.Notes {
		e.Report.Say("note: %s", note)
	}
	if len(plan.Clashes) > 0 {
		for _, clash := range plan.Clashes {
			e.Report.Failed("migrate", clash)
		}
		return failure.Refused("nothing was written: %s in the way: solve what is said above and run again",
			report.Count(len(plan.Clashes), "thing is", "things are"))
	}
	if len(plan.Edits) == 0 {
		e.Report.Say("nothing to add: %d files are wired already", len(plan.Wired))
		return nil
	}
	if !e.confirmedToWrite(ctx, "this") {
		return nil
	}
	if err := service.Write(plan.Edits); err != nil {
		return err
	}
	e.Report.Say("%d files were written: commit them", len(plan.Edits))
	return nil
}

func (e *Engine) wirable() wiring.Service {
	port := config.DBPort.Default
	if answers, err := copier.ReadAnswers("."); err == nil && answers.ComposePort != 0 {
		port = strconv.Itoa(answers.ComposePort)
	}
	return wiring.Service{
		Folder: ".",
		Port:   cmp.Or(e.Settings.Get(config.DBPort).Value, port),
		Lookup: func(name string) string { return e.Settings.Named(name).Value },
	}
}

// confirmedToWrite asks whether what was shown is to be written, and says that nothing was where it is not.
func (e *Engine) confirmedToWrite(ctx context.Context, what string) bool {
	confirmed := e.Settings.Typed(config.Confirm)
	if confirmed == "" && e.Terminal.Interactive {
		confirmed = e.Terminal.Ask(ctx, "Write "+what+"? Type yes: ")
	}
	if confirmed != "yes" {
		e.Report.Say("nothing was written: run again with CONFIRM=yes to write it")
	}
	return confirmed == "yes"
}
