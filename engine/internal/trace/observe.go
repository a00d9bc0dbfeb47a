package trace

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/sqlparser"
	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/sqltext"
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
		if form, outside := outsideForm(unit); outside {
			o.begin(ctx)
			o.outside(ctx, unit, form, found)
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
	savepoint := unit.kind() != "TransactionStmt"
	if savepoint {
		_ = o.send(ctx, "SET client_min_messages = debug1; SAVEPOINT "+savepointName)
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
		if !savepoint {
			o.gone = "an earlier statement of the file failed: " + sentence(err)
			return
		}
		_ = o.send(ctx, "ROLLBACK TO "+savepointName+"; RELEASE "+savepointName)
		return
	}
	notices := o.notices
	if !o.look(ctx) {
		found.Unmeasured = o.gone
		return
	}
	if savepoint && o.last.shared && !before.shared {
		_ = o.send(ctx, "ROLLBACK TO "+savepointName+"; RELEASE "+savepointName)
		o.look(ctx)
		found.Unmeasured = "it changes roles, databases or settings, which all databases of the server share"
		return
	}
	if savepoint {
		_ = o.send(ctx, "RELEASE "+savepointName)
	}
	o.tell(found, before, unit.Line, started)
	o.heard(found, notices)
	found.Unknown = o.unknown(unit, found)
}

const savepointName = savepoint

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
	_ = o.send(ctx, "ROLLBACK TO "+savepointName)
	if o.send(ctx, text) != nil {
		return err
	}
	return nil
}

