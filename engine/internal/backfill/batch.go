package backfill

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
)

// Key is a row's key, as the server writes each of its columns.
type Key []string

// Scan reads a key that the server wrote as JSON.
func (k *Key) Scan(value any) error {
	text, isText := value.(string)
	if !isText {
		return fmt.Errorf("a key is %T", value)
	}
	return json.Unmarshal([]byte(text), k)
}

// Value writes a key as JSON.
func (k Key) Value() (driver.Value, error) {
	text, err := json.Marshal([]string(k))
	return string(text), err
}

// arguments are the values of a key for pgx. The server says of which type each is, and reads it from its text.
func arguments(keys ...Key) []any {
	all := []any{pgx.QueryExecModeCacheDescribe}
	for _, key := range keys {
		for _, value := range key {
			all = append(all, value)
		}
	}
	return all
}

// batch is the rows from one key to another, both included.
type batch struct {
	first, last Key
	rows        int64
}

// checkKey makes sure that the key leads to every row, to each of them once, and along an index.
func (r *Runner) checkKey(ctx context.Context) error {
	if !r.Before.IsZero() {
		return r.checkTime(ctx)
	}
	var found bool
	err := r.Session.QueryRowContext(ctx, `
SELECT EXISTS (
	SELECT FROM pg_index i
	WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
	  AND ARRAY(
		SELECT quote_ident(a.attname) || CASE WHEN a.attnotnull THEN '' ELSE ' can be null' END
		FROM unnest(i.indkey) WITH ORDINALITY k(number, place) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
		WHERE k.place <= i.indnkeyatts ORDER BY k.place) = ARRAY(SELECT jsonb_array_elements_text($2::text::jsonb))
)`, r.Job.Table, Key(r.Job.Key)).Scan(&found)
	if err != nil || found {
		return err
	}
	return failure.Refused("%s has no unique index on exactly (%s) whose columns are NOT NULL, "+
		"so batches could miss rows: name the primary key in %s", r.Job.Table, strings.Join(r.Job.Key, ", "), r.Job.line)
}

// checkTime makes sure that a key whose first column is a time leads to every row that is older than some time, and along
// an index. A row without a time is never old enough. What else makes the key unique keeps batches small where many rows
// have the same time.
func (r *Runner) checkTime(ctx context.Context) error {
	var kind string
	var indexed, unique bool
	err := r.Session.QueryRowContext(ctx, `
WITH key AS (SELECT ARRAY(SELECT jsonb_array_elements_text($2::text::jsonb)) AS columns),
     indexes AS (
	SELECT i.indisunique, ARRAY(
		SELECT quote_ident(a.attname) || CASE WHEN a.attnotnull OR k.place = 1 AND NOT i.indisunique THEN '' ELSE ' can be null' END
		FROM unnest(i.indkey) WITH ORDINALITY k(number, place) JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
		WHERE k.place <= i.indnkeyatts ORDER BY k.place) AS columns
	FROM pg_index i
	WHERE i.indrelid = to_regclass($1) AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL)
SELECT coalesce((SELECT t.typname FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
	WHERE a.attrelid = to_regclass($1) AND quote_ident(a.attname) = key.columns[1] AND NOT a.attisdropped), ''),
       EXISTS (SELECT FROM indexes i WHERE split_part(i.columns[1], ' can be null', 1) = key.columns[1]),
       EXISTS (SELECT FROM indexes i WHERE i.indisunique AND i.columns <@ key.columns)
FROM key`, r.Job.Table, Key(r.Job.Key)).Scan(&kind, &indexed, &unique)
	switch {
	case err != nil:
		return err
	case kind != "timestamptz" && kind != "timestamp" && kind != "date":
		return failure.Refused("%s of %s is no column with a time, by which the age of a row could be told: "+
			"name one first in key= of %s", r.Job.Key[0], r.Job.Table, r.Job.line)
	case !indexed:
		return failure.Refused("%s has no index that begins with %s, so each run would read the whole table: "+
			"create one on (%s)", r.Job.Table, r.Job.Key[0], strings.Join(r.Job.Key, ", "))
	case !unique:
		return failure.Refused("(%s) holds no unique key of %s whose columns are NOT NULL, so a batch could grow without a limit: "+
			"add the primary key to key= of %s", strings.Join(r.Job.Key, ", "), r.Job.Table, r.Job.line)
	}
	return nil
}

// between limits a query to the rows that are left to do behind a key, up to another one if there is one, and returns the
// values of its parameters.
func (r *Runner) between(after, upTo Key) (condition string, values []any) {
	var conditions []string
	values = arguments(after, upTo)
	key := strings.Join(r.Job.Key, ", ")
	if len(after) > 0 {
		conditions = append(conditions, fmt.Sprintf("(%s) > (%s)", key, parameters(1, len(after))))
	}
	if len(upTo) > 0 {
		conditions = append(conditions, fmt.Sprintf("(%s) <= (%s)", key, parameters(len(after)+1, len(upTo))))
	}
	if !r.Before.IsZero() {
		conditions = append(conditions, fmt.Sprintf("%s < $%d", r.Job.Key[0], len(after)+len(upTo)+1))
		values = append(values, r.Before.UTC().Format("2006-01-02 15:04:05.999999Z07:00"))
	}
	if len(conditions) == 0 {
		return "", values
	}
	return " WHERE " + strings.Join(conditions, " AND "), values
}

