package connection

import (
	"context"
	"database/sql/driver"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
)

// physical is pgx's connection under a name that leaves room for its method Conn.
type physical = stdlib.Conn

// pooled is a connection through a pooler that gives each transaction another session of the server: what holds for the
// run's session elsewhere has to be said in every transaction.
type pooled struct {
	*physical
	settings map[string]string
}

// BeginTx begins a transaction and gives it the settings of the run and of the file.
func (p pooled) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	transaction, err := p.physical.BeginTx(ctx, options)
	if err != nil {
		return nil, err
	}
	settings := maps.Clone(p.settings)
	maps.Copy(settings, limitsOf(ctx))
	if _, err := p.ExecContext(ctx, setLocal(settings), nil); err != nil {
		_ = transaction.Rollback()
		return nil, err
	}
	return transaction, nil
}

func setLocal(settings map[string]string) string {
	var calls []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		calls = append(calls, "set_config("+literal(name)+", "+literal(settings[name])+", true)")
	}
	return "SELECT " + strings.Join(calls, ", ")
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }
