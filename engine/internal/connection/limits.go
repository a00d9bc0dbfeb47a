package connection

import (
	"context"
	"database/sql"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Limits are the timeouts of one migration; nil leaves the session's own, zero is no limit.
type Limits struct {
	Lock, Statement *time.Duration
}

func (l Limits) settings() map[string]string {
	settings := map[string]string{}
	for name, limit := range map[string]*time.Duration{"lock_timeout": l.Lock, "statement_timeout": l.Statement} {
		if limit != nil {
			settings[name] = milliseconds(*limit)
		}
	}
	return settings
}

type limitsKey struct{}

// WithLimits makes the next migration run within limits of its own. The returned context has to be the one that it runs
// with: behind a pooler the limits travel in it to the transaction.
func (t Target) WithLimits(ctx context.Context, session *sql.DB, limits Limits) (context.Context, error) {
	settings := limits.settings()
	if len(settings) == 0 {
		return ctx, nil
	}
	if t.Pooled() {
		return context.WithValue(ctx, limitsKey{}, settings), nil
	}
	var statements []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		statements = append(statements, "SET "+name+" = "+settings[name])
	}
	_, err := session.ExecContext(ctx, strings.Join(statements, "; "), pgx.QueryExecModeSimpleProtocol)
	return ctx, err
}

func limitsOf(ctx context.Context) map[string]string {
	settings, _ := ctx.Value(limitsKey{}).(map[string]string)
	return settings
}
