package operate

import (
	"context"
	"slices"
	"time"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/metrics"
	"avion.internal/migrate/internal/migration"
)

// Measured runs an operation and leaves its metrics where MIGRATION_METRICS_FILE and MIGRATION_PUSHGATEWAY_URL say.
// What goes wrong with them is told and changes nothing else.
func (e *Engine) Measured(ctx context.Context, operation func(context.Context) error) error {
	started := time.Now()
	err := operation(ctx)
	e.measured.Service = e.Project.Service
	e.measured.Ended = time.Now()
	e.measured.Duration = e.measured.Ended.Sub(started)
	e.measured.Code = failure.CodeOf(err)
	if file := e.Settings.Get(config.MetricsFile).Value; file != "" {
		e.tellMetrics(e.measured.WriteFile(file))
	}
	if gateway := e.Settings.Get(config.PushgatewayURL).Value; gateway != "" {
		// A run that was interrupted has its metrics, too.
		e.tellMetrics(e.measured.Push(context.WithoutCancel(ctx), gateway))
	}
	return err
}

// tellMetrics says what went wrong, if anything did.
func (e *Engine) tellMetrics(err error) {
	if err != nil {
		e.Report.Say("%s", err)
	}
}

// measure notes where a stream stands that was just read.
func (s Stream) measure(run *metrics.Run) {
	run.Schema = &metrics.Schema{Version: s.History.Current(), Pending: len(s.Comparison.In(history.Pending))}
}

// measureStep notes that a migration was applied or rolled back, and returns the stream without what was rolled back.
func (s Stream) measureStep(run *metrics.Run, step migration.Migration, way Direction) Stream {
	if s.repeats || run.Schema == nil {
		return s
	}
	if way == Up {
		run.Applied++
		run.Schema.Pending--
		run.Schema.Version = max(run.Schema.Version, step.Version)
		return s
	}
	s.History.Records = slices.DeleteFunc(slices.Clone(s.History.Records),
		func(record history.Record) bool { return record.Version == step.Version })
	run.RolledBack++
	run.Schema.Pending++
	run.Schema.Version = s.History.Current()
	return s
}
