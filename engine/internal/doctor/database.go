package doctor

import (
	"fmt"
	"strings"
)

func judgeDatabase(e Evidence) Finding {
	d := e.Database
	if found, ok := e.settled(); !ok {
		return found
	}
	if d.Error != nil {
		return refused(d.Error)
	}
	protection := "no TLS"
	if d.Encrypted {
		protection = "TLS"
	}
	return pass("PostgreSQL %s at %s, database %s, user %s, %s", d.Server, d.Address, d.Target.Database, d.Target.User, protection)
}

func judgeMark(e Evidence) Finding {
	if found, ok := e.read(); !ok {
		return found
	}
	d := e.Database
	switch where := d.Target.Environment; {
	case d.Marker == "" && d.Target.Inferred:
		return skipped("set ENVIRONMENT", "nobody has said the environment, and what is only inferred is not written into a database")
	case d.Marker == "":
		return todo("make migrate-up marks it", "the database is not marked yet")
	case d.Marker == string(where):
		return pass("%s", d.Marker)
	case where.Outranks(d.Marker):
		return todo(fmt.Sprintf("ENVIRONMENT=%s CONFIRM=%s tools/migrate/bin/migrate mark", where, d.Target.Database),
			"the database is marked as %s, which protects less than %s", d.Marker, where)
	default:
		return todo("make sure that this is the database that you mean", "the database is marked as %s, whose rules hold", d.Marker)
	}
}

func judgeHistory(e Evidence) Finding {
	if found, ok := e.reached(); !ok {
		return found
	}
	if e.Database.HistoryError != nil {
		return refused(e.Database.HistoryError)
	}
	if len(e.Database.Mismatches) > 0 {
		return refusedAll(e.Database.Mismatches)
	}
	return pass("at %05d", e.Database.Current)
}

func judgePending(e Evidence) Finding {
	if found, ok := e.read(); !ok {
		return found
	}
	if pending := e.Database.Pending; len(pending) > 0 {
		return todo("make migrate-up", "%d: %s", len(pending), shortened(pending))
	}
	return pass("none")
}

func judgeIndexes(e Evidence) Finding {
	if found, ok := e.reached(); !ok {
		return found
	}
	if invalid := e.Database.InvalidIndexes; len(invalid) > 0 {
		return fail("run the migration that builds it again, or DROP INDEX CONCURRENTLY", "INVALID indexes: %s", shortened(invalid))
	}
	return pass("no INVALID index")
}

func judgeRole(e Evidence) Finding {
	if found, ok := e.reached(); !ok {
		return found
	}
	role := e.Database.Role
	if len(role.Powers) == 0 {
		return pass("%s is no superuser, and may not go around row security", role.Name)
	}
	if e.Database.disposable() {
		return pass("%s is %s, which %s allows", role.Name, strings.Join(role.Powers, ", "), e.Database.Target.Environment)
	}
	return fail("connect as the role that scripts/migration-roles.sql creates", "%s is %s, and a migration needs none of it",
		role.Name, strings.Join(role.Powers, ", "))
}

func judgeApplicationRole(e Evidence) Finding {
	if found, ok := e.reached(); !ok {
		return found
	}
	app := e.Database.Application
	var more []string
	if app.Owns {
		more = append(more, "change tables")
	}
	if app.Creates {
		more = append(more, "create tables")
	}
	if len(app.Writes) > 0 {
		more = append(more, "write to "+strings.Join(app.Writes, ", "))
	}
	switch {
	case !app.Exists && e.Database.disposable():
		return pass("no role %s: in %s one role does both", app.Name, e.Database.Target.Environment)
	case !app.Exists:
		return todo("run scripts/migration-roles.sql", "there is no role %s", app.Name)
	case len(app.Powers) > 0:
		return fail("ALTER ROLE takes it away", "%s is %s", app.Name, strings.Join(app.Powers, ", "))
	case len(more) > 0:
		return fail("run scripts/migration-roles.sql as an administrator, and let the migrator own the tables", "%s may %s", app.Name, strings.Join(more, ", "))
	default:
		return pass("%s may read and write rows only", app.Name)
	}
}

// disposable tells whether the stricter of the settings and the mark lets the data be lost.
func (d Database) disposable() bool {
	stricter, err := d.Target.Environment.Stricter(d.Marker)
	return err == nil && stricter.Disposable()
}

// settled is what there is to say where nobody named a database.
func (e Evidence) settled() (found Finding, ok bool) {
	if found, ok := e.target(); !ok {
		return found, false
	}
	if !e.Database.Given.Present() {
		return skipped("", "no setting names a database"), false
	}
	return Finding{}, true
}

// reached is what there is to say where the database did not answer.
func (e Evidence) reached() (found Finding, ok bool) {
	if found, ok := e.settled(); !ok {
		return found, false
	}
	if e.Database.Error != nil {
		return skipped("", "the database could not be asked"), false
	}
	return Finding{}, true
}

// read is what there is to say where the history could not be read.
func (e Evidence) read() (found Finding, ok bool) {
	if found, ok := e.reached(); !ok {
		return found, false
	}
	if e.Database.HistoryError != nil {
		return skipped("", "the history could not be read"), false
	}
	return Finding{}, true
}

func shortened(names []string) string {
	const most = 3
	if len(names) > most {
		return strings.Join(names[:most], ", ") + ", …"
	}
	return strings.Join(names, ", ")
}
