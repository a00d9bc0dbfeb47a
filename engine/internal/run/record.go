package run

import (
	"context"

	"avion.internal/migrate/internal/history"
)

// prepare makes sure, before the first change, that the database knows its environment and the file of every version.
func (s *session) prepare(ctx context.Context, in stream) error {
	if in.repeats {
		return nil
	}
	if !in.history.Prepared {
		if err := history.Prepare(ctx, s.DB, in.Table, string(s.target.Environment)); err != nil {
			return s.unreadable(ctx, history.ChecksumTable(in.Table), err)
		}
	}
	adopted := in.comparison.Unrecorded()
	if len(adopted) == 0 {
		return nil
	}
	if err := history.Adopt(ctx, s.DB, in.Table, adopted); err != nil {
		return s.unreadable(ctx, history.ChecksumTable(in.Table), err)
	}
	s.engine.report.Say("recorded the checksums of %s that another tool applied, as the files are now: %s",
		count(len(adopted)), extent(adopted))
	return nil
}

// unprepared tells that a database with a history is new to the engine, or that another tool went on with it.
func (s stream) unprepared() bool {
	return len(s.history.Records) > 0 && (!s.history.Prepared || len(s.comparison.Unrecorded()) > 0)
}

// extent names a few files, or the first and the last of many.
func extent(entries []history.Entry) string {
	if len(entries) <= 3 {
		return history.Names(entries)
	}
	return entries[0].File + " to " + entries[len(entries)-1].File
}