// querier is a session, or a transaction in it.
type querier interface {
	QueryRowContext(ctx context.Context, query string, values ...any) *sql.Row
}

// next finds the batch of so many rows behind a key, up to another one if there is one; its rows are 0 where none is left.
func (r *Runner) next(ctx context.Context, in querier, after, upTo Key, rows int) (batch, error) {
	query, values := r.finding(after, upTo, rows)
	var found batch
	err := in.QueryRowContext(ctx, query, values...).Scan(&found.rows, &found.first, &found.last)
	return found, err
}

// finding is the query that finds a batch: its rows, its first and its last key. Of a whole batch it reads the key only
// where it ends, and counts only what is less than one: it costs a small part of what the batch does.
func (r *Runner) finding(after, upTo Key, rows int) (string, []any) {
	condition, values := r.between(after, upTo)
	columns := strings.Join(r.Job.Key, ", ")
	left := fmt.Sprintf("FROM %s%s", r.Job.Table, condition)
	return fmt.Sprintf(`
WITH first AS (SELECT %[1]s %[2]s ORDER BY %[1]s LIMIT 1),
     whole AS (SELECT %[1]s %[2]s ORDER BY %[1]s OFFSET %[3]d LIMIT 1),
     last AS (SELECT %[1]s %[2]s ORDER BY %[4]s LIMIT 1)
SELECT CASE WHEN EXISTS (SELECT FROM whole) THEN %[5]d ELSE (SELECT count(*) %[2]s) END,
       coalesce((SELECT %[6]s FROM first), '[]'),
       coalesce((SELECT %[6]s FROM whole), (SELECT %[6]s FROM last), '[]')`,
		columns, left, rows-1, strings.Join(r.Job.Key, " DESC, ")+" DESC", rows,
		"jsonb_build_array("+strings.Join(r.Job.Key, "::text, ")+"::text)::text"), values
}

// errTrial ends the transaction of a trial.
var errTrial = errors.New("only a trial")

// apply changes the rows of a batch and remembers, in the same transaction, that it did: whatever ends the run, no row
// is missed and none is done twice. That also holds for a server that crashes and loses its last commits, so that none of
// them has to wait for the disk while the batch holds its rows; the end of the job does.
func (r *Runner) apply(ctx context.Context, rows batch, by change, trial bool) (now Progress, err error) {
	err = history.InTransaction(ctx, r.Session, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "SET LOCAL synchronous_commit = off"); err != nil {
			return err
		}
		scanned, changed, err := by(ctx, tx, rows)
		if err != nil {
			return err
		}
		now = r.progress
		now.LastKey = rows.last
		now.Scanned += scanned
		now.Changed += changed
		now.Batches++
		if trial {
			return errTrial
		}
		now.State, err = r.save(ctx, tx, now)
		return err
	})
	if errors.Is(err, errTrial) {
		err = nil
	}
	return now, err
}

// change is a way to change the rows of a batch. It tells how many rows it went over, and how many it changed.
type change func(ctx context.Context, tx *sql.Tx, rows batch) (scanned, changed int64, err error)

// atOnce changes them with one statement.
func (r *Runner) atOnce(ctx context.Context, tx *sql.Tx, rows batch) (scanned, changed int64, err error) {
	result, err := tx.ExecContext(ctx, r.Job.Statement, arguments(rows.first, rows.last)...)
	if err != nil {
		return 0, 0, err
	}
	changed, err = result.RowsAffected()
	return rows.rows, changed, err
}

// untouched changes nothing: the rows are gone.
func (r *Runner) untouched(context.Context, *sql.Tx, batch) (scanned, changed int64, err error) {
	return 0, 0, nil
}

// work does a batch: at once, or, where the run minds others, in slices that are transactions of their own. Before each it rests
// for what the one before it took, outside of any transaction: nobody waits for a row while the job does nothing, and no limit
// on idle transactions ends it. Whoever commits meanwhile waits until the disk has the whole log so far: that of a slice takes
// hardly longer than their own, that of a batch many times as long.
func (r *Runner) work(ctx context.Context, rows batch) error {
	if r.OpenWatcher == nil {
		now, err := r.apply(ctx, rows, r.atOnce, false)
		if err == nil {
			r.progress = now
		}
		return err
	}
	for !slices.Equal(r.progress.LastKey, rows.last) && r.progress.State != Paused {
		if err := sleep(ctx, r.Job.Pace.rest(r.worked)); err != nil {
			return err
		}
		slice, err := r.next(ctx, r.Session, r.progress.LastKey, rows.last, sliceRows)
		if err != nil {
			return err
		}
		by := r.atOnce
		if slice.rows == 0 { // whoever held the last ones has deleted them
			by, slice.last = r.untouched, rows.last
		}
		started := time.Now()
		now, err := r.apply(ctx, slice, by, false)
		if err != nil {
			return err
		}
		r.worked = time.Since(started)
		r.progress = now
	}
	return nil
}
