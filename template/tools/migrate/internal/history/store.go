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
	applied map[int64]time.Time
	exists  bool
}

// NewStore begins with what Read returned for the same table.
func NewStore(table string, known History) (*Store, error) {
	postgres, err := database.NewStore(database.DialectPostgres, table)
	if err != nil {
		return nil, err
	}
	applied := map[int64]time.Time{}
	for _, record := range known.Records {
		applied[record.Version] = record.AppliedAt
	}
	return &Store{Store: postgres, applied: applied, exists: known.Exists}, nil
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

// TableExists spares goose a query to the catalog.
func (s *Store) TableExists(context.Context, database.DBTxConn) (bool, error) { return s.exists, nil }

// GetMigration answers from memory.
func (s *Store) GetMigration(_ context.Context, _ database.DBTxConn, version int64) (*database.GetMigrationResult, error) {
	if at, applied := s.applied[version]; applied {
		return &database.GetMigrationResult{Timestamp: at, IsApplied: true}, nil
	}
	return nil, fmt.Errorf("%w: %d", database.ErrVersionNotFound, version)
}

// Insert records a version in goose's table, in the transaction of its migration.
func (s *Store) Insert(ctx context.Context, db database.DBTxConn, request database.InsertRequest) error {
	if err := s.Store.Insert(ctx, db, request); err != nil {
		return err
	}
	s.applied[request.Version] = time.Time{}
	return nil
}

// Delete forgets a version in goose's table, in the transaction of its migration.
func (s *Store) Delete(ctx context.Context, db database.DBTxConn, version int64) error {
	if err := s.Store.Delete(ctx, db, version); err != nil {
		return err
	}
	delete(s.applied, version)
	return nil
}
