package connection

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqltext"
)

// standing is what the server says of a session that has just begun.
type standing struct {
	pid               uint32
	standby, readOnly bool
	settings          map[string]string
}

// errNotWritable is behind the refusal of a server that only answers questions. After a failover it may be another one's turn
// in a moment.
var errNotWritable = errors.New("the server only answers questions")

// transactionTimeout came with PostgreSQL 17: a server that does not know it refuses a session that begins with it.
const transactionTimeout = "transaction_timeout"

var errTransactionTimeout = errors.New("the session has a limit that the login has to overrule")

// settle reads back what the session was asked to be. Nothing is put right behind the login's back: RESET ALL, which ends every
// file, brings back what the session was begun with.
func (t Target) settle(ctx context.Context, connection driver.Conn) error {
	session := connection.(*physical).Conn()
	now, err := t.ask(ctx, session)
	if err != nil {
		return err
	}
	if limit := now.settings[transactionTimeout]; !t.Pooled() && limit != "" && limit != "0" {
		return errTransactionTimeout
	}
	switch {
	case now.standby:
		return failure.Because(errNotWritable, failure.Unreachable("%s is a standby (pg_is_in_recovery), which takes no change: name the primary in DB_HOST, "+
			"or see to the failover, and run again", t.Address()))
	case now.readOnly:
		return failure.Because(errNotWritable, failure.Unreachable("%s lets %s only read in %s (default_transaction_read_only): name the primary in DB_HOST, or take the setting "+
			"from the server, the database or the role, and run again", t.Address(), t.User, t.Database))
	case !t.Pooled() && now.pid != session.PgConn().PID():
		return failure.Refused("a pooler stands between the engine and %s: it answers as session %d, and the server says %d: write lock: table in %s, "+
			"or connect to the server itself", t.Address(), session.PgConn().PID(), now.pid, config.ProjectFile)
	}
	return t.settled(now)
}

// asked is what a session was begun with and has to have now.
func (t Target) asked() map[string]string {
	asked := map[string]string{"client_encoding": encoding}
	if !t.Pooled() {
		maps.Copy(asked, t.session)
	}
	return asked
}

func (t Target) ask(ctx context.Context, session *pgx.Conn) (standing, error) {
	names := append(slices.Sorted(maps.Keys(t.asked())), transactionTimeout)
	var columns strings.Builder
	for _, name := range names {
		fmt.Fprintf(&columns, ", coalesce(current_setting(%s, true), '')", sqltext.Literal(name))
	}
	// Not by pgx's own query, which refuses a session of another encoding before anybody could say so.
	results, err := session.PgConn().Exec(ctx, "SELECT pg_backend_pid(), pg_is_in_recovery(), current_setting('transaction_read_only')::boolean"+columns.String()).ReadAll()
	if err != nil {
		return standing{}, err
	}
	row := results[0].Rows[0]
	pid, err := strconv.ParseUint(string(row[0]), 10, 32)
	now := standing{pid: uint32(pid), standby: string(row[1]) == "t", readOnly: string(row[2]) == "t", settings: map[string]string{}}
	for position, name := range names {
		now.settings[name] = string(row[3+position])
	}
	return now, err
}

// settled refuses a session that is not what it was asked to be.
func (t Target) settled(now standing) error {
	asked := t.asked()
	for _, name := range slices.Sorted(maps.Keys(asked)) {
		if got := now.settings[name]; !sameSetting(got, asked[name]) {
			return failure.Refused("%s did not take the session's settings: %s is %q, not %q: whatever stands between drops them: "+
				"write lock: table in %s if it is a pooler, or connect to the server itself", t.Address(), name, got, asked[name], config.ProjectFile)
		}
	}
	return nil
}

func sameSetting(got, asked string) bool {
	if strings.EqualFold(got, asked) {
		return true
	}
	is, known := parseSetting(got)
	wanted, number := parseSetting(asked)
	return got != "" && asked != "" && known && number && is == wanted
}

// overruled is the target with what the role or the database says of the time that a transaction may take. Nobody asked for a
// limit of that kind, and the statements have limits of their own.
func (t Target) overruled() Target {
	t.config = t.config.Copy()
	t.config.RuntimeParams[transactionTimeout] = "0"
	return t
}
