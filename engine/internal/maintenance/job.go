// Package maintenance does what a service's tables need again and again: rows that are old enough go, and partitions come and
// go with the time. It never touches rows or partitions that no job names.
//
// May import: backfill, connection, failure, history, jobfile, patience, sqlscan, sqlstate, sqltext.
package maintenance

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"avion.internal/migrate/internal/backfill"
	"avion.internal/migrate/internal/jobfile"
	"avion.internal/migrate/internal/sqltext"
)

// Jobs are the files in migrations/maintenance.
var Jobs = jobfile.Kind{
	Folder: "maintenance", Word: "maintenance", Target: "migrate-maintain",
	Example: "kind=delete table=sessions key=expires_at,id retain=7d",
}

// Kind is what a job does.
type Kind string

// The kinds of jobs.
const (
	Delete     Kind = "delete"
	Partitions Kind = "partitions"
)

// Schedule is how often a job is run.
type Schedule string

// The schedules.
const (
	Hourly Schedule = "hourly"
	Daily  Schedule = "daily"
)

// Job is one file.
type Job struct {
	Name string
	Kind Kind
	// Rows are those of a job that deletes, which is a backfill that ends after its budget and begins again.
	Rows   backfill.Job
	Budget backfill.Budget
	// Table, and the column by whose time it is partitioned.
	Table, Column string
	Every         Period
	// Ahead is how many periods after the current one have a partition.
	Ahead int
	// Retain is how long rows are kept; a job that deletes may have a statement that decides instead.
	Retain  time.Duration
	retains bool
	// Schedule is how often a cluster runs the job.
	Schedule Schedule
	// Holds is a table with the ranges of time that have to be kept, or empty.
	Holds string
}

const (
	longestRetain = 100 * 365 * 24 * time.Hour
	shortestRun   = time.Second
	longestRun    = 24 * time.Hour
	mostAhead     = 100
)

const defaultTime = 30 * time.Minute

var (
	age    = regexp.MustCompile(`^(\d{1,5})([dh])$`)
	change = regexp.MustCompile(`(?i)^(DELETE|UPDATE|WITH)\b`)
)

// Read reads the job of a name from a folder of migrations.
func Read(migrations, name string) (Job, error) {
	var job Job
	err := Jobs.Read(migrations, name, job.parse)
	return job, err
}

func (j *Job) parse(file jobfile.File) error {
	*j = Job{Name: file.Name, Rows: backfill.New(file), Budget: backfill.Budget{Time: defaultTime}, Ahead: -1}
	settings := map[string]string{}
	_ = file.Settings(func(name, value string) error {
		settings[name] = value
		return nil
	})
	// What else the line may say depends on the kind.
	j.Kind = Kind(settings["kind"])
	if j.Kind != Delete && j.Kind != Partitions {
		return fmt.Errorf("'-- maintenance:' says kind=%s: write kind=delete or kind=partitions", j.Kind)
	}
	j.Schedule = map[Kind]Schedule{Delete: Hourly, Partitions: Daily}[j.Kind]
	if err := file.Settings(j.set); err != nil {
		return err
	}
	if j.Kind == Partitions {
		return j.checkPartitions(file)
	}
	return j.checkRows(file)
}

func (j *Job) set(name, value string) (err error) {
	switch {
	case name == "kind":
	case name == "retain":
		j.retains = true
		j.Retain, err = parseAge(value)
	case name == "schedule":
		if j.Schedule = Schedule(value); j.Schedule != Hourly && j.Schedule != Daily {
			return errors.New("it is hourly or daily")
		}
	case j.Kind == Delete:
		return j.setRows(name, value)
	default:
		return j.setPartitions(name, value)
	}
	return err
}

