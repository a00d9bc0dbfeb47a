// Package backfill moves data in many small transactions, next to an application that goes on working: it follows the primary
// key, remembers how far it came in the same transaction as the change, and gives way when the server is busy. It never holds
// a lock longer than one batch, and never changes a schema.
//
// May import: connection, failure, history, jobfile, migration, patience, sqlscan, sqlstate, sqltext.
package backfill

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"avion.internal/migrate/internal/jobfile"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/sqltext"
)

// Jobs are the files in migrations/backfill.
var Jobs = jobfile.Kind{Folder: "backfill", Word: "backfill", Example: "table=accounts key=id", Target: "migrate-backfill"}

// Job is one file: a statement for the rows of one batch, and how to cut a table into batches.
type Job struct {
	Name string
	// Statement changes the rows whose key lies between $1 and $2, both included. With a key of n columns the lower end
	// is $1 to $n and the upper end the n after it.
	Statement string
	// Checksum is the SHA-256 of the file, whatever its line endings.
	Checksum string
	// Table and Key are written into SQL as they stand in the file.
	Table string
	Key   []string
	Pace  Pace
	// line is where the file says all this.
	line string
}

// Pace is how much of the server a job may take.
type Pace struct {
	// Batch is how long one batch, and with it the locks on its rows, shall last.
	Batch time.Duration
	// Load is the share of the time, in per cent, in which the job works; it rests for the remainder.
	Load int
	// ReplicaLag is how far the slowest replica may fall behind before the job waits for it.
	ReplicaLag time.Duration
	// WAL is how many bytes of write-ahead log the whole server may write per second before the job waits.
	WAL int64
}

var defaultPace = Pace{Batch: 100 * time.Millisecond, Load: 10, ReplicaLag: 10 * time.Second, WAL: 64 << 20}

const (
	shortestBatch = 10 * time.Millisecond
	longestBatch  = 10 * time.Second
	longestLag    = time.Hour
	largestWAL    = 1 << 40
)

var (
	parameter = regexp.MustCompile(`\$(\d+)`)
	walAmount = regexp.MustCompile(`^(\d{1,6})(kB|MB|GB)$`)
	walUnits  = map[string]int64{"kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
)

// Read reads the job of a name from a folder of migrations.
func Read(migrations, name string) (Job, error) {
	var job Job
	err := Jobs.Read(migrations, name, job.parse)
	return job, err
}

func (j *Job) parse(file jobfile.File) error {
	*j = New(file)
	if err := file.Settings(j.Set); err != nil {
		return err
	}
	return j.Check()
}

// New is a job before its settings are known.
func New(file jobfile.File) Job {
	return Job{Name: file.Name, Statement: file.Text, Checksum: file.Checksum, Pace: defaultPace, line: file.Line()}
}

// Check refuses a job that does not say which rows it is for.
func (j *Job) Check() error {
	if j.Table == "" || len(j.Key) == 0 {
		return errors.New("it needs a table and its key: write both, as in table=accounts key=id")
	}
	return j.checkStatement()
}

// Settings names what Set knows.
const Settings = "table, key, batch, load, max_replica_lag and max_wal"

// Knows tells whether Set takes a setting of this name.
func Knows(name string) bool {
	return slices.Contains([]string{"table", "key", "batch", "load", "max_replica_lag", "max_wal"}, name)
}

// Set takes one setting of the file's first line.
func (j *Job) Set(name, value string) (err error) {
	switch name {
	case "table":
		if !sqltext.IsTable(value) {
			return errors.New("a table is written as in accounts or public.accounts")
		}
		j.Table = value
	case "key":
		j.Key = strings.Split(value, ",")
		if slices.ContainsFunc(j.Key, func(column string) bool { return !sqltext.IsName(column) }) {
			return errors.New("a key is one column, or several with commas between them and no blanks")
		}
	case "batch":
		j.Pace.Batch, err = durationBetween(value, shortestBatch, longestBatch)
	case "load":
		number, isPercent := strings.CutSuffix(value, "%")
		if j.Pace.Load, err = strconv.Atoi(number); err != nil || !isPercent || j.Pace.Load < 1 || j.Pace.Load > 100 {
			return errors.New("a load is 1% to 100%")
		}
	case "max_replica_lag":
		j.Pace.ReplicaLag, err = durationBetween(value, time.Second, longestLag)
	case "max_wal":
		j.Pace.WAL, err = bytesPerSecond(value)
	default:
		return errors.New("it knows " + Settings)
	}
	return err
}

func durationBetween(text string, shortest, longest time.Duration) (time.Duration, error) {
	value, err := time.ParseDuration(text)
	if err != nil || value < shortest || value > longest {
		return 0, fmt.Errorf("it is a time from %s to %s with its unit, as in %s", shortest, longest, shortest)
	}
	return value, nil
}

func bytesPerSecond(text string) (int64, error) {
	parts := walAmount.FindStringSubmatch(text)
	if parts == nil {
		return 0, errors.New("it is what the server may write per second, as in 64MB")
	}
	amount, err := strconv.ParseInt(parts[1], 10, 64)
	if value := amount * walUnits[parts[2]]; err == nil && value > 0 && value <= largestWAL {
		return value, nil
	}
	return 0, errors.New("it is more than nothing and at most 1024GB")
}

// checkStatement refuses a statement that could not tell its batch from the rest of the table.
func (j *Job) checkStatement() error {
	used := map[string]bool{}
	for _, found := range parameter.FindAllStringSubmatch(migration.Statement{Text: j.Statement}.Plain(), -1) {
		used[found[1]] = true
	}
	for number := range 2 * len(j.Key) {
		if !used[strconv.Itoa(number+1)] {
			return fmt.Errorf("its statement does not use $%d: limit it to the rows of a batch with %s", number+1, j.Condition())
		}
		delete(used, strconv.Itoa(number+1))
	}
	if len(used) > 0 {
		return fmt.Errorf("its statement uses more parameters than the %d ends of a batch: limit it with %s", 2*len(j.Key), j.Condition())
	}
	return nil
}

// Condition is how a statement names the rows of its batch.
func (j *Job) Condition() string {
	if len(j.Key) == 1 {
		return fmt.Sprintf("%s BETWEEN $1 AND $2", j.Key[0])
	}
	columns := strings.Join(j.Key, ", ")
	return fmt.Sprintf("(%s) >= (%s) AND (%s) <= (%s)", columns, parameters(1, len(j.Key)), columns, parameters(len(j.Key)+1, len(j.Key)))
}

// parameters writes "$3, $4".
func parameters(first, count int) string {
	var all []string
	for number := first; number < first+count; number++ {
		all = append(all, "$"+strconv.Itoa(number))
	}
	return strings.Join(all, ", ")
}
