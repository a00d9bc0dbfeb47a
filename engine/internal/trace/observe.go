package trace

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/tablelock"
)

// observer is the session in which migrations run.
type observer struct {
	*pgx.Conn
	server   *Server
	database string
	guard    *guard
	notices  []*pgconn.Notice
	// gone is why nothing can be measured any more.
	gone string
	// apart tells that each file is taken back, fresh that nothing has happened since the last look but its commit.
	apart, fresh bool

	// The rest belongs to one file: what was there when it began and what the last look has seen, the locks that are held,
	// and where in the result they are.
	first, last state
	held        map[uint32]hold
}

// Trace runs the files, one after the other, on a copy of the base. The error says why nothing was run at all.
func (b *Base) Trace(ctx context.Context, files []File) ([]Migration, error) {
	database, err := b.server.Copy(ctx, b)
	if err != nil {
		return nil, err
	}
	defer func() {
		b.server.alone.Lock()
		defer b.server.alone.Unlock()
		_ = b.server.drop(context.WithoutCancel(ctx), database)
	}()
	return b.server.trace(ctx, database, files, false)
}

// TraceLast is Trace on the base itself, which spares the copy, and nothing else can be traced on it afterwards.
func (b *Base) TraceLast(ctx context.Context, files []File) ([]Migration, error) {
	defer func() { _ = b.Drop(context.WithoutCancel(ctx)) }()
	return b.server.trace(ctx, b.database, files, false)
}

// TraceApart runs each file for itself on the base and takes it back: a file with NO TRANSACTION cannot be.
func (b *Base) TraceApart(ctx context.Context, files []File) ([]Migration, error) {
	return b.server.trace(ctx, b.database, files, true)
}

func (s *Server) trace(ctx context.Context, database string, files []File, apart bool) (_ []Migration, err error) {
	o := &observer{server: s, database: database, apart: apart}
	o.Conn, err = s.session(ctx, database, func(config *pgx.ConnConfig) {
		config.RuntimeParams["client_min_messages"] = "debug1"
		config.OnNotice = func(_ *pgconn.PgConn, notice *pgconn.Notice) { o.notices = append(o.notices, notice) }
	})
	if err != nil {
		return nil, err
	}
	defer o.Close(context.WithoutCancel(ctx))
	if err := prepareRead(ctx, o.Conn); err != nil {
		return nil, err
	}
	o.guard = s.watch(ctx, database, o.PgConn().PID())
	defer o.guard.end()
	var traced []Migration
	for _, file := range files {
		units, err := Units(file.Statements)
		if err != nil {
			return nil, err
		}
		traced = append(traced, Migration{file.Name, o.file(ctx, file, units)})
	}
	return traced, nil
}

// file runs one migration.
func (o *observer) file(ctx context.Context, file File, units []Unit) []Statement {
	statements := make([]Statement, len(units))
	for position, unit := range units {
		statements[position] = Statement{Line: unit.Line, Part: unit.Part, Text: unit.Text}
	}
	o.begin(ctx)
	if !file.NoTransaction {
		o.open(ctx)
	}
	for position := range units {
		switch found := &statements[position]; {
		case o.gone != "":
			found.Unmeasured = o.gone
		case units[position].refused() != "":
			found.Unmeasured = units[position].refused()
		case !file.NoTransaction:
			o.within(ctx, units[position], found)
		default:
			o.alone(ctx, units, position, statements)
		}
	}
	if !file.NoTransaction && len(units) > 0 {
		o.end(ctx, units[len(units)-1].Line)
	}
	return statements
}

// begin looks at what is there before a file.
func (o *observer) begin(ctx context.Context) {
	o.held = map[uint32]hold{}
	if o.fresh {
		o.last = state{relations: o.last.relations, objects: o.last.objects, locks: map[uint32]tablelock.Mode{}, rows: map[uint32]counts{}}
	} else {
		o.look(ctx)
	}
	o.first, o.fresh = o.last, false
}

// open begins a transaction. The server counts the rows of earlier ones with it until it is idle for a while, so that the
// counts from which the file's are told begin inside of it.
func (o *observer) open(ctx context.Context) {
	if o.send(ctx, "BEGIN") != nil {
		return
	}
	o.last.rows = map[uint32]counts{}
	rows, err := o.Query(ctx, stateName(3))
	if err == nil {
		var all []counts
		if all, err = pgx.CollectRows(rows, pgx.RowToStructByPos[counts]); err == nil {
			for _, each := range all {
				o.last.rows[each.Relation] = each
			}
		}
	}
	o.lost(err)
}

