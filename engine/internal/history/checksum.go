package history

import (
	"context"
	"database/sql"
	"encoding/json"
	"runtime/debug"
)

// ChecksumTable is the table beside a version table that holds the checksum of every applied file.
func ChecksumTable(table string) string { return table + "_checksum" }

// applied_order is the id of goose's row: the order in which the versions really came.
const createChecksumTable = ` (
	version_id bigint PRIMARY KEY,
	file text NOT NULL,
	checksum text NOT NULL,
	applied_order bigint NOT NULL,
	recorded_at timestamptz NOT NULL DEFAULT now(),
	engine text NOT NULL
)`

// Who recorded a checksum, in the column engine.
const (
	byAnotherTool = "another tool"
	byRepair      = "migrate repair"
	byBaseline    = "migrate baseline"
)

// Prepare creates what the engine keeps beside goose's table, and marks the database with its environment if it has no mark
// yet. An empty environment marks nothing: what nobody has said must not be remembered.
func Prepare(ctx context.Context, session *sql.DB, table, environment string) error {
	return InTransaction(ctx, session, func(tx *sql.Tx) error { return prepare(ctx, tx, table, environment) })
}

func prepare(ctx context.Context, tx *sql.Tx, table, environment string) error {
	if err := create(ctx, tx, ChecksumTable(table), createChecksumTable); err != nil {
		return err
	}
	if err := create(ctx, tx, MarkerTable(table), createMarkerTable); err != nil {
		return err
	}
	if environment == "" {
		return nil
	}
	_, err := tx.ExecContext(ctx, "INSERT INTO "+MarkerTable(table)+
		" (environment) VALUES ($1) ON CONFLICT DO NOTHING", environment)
	return err
}

// Adopt records the files of versions that another tool applied.
func Adopt(ctx context.Context, session *sql.DB, table string, files []Entry) error {
	return record(ctx, session, table, files, byAnotherTool)
}

// Repair records the files as they are now.
func Repair(ctx context.Context, session *sql.DB, table string, files []Entry) error {
	return record(ctx, session, table, files, byRepair)
}

type recordedFile struct {
	Version  int64  `json:"version_id"`
	File     string `json:"file"`
	Checksum string `json:"checksum"`
}

func record(ctx context.Context, session *sql.DB, table string, entries []Entry, by string) error {
	files := []recordedFile{}
	for _, entry := range entries {
		files = append(files, recordedFile{entry.Version, entry.File, entry.Checksum})
	}
	document, err := json.Marshal(files)
	if err != nil {
		return err
	}
	_, err = session.ExecContext(ctx, "INSERT INTO "+ChecksumTable(table)+
		" (version_id, file, checksum, applied_order, engine)"+
		" SELECT version_id, r.file, r.checksum, g.id, $2::text"+
		" FROM jsonb_to_recordset($1::text::jsonb) AS r (version_id bigint, file text, checksum text)"+
		" JOIN (SELECT version_id, max(id) AS id FROM "+table+" GROUP BY version_id) g USING (version_id)"+
		onConflictReplace, string(document), by)
	return err
}

const onConflictReplace = " ON CONFLICT (version_id) DO UPDATE SET file = excluded.file, checksum = excluded.checksum," +
	" applied_order = excluded.applied_order, recorded_at = excluded.recorded_at, engine = excluded.engine"

// engine names the program that applies migrations here.
var engine = func() string {
	build, _ := debug.ReadBuildInfo()
	for _, dependency := range build.Deps {
		if dependency.Path == "github.com/pressly/goose/v3" {
			return "migrate, goose " + dependency.Version
		}
	}
	return "migrate"
}()

// create makes a table that nobody but the engine writes to.
func create(ctx context.Context, tx *sql.Tx, table, columns string) error {
	_, err := tx.ExecContext(ctx, creation(table, columns))
	return err
}

// InTransaction commits what do did, or rolls it back and returns its error.
func InTransaction(ctx context.Context, session *sql.DB, do func(*sql.Tx) error) error {
	tx, err := session.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}
