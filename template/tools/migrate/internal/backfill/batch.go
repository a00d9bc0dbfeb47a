package backfill

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"migrate/internal/failure"
	"migrate/internal/history"
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
		"so batches could miss rows: name the primary key in the job's '-- backfill:' line", r.Job.Table, strings.Join(r.Job.Key, ", "))
}

// after limits a query to the rows behind a key.
func (j Job) after(last Key) string {
	if len(last) == 0 {
		return ""
	}
	return fmt.Sprintf(" WHERE (%s) > (%s)", strings.Join(j.Key, ", "), parameters(1, len(j.Key)))
}

// next finds the batch of so many rows behind a key; its rows are 0 at the end of the table.
func (r *Runner) next(ctx context.Context, after Key, rows int) (batch, error) {
	columns := strings.Join(r.Job.Key, ", ")
	asText := "jsonb_build_array(" + strings.Join(r.Job.Key, "::text, ") + "::text)::text"
	descending := strings.Join(r.Job.Key, " DESC, ") + " DESC"
	query := fmt.Sprintf("WITH batch AS MATERIALIZED (SELECT %s FROM %s%s ORDER BY %s LIMIT %d) "+
		"SELECT (SELECT count(*) FROM batch), "+
		"coalesce((SELECT %s FROM batch ORDER BY %s LIMIT 1), '[]'), "+
		"coalesce((SELECT %s FROM batch ORDER BY %s LIMIT 1), '[]')",
		columns, r.Job.Table, r.Job.after(after), columns, rows, asText, columns, asText, descending)
	var found batch
	err := r.Session.QueryRowContext(ctx, query, arguments(after)...).Scan(&found.rows, &found.first, &found.last)
	return found, err
}

// errTrial ends the transaction of a trial.
var errTrial = errors.New("only a trial")

// apply changes the rows of a batch and remembers, in the same transaction, that it did: whatever ends the run, no row
// is missed and none is done twice.
func (r *Runner) apply(ctx context.Context, rows batch, trial bool) (now Progress, err error) {
	err = history.InTransaction(ctx, r.Session, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, r.Job.Statement, arguments(rows.first, rows.last)...)
		if err != nil {
			return err
		}
		changed, err := result.RowsAffected()
		if err != nil {
			return err
		}
		now = r.progress
		now.LastKey = rows.last
		now.Scanned += rows.rows
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
