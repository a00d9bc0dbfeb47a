package outbox

import (
	"context"
	"database/sql"
	"strings"

	"github.com/jackc/pgerrcode"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqlscan"
	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/sqltext"
)

// Keys returns up to limit keys after one in the order of the table, beginning with the first after nil.
func (s Set) Keys(ctx context.Context, db *sql.DB, after *string, limit int) ([]string, error) {
	where, arguments := "", []any{limit}
	if after != nil {
		where, arguments = "WHERE key > $2::text::{type}", append(arguments, *after)
	}
	query := s.statement("SELECT key::text FROM (SELECT DISTINCT key FROM {view} " + where + " ORDER BY key LIMIT $1) AS each")
	return sqlscan.Column[string](ctx, db, query, arguments...)
}

// IsKey tells whether a text is how the table would write one of its keys: 007 is none of a number, and no row has it.
func (s Set) IsKey(ctx context.Context, db *sql.DB, text string) (bool, error) {
	var same bool
	err := db.QueryRowContext(ctx, s.statement("SELECT $1::text::{type}::text = $1::text"), text).Scan(&same)
	if pgerrcode.IsDataException(sqlstate.Of(err)) { // the text is no value of the type
		return false, nil
	}
	return same, err
}

// CheckKey refuses a text that is none of the table's keys.
func (s Set) CheckKey(ctx context.Context, db *sql.DB, text string) error {
	valid, err := s.IsKey(ctx, db, text)
	if err == nil && !valid {
		err = failure.Refused("%q is no key of %s: write it as PostgreSQL does, without the prefix %s", text, s.Table, s.Prefix)
	}
	return err
}

// Lock keeps workers and other rebuilds away from keys until the transaction ends, and returns a token that is greater than
// that of every earlier holder. Everybody who waits for several locks takes them in the same order.
func (s Set) Lock(ctx context.Context, tx *sql.Tx, keys []string) (int64, error) {
	const query = `
SELECT pg_advisory_xact_lock(hash)
FROM (SELECT DISTINCT hashtextextended(key, {seed}) AS hash FROM unnest($1::text[]) AS key ORDER BY hash) AS each`
	if _, err := tx.ExecContext(ctx, s.statement(query), keys); err != nil {
		return 0, err
	}
	var token int64
	err := tx.QueryRowContext(ctx, s.statement("SELECT nextval({sequence})")).Scan(&token)
	return token, err
}

// Rows calls each for every member of the keys, one key after the other.
func (s Set) Rows(ctx context.Context, tx *sql.Tx, keys []string, each func(Change) error) error {
	rows, err := tx.QueryContext(ctx, s.statement(
		"SELECT key::text, member::text, score FROM {view} WHERE key = ANY($1::text[]::{type}[]) ORDER BY key"), keys)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var row Change
		if err := rows.Scan(&row.Key, &row.Member, &row.Score); err != nil {
			return err
		}
		if err := each(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Wanted is what the table says about some keys at one moment.
type Wanted struct {
	// Scores are those of the members of each key.
	Scores map[string]map[string]float64
	// Pending are the members of each key whose changes are still to be applied.
	Pending map[string]map[string]bool
	// Everything tells that all of them are.
	Everything bool
}

// One statement, so that rows and events are those of the same moment.
const wantedQuery = `
SELECT key::text, member::text, score, false FROM {view} WHERE key = ANY($1::text[]::{type}[])
UNION ALL
SELECT key::text, member::text, NULL, true FROM {outbox} WHERE key = ANY($1::text[]::{type}[]) OR key IS NULL`

// Wanted reads the members of keys, and which of them may be in Redis as they were before.
func (s Set) Wanted(ctx context.Context, tx *sql.Tx, keys []string) (Wanted, error) {
	found := Wanted{Scores: map[string]map[string]float64{}, Pending: map[string]map[string]bool{}}
	for _, key := range keys {
		found.Scores[key], found.Pending[key] = map[string]float64{}, map[string]bool{}
	}
	rows, err := tx.QueryContext(ctx, s.statement(wantedQuery), keys)
	if err != nil {
		return found, err
	}
	defer rows.Close()
	for rows.Next() {
		var key, member sql.NullString
		var score sql.NullFloat64
		var pending bool
		if err := rows.Scan(&key, &member, &score, &pending); err != nil {
			return found, err
		}
		switch {
		case !pending:
			found.Scores[key.String][member.String] = score.Float64
		case key.Valid:
			found.Pending[key.String][member.String] = true
		default:
			found.Everything = true
		}
	}
	return found, rows.Err()
}

// statement fills in the names. The seed keeps the locks of one table apart from those of others.
func (s Set) statement(template string) string {
	return strings.NewReplacer(
		"{outbox}", s.outbox, "{view}", s.view, "{type}", s.keyType, "{sequence}", sqltext.Literal(s.sequence),
		"{seed}", "hashtextextended("+sqltext.Literal(s.outbox)+", 0)",
	).Replace(template)
}