// withoutRoles names the database's owner wherever a statement names a role.
func withoutRoles(unit Unit) string {
	if unit.Parsed == nil {
		return unit.Text
	}
	switch unit.kind() {
	case "AlterOwnerStmt", "AlterTableStmt", "GrantStmt", "CreatePolicyStmt", "AlterPolicyStmt", "CreateSchemaStmt", "AlterDefaultPrivilegesStmt":
	default:
		return unit.Text
	}
	type place struct {
		at   int
		name string
	}
	var places []place
	unit.Parsed.Node.Find(func(_ string, role sqlparser.Node) {
		if role.Text("roletype") == "ROLESPEC_CSTRING" {
			places = append(places, place{role.Number("location"), role.Text("rolename")})
		}
	}, "RoleSpec", "newowner", "authrole")
	slices.SortFunc(places, func(a, b place) int { return b.at - a.at })
	text := unit.Text
	for _, each := range places {
		// The location counts from the beginning of what goose sends.
		at := each.at - unit.Parsed.Offset
		for _, written := range []string{each.name, sqltext.Name(each.name)} {
			if at >= 0 && at+len(written) <= len(text) && strings.EqualFold(text[at:at+len(written)], written) {
				text = text[:at] + "pg_database_owner" + text[at+len(written):]
				break
			}
		}
	}
	return text
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

// tell writes down what the catalog says.
func (o *observer) tell(found *Statement, before state, line int, started time.Time) {
	after := o.last
	for _, oid := range order(after.locks, after) {
		mode := after.locks[oid]
		if _, old := o.first.relations[oid]; !old || !mode.StrongerThan(before.locks[oid]) {
			continue
		}
		o.lock(found, oid, mode, line, started)
	}
	// What a statement dropped has no name any more.
	for _, oid := range order(before.locks, before) {
		if after.locks[oid] == "" {
			o.letGo(oid, line)
		}
	}
	for _, oid := range order(after.relations, after) {
		now := after.relations[oid]
		old, known := before.relations[oid]
		if _, first := o.first.relations[oid]; first && known && now.Node != old.Node && (now.Kind == "r" || now.Kind == "m") {
			found.Rewritten = appendNew(found.Rewritten, Relation{oid, now.Name})
		}
		if now.Invalid && !old.Invalid {
			found.Invalid = append(found.Invalid, now.Name)
		}
	}
	for _, oid := range order(after.rows, after) {
		count, was := after.rows[oid], before.rows[oid]
		_, old := o.first.relations[oid]
		change := Rows{Relation{oid, after.relations[oid].Name}, old, count.Inserted - was.Inserted, count.Updated - was.Updated, count.Deleted - was.Deleted}
		if change.Inserted+change.Updated+change.Deleted > 0 {
			found.Rows = append(found.Rows, change)
		}
		if old && count.Scans > was.Scans {
			found.Scanned = append(found.Scanned, change.Relation)
		}
	}
	found.Created, found.Dropped = created(before, after), dropped(o.first, before, after)
}

// hold is a lock that lasts: where it is written down.
type hold struct {
	statement *Statement
	position  int
	since     time.Time
}

func (o *observer) lock(found *Statement, oid uint32, mode tablelock.Mode, line int, started time.Time) {
	o.letGo(oid, line) // a stronger one takes its place
	o.held[oid] = hold{found, len(found.Locks), started}
	found.Locks = append(found.Locks, Lock{Relation: Relation{oid, o.name(oid)}, Kind: o.first.relations[oid].Kind, Table: o.first.table(oid), Mode: mode, Since: line})
}

// letGo notes until when a lock was held.
func (o *observer) letGo(oid uint32, line int) {
	if held, known := o.held[oid]; known {
		lock := &held.statement.Locks[held.position]
		lock.Until, lock.Held = line, time.Since(held.since)
		delete(o.held, oid)
	}
}

// name is that of the relation before the statement, which is the one that others know.
func (o *observer) name(oid uint32) string { return o.first.relations[oid].Name }

// heard reads what the server reports at DEBUG1 about tables that it writes or reads from end to end. The words are in the
// language of the server's messages; what was written anew the catalog tells in any.
func (o *observer) heard(found *Statement, notices []*pgconn.Notice) {
	for _, notice := range notices {
		names := quotedIn(notice.Message)
		if len(names) == 0 {
			continue
		}
		switch {
		case notice.Routine == "ATRewriteTable" && !strings.HasPrefix(notice.Message, "rewriting"):
			for _, table := range o.named(names[0]) {
				if !slices.ContainsFunc(found.Rewritten, func(r Relation) bool { return r.OID == table.OID }) {
					found.Verified = appendNew(found.Verified, table)
				}
			}
		case notice.Routine == "index_build" && len(names) > 1:
			for _, table := range o.named(names[1]) {
				index := Index{Relation{Name: names[0]}, table}
				if !slices.Contains(found.Built, index) {
					found.Built = append(found.Built, index)
				}
			}
		case notice.Routine == "validateForeignKeyConstraint":
			found.Validated = append(found.Validated, names[0])
		}
	}
}

func appendNew(all []Relation, one Relation) []Relation {
	if slices.Contains(all, one) {
		return all
	}
	return append(all, one)
}

// named are the relations with a name, of those that were there before and that the session has locked: the server says
// names without schemas.
func (o *observer) named(bare string) []Relation {
	var all []Relation
	for oid, each := range o.first.relations {
		if _, locked := o.last.locks[oid]; (each.Bare == bare || o.last.relations[oid].Bare == bare) && locked && each.Owner == 0 {
			all = append(all, Relation{oid, each.Name})
		}
	}
	slices.SortFunc(all, func(a, b Relation) int { return strings.Compare(a.Name, b.Name) })
	return all
}

// quotedIn are the names in a message of the server, whatever quotes its language has.
func quotedIn(message string) []string {
	var names []string
	var name strings.Builder
	inside := false
	for _, r := range message {
		switch {
		case strings.ContainsRune("\"“”„«»「」", r):
			if inside {
				names = append(names, name.String())
				name.Reset()
			}
			inside = !inside
		case inside:
			name.WriteRune(r)
		}
	}
	return names
}

// unknown is why a statement may have locked more than was seen.
func (o *observer) unknown(unit Unit, found *Statement) string {
	const letGo = "an EXCEPTION block may have let go of locks"
	if unit.kind() == "DoStmt" && sqlparser.HandlesErrors(*unit.Parsed) {
		return letGo
	}
	text := strings.ToLower(unit.Text)
	for _, each := range o.last.objects {
		if each.Handles && unit.kind() != "CreateFunctionStmt" && strings.Contains(text, strings.ToLower(each.Bare)) {
			return letGo
		}
	}
	for _, rows := range found.Rows {
		if o.last.relations[rows.OID].Handles {
			return letGo
		}
	}
	return ""
}

// guard ends a session that takes too much of the machine.
type guard struct {
	sync.Mutex
	said   string
	cancel context.CancelFunc
	done   chan struct{}
}

const (
	guardAfter = 300 * time.Millisecond
	guardEvery = 100 * time.Millisecond
)

// watch looks at the size of the database and at the clock, from a session of its own once a trace is not quick.
func (s *Server) watch(ctx context.Context, database string, pid uint32) *guard {
	watching, cancel := context.WithCancel(ctx)
	g := &guard{cancel: cancel, done: make(chan struct{})}
	deadline := time.Now().Add(s.Limits.Time)
	go func() {
		defer close(g.done)
		select {
		case <-watching.Done():
			return
		case <-time.After(guardAfter):
		}
		session, err := s.dial(watching, maintenance, func(*pgx.ConnConfig) {})
		if err != nil {
			g.say("nothing could watch over it: " + sentence(err))
			return
		}
		defer session.Close(context.WithoutCancel(ctx))
		var begun int64
		for watching.Err() == nil {
			var size int64
			err := session.QueryRow(watching, "SELECT pg_database_size($1::name)", database).Scan(&size)
			begun = max(begun, min(size, 64<<20))
			switch {
			case watching.Err() != nil:
				return
			case err == nil && size-begun > s.Limits.Bytes:
				g.say(fmt.Sprintf("it wrote more than %d MB", s.Limits.Bytes>>20))
			case time.Now().After(deadline):
				g.say(fmt.Sprintf("it ran for more than %s", s.Limits.Time))
			default:
				select {
				case <-watching.Done():
					return
				case <-time.After(guardEvery):
				}
				continue
			}
			_, _ = session.Exec(watching, "SELECT pg_terminate_backend($1)", pid)
			time.Sleep(guardEvery)
		}
	}()
	return g
}

func (g *guard) say(reason string) {
	g.Lock()
	defer g.Unlock()
	if g.said == "" {
		g.said = reason
	}
}

func (g *guard) reason() string {
	g.Lock()
	defer g.Unlock()
	return g.said
}

func (g *guard) end() {
	g.cancel()
	<-g.done
}
