// Package metrics leaves behind what a run did: in a file for node_exporter's textfile collector, or at a Pushgateway. It
// never lets a run fail.
//
// May import: failure.
package metrics

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"avion.internal/migrate/internal/failure"
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
	// Maintenance is nil if the run was one of the migrations.
	Maintenance *Maintenance
}

// Maintenance is what one run of a maintenance job did.
type Maintenance struct {
	Job                    string
	Rows                   int64
	Created, Dropped, Held int
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
		migrated(func(r Run) float64 { return unix(r.Ended) })},
	{"migration_last_run_duration_seconds", "How long the last run took.",
		migrated(func(r Run) float64 { return r.Duration.Seconds() })},
	{"migration_last_run_exit_code", "Exit code of the last run, 0 if it succeeded.",
		migrated(func(r Run) float64 { return float64(r.Code) })},
	{"migration_last_run_applied", "Migrations that the last run applied.",
		migrated(func(r Run) float64 { return float64(r.Applied) })},
	{"migration_last_run_rolled_back", "Migrations that the last run rolled back.",
		migrated(func(r Run) float64 { return float64(r.RolledBack) })},
	{"migration_last_success_timestamp_seconds", "Unix time at which the last run that succeeded ended.",
		func(r Run) (float64, bool) { return unix(r.Ended), r.Maintenance == nil && r.Code == failure.CodeDone }},
	{"migration_version", "Highest applied version.",
		schema(func(s Schema) float64 { return float64(s.Version) })},
	{"migration_pending", "Migrations that are not applied yet.",
		schema(func(s Schema) float64 { return float64(s.Pending) })},
	{"migration_maintenance_last_run_timestamp_seconds", "Unix time at which the last run of a maintenance job ended.",
		maintained(func(r Run) float64 { return unix(r.Ended) })},
	{"migration_maintenance_last_run_duration_seconds", "How long the last run of a maintenance job took.",
		maintained(func(r Run) float64 { return r.Duration.Seconds() })},
	{"migration_maintenance_last_run_exit_code", "Exit code of the last run of a maintenance job, 0 if it succeeded.",
		maintained(func(r Run) float64 { return float64(r.Code) })},
	{"migration_maintenance_last_run_rows", "Rows that the last run of a maintenance job deleted or changed.",
		maintained(func(r Run) float64 { return float64(r.Maintenance.Rows) })},
	{"migration_maintenance_last_run_partitions_created", "Partitions that the last run of a maintenance job created.",
		maintained(func(r Run) float64 { return float64(r.Maintenance.Created) })},
	{"migration_maintenance_last_run_partitions_dropped", "Partitions that the last run of a maintenance job dropped.",
		maintained(func(r Run) float64 { return float64(r.Maintenance.Dropped) })},
	{"migration_maintenance_last_run_partitions_held", "Partitions that are old enough to be dropped, but held.",
		maintained(func(r Run) float64 { return float64(r.Maintenance.Held) })},
	{"migration_maintenance_last_success_timestamp_seconds", "Unix time at which the last run of a maintenance job that succeeded ended.",
		func(r Run) (float64, bool) { return unix(r.Ended), r.Maintenance != nil && r.Code == failure.CodeDone }},
}

func migrated(value func(Run) float64) func(Run) (float64, bool) {
	return func(r Run) (float64, bool) {
		if r.Maintenance != nil {
			return 0, false
		}
		return value(r), true
	}
}

func maintained(value func(Run) float64) func(Run) (float64, bool) {
	return func(r Run) (float64, bool) {
		if r.Maintenance == nil {
			return 0, false
		}
		return value(r), true
	}
}

func schema(value func(Schema) float64) func(Run) (float64, bool) {
	return func(r Run) (float64, bool) {
		if r.Schema == nil || r.Maintenance != nil {
			return 0, false
		}
		return value(*r.Schema), true
	}
}

func unix(moment time.Time) float64 { return float64(moment.UnixMilli()) / 1000 }

// text writes the run in Prometheus' text format. Where it has nothing to say, the line of an earlier text stays, and so
// does what other runs have told.
func (r Run) text(earlier string) string {
	var text strings.Builder
	for _, metric := range families {
		lines := linesOf(earlier, metric.name)
		if value, known := metric.value(r); known {
			series := metric.name + r.labels() + " "
			lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, series) })
			lines = append(lines, series+strconv.FormatFloat(value, 'f', -1, 64))
		}
		if len(lines) > 0 {
			text.WriteString("# HELP " + metric.name + " " + metric.help + "\n# TYPE " + metric.name + " gauge\n" +
				strings.Join(lines, "\n") + "\n")
		}
	}
	return text.String()
}

// labels do not call a maintenance job `job`, which is a label of every target.
func (r Run) labels() string {
	if r.Maintenance == nil {
		return `{service="` + escape(r.Service) + `"}`
	}
	return `{service="` + escape(r.Service) + `",maintenance="` + escape(r.Maintenance.Job) + `"}`
}

func linesOf(text, name string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, name+"{") {
			found = append(found, strings.TrimSuffix(line, "\n"))
		}
	}
	return found
}

var escaping = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

func escape(value string) string { return escaping.Replace(value) }