func (j *Job) setRows(name, value string) (err error) {
	switch name {
	case "max_time":
		j.Budget.Time, err = time.ParseDuration(value)
		if err != nil || j.Budget.Time < shortestRun || j.Budget.Time > longestRun {
			return errors.New("it is a time from 1s to 24h with its unit, as in 30m")
		}
	case "max_rows":
		j.Budget.Rows, err = strconv.ParseInt(value, 10, 64)
		if err != nil || j.Budget.Rows < 1 {
			return errors.New("it is a number of rows, as in 100000")
		}
	default:
		if !backfill.Knows(name) {
			return errors.New("with kind=delete it knows retain, schedule, max_time, max_rows, " + backfill.Settings)
		}
		return j.Rows.Set(name, value)
	}
	return nil
}

func (j *Job) setPartitions(name, value string) (err error) {
	switch name {
	case "table", "holds":
		if !sqltext.IsTable(value) {
			return errors.New("a table is written as in audit_logs or public.audit_logs")
		}
		if name == "table" {
			j.Table = value
		} else {
			j.Holds = value
		}
	case "column":
		if !sqltext.IsName(value) {
			return errors.New("a column is written as in created_at")
		}
		j.Column = value
	case "every":
		j.Every = Period(value)
		if !j.Every.known() {
			return errors.New("it is day, week, month or year")
		}
	case "ahead":
		j.Ahead, err = strconv.Atoi(value)
		if err != nil || j.Ahead < 1 || j.Ahead > mostAhead {
			return fmt.Errorf("it is a number from 1 to %d", mostAhead)
		}
	default:
		return errors.New("with kind=partitions it knows table, column, every, ahead, retain, holds and schedule")
	}
	return nil
}

// checkRows looks at the statement; a job without one deletes whatever is old enough.
func (j *Job) checkRows(file jobfile.File) error {
	statement := file.Statement()
	switch {
	case statement == "" && !j.retains:
		return errors.New("it has neither retain= nor a statement, so that nothing says which rows to delete: " +
			"write how long rows are kept, as in retain=7d")
	case statement == "" && j.Rows.Table != "" && len(j.Rows.Key) > 0:
		j.Rows.Statement = file.Text + "\nDELETE FROM " + j.Rows.Table + " WHERE " + j.Rows.Condition()
	case statement != "" && !change.MatchString(statement):
		return errors.New("its statement is none that deletes or changes rows: write one DELETE or UPDATE, or none at all")
	}
	return j.Rows.Check()
}

func (j *Job) checkPartitions(file jobfile.File) error {
	switch {
	case j.Table == "" || j.Column == "" || j.Every == "" || j.Ahead < 0 || !j.retains:
		return errors.New("kind=partitions needs all of table, column, every, ahead and retain: write them, " +
			"as in table=audit_logs column=created_at every=month ahead=3 retain=400d")
	case file.Statement() != "":
		return errors.New("kind=partitions takes no statement: remove it, or make it a job of its own")
	}
	return nil
}

// Before is the time before which rows are old enough; zero where the statement alone decides.
func (j Job) Before(now time.Time) time.Time {
	if !j.retains {
		return time.Time{}
	}
	return now.Add(-j.Retain)
}

// Retention is how long rows are kept, as people write it.
func (j Job) Retention() string {
	if j.Retain%(24*time.Hour) == 0 {
		return strconv.FormatInt(int64(j.Retain/(24*time.Hour)), 10) + "d"
	}
	return strings.TrimSuffix(j.Retain.String(), "0m0s")
}

func parseAge(text string) (time.Duration, error) {
	parts := age.FindStringSubmatch(text)
	if parts == nil {
		return 0, errors.New("it is how long rows are kept, in days or hours, as in 400d or 12h")
	}
	number, _ := strconv.Atoi(parts[1])
	value := time.Duration(number) * time.Hour
	if parts[2] == "d" {
		value *= 24
	}
	if value > longestRetain {
		return 0, errors.New("it is at most 36500d")
	}
	return value, nil
}

// Table is the table beside a version table that remembers how far each job came.
func Table(versions string) string { return versions + "_maintenance" }

// DetachedTable is the table beside a version table that remembers which partitions are to be dropped.
func DetachedTable(versions string) string { return versions + "_detached" }
