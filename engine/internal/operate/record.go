package operate

import (
	"context"

	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/report"
)

// Prepare makes sure, before the first change, that the database knows its environment and the file of every version.
func (s *Session) Prepare(ctx context.Context, in Stream) error {
	if in.repeats {
		return nil
	}
	if !in.History.Prepared || s.unmarked(in) {
		if err := history.Prepare(ctx, s.DB, in.Table, s.said()); err != nil {
			return s.Unreadable(ctx, history.ChecksumTable(in.Table), err)
		}
	}
	adopted := in.Comparison.Unrecorded()
	if len(adopted) == 0 {
		return nil
	}
	if err := history.Adopt(ctx, s.DB, in.Table, adopted); err != nil {
		return s.Unreadable(ctx, history.ChecksumTable(in.Table), err)
	}
	s.Engine.Report.Say("recorded the checksums of %s that another tool applied, as the files are now: %s",
		report.Migrations(len(adopted)), extent(adopted))
	return nil
}

// said is the environment that somebody has said; what was only inferred is not remembered.
func (s *Session) said() string {
	if s.Target.Inferred {
		return ""
	}
	return string(s.Target.Environment)
}

// unmarked tells that a database with a history does not know its environment, which somebody has said now.
func (s *Session) unmarked(in Stream) bool {
	return in.History.Prepared && in.History.Marker == "" && !s.Target.Inferred
}

// unprepared tells that a database with a history is new to the engine, or that another tool went on with it.
func (s Stream) unprepared() bool {
	return len(s.History.Records) > 0 && (!s.History.Prepared || len(s.Comparison.Unrecorded()) > 0)
}

// extent names a few files, or the first and the last of many.
func extent(entries []history.Entry) string {
	if len(entries) <= 3 {
		return history.Names(entries)
	}
	return entries[0].File + " to " + entries[len(entries)-1].File
}
