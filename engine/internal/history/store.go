package history

import (
	"context"
	"fmt"
	"time"

	"github.com/pressly/goose/v3/database"
)

// Store is goose's own store for PostgreSQL, which writes the table, with the questions answered from a history that was
// read under the lock: while the lock is held nobody else changes it, and a migration costs no extra round trip.
type Store struct {
	database.Store
	table   string
	applied map[int64]time.Time
	exists  bool
	// files are recorded with their checksums; a store without any leaves that table alone.
	files map[int64]Entry
	// by is who records them.
	by string
}

// NewStore begins with what Read returned for the same table. The files are those whose checksums it records.
func NewStore(table string, known History, files []Entry) (*Store, error) {
	postgres, err := database.NewStore(database.DialectPostgres, table)
	if err != nil {
		return nil, err
	}
	applied := map[int64]time.Time{}
	for _, record := range known.Records {
		applied[record.Version] = record.AppliedAt
	}
	store := &Store{Store: postgres, table: table, applied: applied, exists: known.Exists, files: map[int64]Entry{}, by: engine}
	for _, file := range files {
		store.files[file.Version] = file
	}
	return store, nil
}

// Repeatable is a Store for files that run every time: none of them counts as applied, and each is recorded once.
type Repeatable struct{ *Store }

// GetMigration knows of nothing that would keep a file from running.
func (r Repeatable) GetMigration(_ context.Context, _ database.DBTxConn, version int64) (*database.GetMigrationResult, error) {
	return nil, fmt.Errorf("%w: %d", database.ErrVersionNotFound, version)
}

// Insert records a version that is not recorded yet.
func (r Repeatable) Insert(ctx context.Context, db database.DBTxConn, request database.InsertRequest) error {
	if _, recorded := r.applied[request.Version]; recorded {
		return nil
	}
	return r.Store.Insert(ctx, db, request)
}

// CreateVersionTable makes goose's table, which only the engine writes to.
func (s *Store) CreateVersionTable(ctx context.Context, db database.DBTxConn) error {
	if err := s.Store.CreateVersionTable(ctx, db); err != nil {
		return err
	}
	_, err := db.ExecContext(ctx, Protect(s.table))
	return err
}

// TableExists spares goose a query to the catalog.
func (s *Store) TableExists(context.Context, database.DBTxConn) (bool, error) { return s.exists, nil }

// GetMigration answers from memory.
func (s *Store) GetMigration(_ context.Context, _ database.DBTxConn, version int64) (*database.GetMigrationResult, error) {
	if at, applied := s.applied[version]; applied {
		return &database.GetMigrationResult{Timestamp: at, IsApplied: true}, nil
	}
	return nil, fmt.Errorf("%w: %d", database.ErrVersionNotFound, version)
}

// Insert records a version in goose's table, in the transaction of its migration, and the checksum of its file in the
// same statement: there is never one without the other, not even where a file runs without a transaction.
func (s *Store) Insert(ctx context.Context, db database.DBTxConn, request database.InsertRequest) error {
	if err := s.insert(ctx, db, request); err != nil {
		return err
	}
	s.applied[request.Version] = time.Time{}
	return nil
}

func (s *Store) insert(ctx context.Context, db database.DBTxConn, request database.InsertRequest) error {
	file, known := s.files[request.Version]
	if !known { // goose's own version 0, or a seed
		return s.Store.Insert(ctx, db, request)
	}
	_, err := db.ExecContext(ctx, "WITH g AS (INSERT INTO "+s.table+
		" (version_id, is_applied) VALUES ($1::bigint, true) RETURNING id, version_id)"+
		" INSERT INTO "+ChecksumTable(s.table)+" (version_id, file, checksum, applied_order, engine)"+
		" SELECT version_id, $2::text, $3::text, id, $4::text FROM g"+onConflictReplace,
		file.Version, file.File, file.Checksum, s.by)
	return err
}

// Delete forgets a version in goose's table and its checksum, in the transaction of its migration.
func (s *Store) Delete(ctx context.Context, db database.DBTxConn, version int64) error {
	if err := s.delete(ctx, db, version); err != nil {
		return err
	}
	delete(s.applied, version)
	return nil
}

func (s *Store) delete(ctx context.Context, db database.DBTxConn, version int64) error {
	if _, known := s.files[version]; !known {
		return s.Store.Delete(ctx, db, version)
	}
	_, err := db.ExecContext(ctx, "WITH c AS (DELETE FROM "+ChecksumTable(s.table)+" WHERE version_id = $1)"+
		" DELETE FROM "+s.table+" WHERE version_id = $1", version)
	return err
}
