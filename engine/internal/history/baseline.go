package history

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3/database"
)

// Baseline is a history that begins with files which something else has brought into the database.
type Baseline struct {
	Table       string
	Environment string // marks the database; empty marks nothing
	Known       History
	Files       []Entry
	// Confirm is asked before anything is written, in the same transaction.
	Confirm func(context.Context, database.DBTxConn) error
}

// Record writes the whole history or nothing of it: one that began empty would let the next up run every file.
func (b Baseline) Record(ctx context.Context, session *sql.DB) error {
	store, err := NewStore(b.Table, b.Known, b.Files)
	if err != nil {
		return err
	}
	store.by = byBaseline
	return InTransaction(ctx, session, func(tx *sql.Tx) error {
		if err := b.Confirm(ctx, tx); err != nil {
			return err
		}
		if err := prepare(ctx, tx, b.Table, b.Environment); err != nil {
			return err
		}
		if !b.Known.Exists {
			if err := store.CreateVersionTable(ctx, tx); err != nil {
				return err
			}
			if err := store.Insert(ctx, tx, database.InsertRequest{Version: 0}); err != nil { // goose's own first row
				return err
			}
		}
		for _, file := range b.Files {
			if err := store.Insert(ctx, tx, database.InsertRequest{Version: file.Version}); err != nil {
				return err
			}
		}
		return nil
	})
}
