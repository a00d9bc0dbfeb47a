package history

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"avion.internal/migrate/internal/sqlscan"
)

// StatementTable is the table beside a version table that remembers how far a file without a transaction has come. goose's
// own table has one line for a file, and that file has several transactions.
func StatementTable(table string) string { return table + "_statement" }

// rolls_back tells the two sections of a file apart. A statement that is not done was sent outside a transaction: reason is
// why, and failure the SQLSTATE it ended with, empty if nobody heard of its end. unusable are the indexes and partitions that
// were of no use before it began.
const statementColumns = `
	version_id bigint NOT NULL,
	rolls_back boolean NOT NULL,
	position integer NOT NULL,
	checksum text NOT NULL,
	done boolean NOT NULL,
	reason text NOT NULL DEFAULT '',
	failure text NOT NULL DEFAULT '',
	unusable oid[] NOT NULL DEFAULT '{}',
	begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	engine text NOT NULL,
	PRIMARY KEY (version_id, rolls_back, position)`

// Section is one section of a file: what runs when a version is applied, or when it is rolled back.
type Section struct {
	Version   int64
	RollsBack bool
}

func (s Section) where() string {
	return fmt.Sprintf(" WHERE version_id = %d AND rolls_back = %t", s.Version, s.RollsBack)
}

// Statement is what is remembered of one statement of a section.
type Statement struct {
	// Position counts the statements of the section from zero.
	Position int
	Checksum string
	Done     bool
	// Reason is why PostgreSQL does not let the statement run in a transaction, in its words; empty for one that ran in one.
	Reason string
	// Failure is the SQLSTATE that it ended with outside a transaction; empty if nobody heard of its end.
	Failure string
	// Unusable are the ids of what was of no use before it began, as PostgreSQL writes an array.
	Unusable string
	BegunAt  time.Time
}

// PrepareStatements makes the table of statements where there is none.
func PrepareStatements(ctx context.Context, session *sql.DB, table string) error {
	if there, err := exists(ctx, session, StatementTable(table)); err != nil || there {
		return err
	}
	return CreateTable(ctx, session, StatementTable(table), statementColumns)
}

// HalfRun are the sections of which some statements are remembered; none where the table is not there.
func HalfRun(ctx context.Context, session *sql.DB, table string) ([]Section, error) {
	if there, err := exists(ctx, session, StatementTable(table)); err != nil || !there {
		return nil, err
	}
	return sqlscan.All(ctx, session, func(s *Section) []any { return []any{&s.Version, &s.RollsBack} },
		"SELECT DISTINCT version_id, rolls_back FROM "+StatementTable(table)+" ORDER BY 1, 2")
}

// ReadStatements are the remembered statements of a section by their position.
func ReadStatements(ctx context.Context, session *sql.DB, table string, section Section) (map[int]Statement, error) {
	all, err := sqlscan.All(ctx, session, func(s *Statement) []any {
		return []any{&s.Position, &s.Checksum, &s.Done, &s.Reason, &s.Failure, &s.Unusable, &s.BegunAt}
	}, "SELECT position, checksum, done, reason, failure, unusable::text, begun_at FROM "+StatementTable(table)+section.where())
	known := map[int]Statement{}
	for _, each := range all {
		known[each.Position] = each
	}
	return known, err
}

// execer is a session, or a transaction of one.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// Remember records a statement in the transaction that it ran in. One that wrote nothing, a SET for example, is not recorded:
// it does no harm again, and a session that goes on with the file needs it.
func Remember(ctx context.Context, transaction execer, table string, section Section, statement Statement) error {
	_, err := transaction.ExecContext(ctx, "INSERT INTO "+StatementTable(table)+" (version_id, rolls_back, position, checksum, done, engine)"+
		" SELECT $1::bigint, $2::boolean, $3::integer, $4::text, true, $5::text WHERE pg_current_xact_id_if_assigned() IS NOT NULL"+
		onStatementConflict, section.Version, section.RollsBack, statement.Position, statement.Checksum, engine)
	return err
}

const onStatementConflict = " ON CONFLICT (version_id, rolls_back, position) DO UPDATE SET checksum = excluded.checksum, done = excluded.done," +
	" reason = excluded.reason, failure = excluded.failure, unusable = excluded.unusable, begun_at = excluded.begun_at, engine = excluded.engine"

// Begin records that a statement is about to run outside a transaction.
func Begin(ctx context.Context, session execer, table string, section Section, statement Statement) error {
	_, err := session.ExecContext(ctx, "INSERT INTO "+StatementTable(table)+
		" (version_id, rolls_back, position, checksum, done, reason, unusable, engine)"+
		" VALUES ($1::bigint, $2::boolean, $3::integer, $4::text, false, $5::text, $6::text::oid[], $7::text)"+onStatementConflict,
		section.Version, section.RollsBack, statement.Position, statement.Checksum, statement.Reason, statement.Unusable, engine)
	return err
}

// End records what became of a statement that ran outside a transaction: it is done, or it failed with an SQLSTATE.
func End(ctx context.Context, session execer, table string, section Section, position int, failure string) error {
	_, err := session.ExecContext(ctx, fmt.Sprintf("UPDATE %s SET done = $1::boolean, failure = $2::text%s AND position = %d",
		StatementTable(table), section.where(), position), failure == "", failure)
	return err
}

// ForgetStatement forgets one statement of a section.
func ForgetStatement(ctx context.Context, session execer, table string, section Section, position int) error {
	_, err := session.ExecContext(ctx, fmt.Sprintf("DELETE FROM %s%s AND position = %d", StatementTable(table), section.where(), position))
	return err
}

// ForgetStatements forgets how far a version had come, in both directions: the version table knows now.
func ForgetStatements(ctx context.Context, transaction execer, table string, version int64) error {
	_, err := transaction.ExecContext(ctx, fmt.Sprintf("DELETE FROM %s WHERE version_id = %d", StatementTable(table), version))
	return err
}