// end closes the transaction, and with it the locks.
func (o *observer) end(ctx context.Context, line int) {
	for oid := range o.held {
		o.letGo(oid, line)
	}
	ending := "COMMIT"
	if o.apart {
		ending = "ROLLBACK"
	}
	if o.gone == "" {
		if err := o.send(ctx, ending); err != nil && o.gone == "" {
			o.gone = "the file before it could not be committed: " + sentence(err)
		} else {
			o.fresh = !o.apart
		}
	}
}

// alone runs what goose sends outside a transaction: several statements sent at once are one transaction, and those that
// no transaction takes have a table of their own.
func (o *observer) alone(ctx context.Context, units []Unit, position int, statements []Statement) {
	unit, found := units[position], &statements[position]
	first := position == 0 || units[position-1].Part != unit.Part
	last := position == len(units)-1 || units[position+1].Part != unit.Part
	if first && last {
		if known, outside := outsideForm(unit); outside {
			o.begin(ctx)
			o.outside(ctx, unit, known, found)
			return
		}
	}
	if first {
		o.begin(ctx)
		o.open(ctx)
	}
	o.within(ctx, unit, found)
	if last {
		o.end(ctx, unit.Line)
	}
}

// within runs a statement inside the open transaction.
func (o *observer) within(ctx context.Context, unit Unit, found *Statement) {
	if o.gone != "" {
		found.Unmeasured = o.gone
		return
	}
	before := o.last
	revocable := unit.kind() != "TransactionStmt"
	if revocable {
		_ = o.send(ctx, "SET client_min_messages = debug1; SAVEPOINT "+savepoint)
	}
	o.notices = nil
	started := time.Now()
	err := o.attempt(ctx, unit)
	found.Took = time.Since(started)
	if err != nil {
		found.Code = sqlstate.Of(err)
		found.Unmeasured = sentence(err)
		if o.gone != "" {
			found.Unmeasured = o.gone
			return
		}
		if !revocable {
			o.gone = "an earlier statement of the file failed: " + sentence(err)
			return
		}
		_ = o.send(ctx, "ROLLBACK TO "+savepoint+"; RELEASE "+savepoint)
		return
	}
	notices := o.notices
	if !o.look(ctx) {
		found.Unmeasured = o.gone
		return
	}
	if revocable && o.last.shared && !before.shared {
		_ = o.send(ctx, "ROLLBACK TO "+savepoint+"; RELEASE "+savepoint)
		o.look(ctx)
		found.Unmeasured = "it changes roles, databases or settings, which all databases of the server share"
		return
	}
	if revocable {
		_ = o.send(ctx, "RELEASE "+savepoint)
	}
	o.tell(found, before, unit.Line, started)
	o.heard(found, notices)
	found.Unknown = o.unknown(unit, found)
}

// attempt runs a statement, and once more with the database's owner in place of a role that the server does not have or
// that the session may not act for: what is locked does not depend on which role it is.
func (o *observer) attempt(ctx context.Context, unit Unit) error {
	err := o.send(ctx, unit.Text)
	if !sqlstate.Is(err, pgerrcode.InsufficientPrivilege, pgerrcode.UndefinedObject) {
		return err
	}
	text := withoutRoles(unit)
	if text == unit.Text {
		return err
	}
	_ = o.send(ctx, "ROLLBACK TO "+savepoint)
	if o.send(ctx, text) != nil {
		return err
	}
	return nil
}

// look reads the state of the session; false means that the session is gone.
func (o *observer) look(ctx context.Context) bool {
	if o.gone != "" {
		return false
	}
	seen, err := read(ctx, o.Conn)
	if err != nil {
		o.lost(err)
		if o.gone == "" {
			o.gone = "the catalog cannot be read: " + sentence(err)
		}
		return false
	}
	o.last = seen
	return true
}

// send runs a text, and notes when the session is gone.
func (o *observer) send(ctx context.Context, text string) error {
	if o.gone != "" {
		return errors.New(o.gone)
	}
	err := run(ctx, o.Conn, text)
	o.lost(err)
	return err
}

func (o *observer) lost(err error) {
	if err != nil && o.IsClosed() {
		o.gone = o.guard.reason()
		if o.gone == "" {
			o.gone = "its session ended: " + sentence(err)
		}
	}
}
