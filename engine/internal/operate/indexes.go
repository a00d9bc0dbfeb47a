package operate

import (
	"context"
	"fmt"
	"text/tabwriter"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/indexes"
)

// IndexesOptions choose the form of the answer.
type IndexesOptions struct {
	JSON bool
}

// Indexes lists the indexes that are invalid, that another one makes superfluous, and that nobody has read. It changes
// nothing.
func (e *Engine) Indexes(ctx context.Context, options IndexesOptions) error {
	session, err := e.Open(ctx)
	if err != nil {
		return err
	}
	defer session.Close()
	found, err := indexes.Read(ctx, session.DB)
	if err != nil {
		return failure.Unreachable("the indexes of %s cannot be read (%w): run again", session.Target.Database, err)
	}
	found.Database, found.Environment = session.Target.Database, string(session.Target.Environment)
	if options.JSON {
		return e.PrintJSON(found)
	}
	return e.printIndexes(found)
}

func (e *Engine) printIndexes(found indexes.Report) error {
	if len(found.Indexes) == 0 {
		e.Report.Say("%s (%s) has no invalid, duplicate or unused index", found.Database, found.Environment)
		return nil
	}
	table := tabwriter.NewWriter(e.Terminal.Out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FINDING\tINDEX\tTABLE\tSIZE\tSAME AS")
	unused := false
	for _, index := range found.Indexes {
		unused = unused || index.Finding == indexes.Unused
		fmt.Fprintf(table, "%s\t%s\t%s\t%.1f MB\t%s\n", index.Finding, index.Name, index.Table,
			float64(index.Bytes)/(1<<20), orDash(index.Instead))
	}
	if err := table.Flush(); err != nil {
		return failure.Refused("the indexes could not be written (%w): make room for them and run again", err)
	}
	if unused {
		e.Report.Say("%s", worth(found))
	}
	return nil
}

// worth says what "unused" means.
func worth(found indexes.Report) string {
	sentence := "unused: not read on this server since its statistics began"
	if found.Since != "" {
		sentence = "unused: not read on this server since " + found.Since + ", when its statistics were reset"
	}
	switch {
	case found.Replica:
		return sentence + "; it is a replica, and the primary counts its own: look there too before you drop one"
	case found.Replicas > 0:
		return fmt.Sprintf("%s; each of its %d replicas counts its own: look there too (DB_HOST=) before you drop one", sentence, found.Replicas)
	default:
		return sentence + "; drop one when that is longer than the rarest work of the service"
	}
}
