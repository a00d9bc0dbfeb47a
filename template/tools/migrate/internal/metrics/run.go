// Package metrics leaves behind what a run did: in a file for node_exporter's textfile collector, or at a Pushgateway.
package metrics

import (
	"strconv"
	"strings"
	"time"

	"migrate/internal/failure"
)

// Run is what is known of a run when it has ended.
type Run struct {
	Service             string
	Ended               time.Time
	Duration            time.Duration
	Applied, RolledBack int
	Code                failure.Code
	// Schema is nil if the run ended before it had read the version table.
	Schema *Schema
}

// Schema is where the database stands.
type Schema struct {
	Version int64
	Pending int
}

// family is a metric; value returns false where the run has nothing to say about it.
type family struct {
	name, help string
	value      func(Run) (float64, bool)
}

var families = []family{
	{"migration_last_run_timestamp_seconds", "Unix time at which the last run of the migrations ended.",
		always(func(r Run) float64 { return unix(r.Ended) })},
	{"migration_last_run_duration_seconds", "How long the last run took.",
		always(func(r Run) float64 { return r.Duration.Seconds() })},
	{"migration_last_run_exit_code", "Exit code of the last run, 0 if it succeeded.",
		always(func(r Run) float64 { return float64(r.Code) })},
	{"migration_last_run_applied", "Migrations that the last run applied.",
		always(func(r Run) float64 { return float64(r.Applied) })},
	{"migration_last_run_rolled_back", "Migrations that the last run rolled back.",
		always(func(r Run) float64 { return float64(r.RolledBack) })},
	{"migration_last_success_timestamp_seconds", "Unix time at which the last run that succeeded ended.",
		func(r Run) (float64, bool) { return unix(r.Ended), r.Code == failure.CodeDone }},
	{"migration_version", "Highest applied version.",
		schema(func(s Schema) float64 { return float64(s.Version) })},
	{"migration_pending", "Migrations that are not applied yet.",
		schema(func(s Schema) float64 { return float64(s.Pending) })},
}

func always(value func(Run) float64) func(Run) (float64, bool) {
	return func(r Run) (float64, bool) { return value(r), true }
}

func schema(value func(Schema) float64) func(Run) (float64, bool) {
	return func(r Run) (float64, bool) {
		if r.Schema == nil {
			return 0, false
		}
		return value(*r.Schema), true
	}
}

func unix(moment time.Time) float64 { return float64(moment.UnixMilli()) / 1000 }

// text writes the run in Prometheus' text format. Where it has nothing to say, the line of an earlier text stays.
func (r Run) text(earlier string) string {
	var text strings.Builder
	for _, family := range families {
		series := family.name + `{service="` + escape(r.Service) + `"} `
		line := lineWith(earlier, series)
		if value, known := family.value(r); known {
			line = series + strconv.FormatFloat(value, 'f', -1, 64)
		}
		if line != "" {
			text.WriteString("# HELP " + family.name + " " + family.help + "\n# TYPE " + family.name + " gauge\n" + line + "\n")
		}
	}
	return text.String()
}

func lineWith(text, beginning string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, beginning) {
			return strings.TrimSuffix(line, "\n")
		}
	}
	return ""
}

var escaping = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func escape(value string) string { return escaping.Replace(value) }
