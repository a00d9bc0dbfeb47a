package history

import (
	"context"
	"database/sql"
	"strings"

	"github.com/jackc/pgerrcode"

	"avion.internal/migrate/internal/sqlstate"
	"avion.internal/migrate/internal/sqltext"
)

const longestRace = 10

// CreateTable makes a table of the engine's own where there is none, and protects it. Two runners that begin at once may
// both find it missing.
func CreateTable(ctx context.Context, session *sql.DB, table, columns string) error {
	for attempt := 1; ; attempt++ {
		_, err := session.ExecContext(ctx, creation(table, " ("+columns+")"))
		if err == nil || attempt == longestRace || !alreadyThere(err) {
			return err
		}
	}
}

// creation makes a table where there is none, and its schema too: on an empty database nobody else could have made that, and the
// right to make one is asked for only where it is missing.
func creation(table, columns string) string {
	statement := "CREATE TABLE IF NOT EXISTS " + table + columns + "; " + Protect(table)
	if schema, _, qualified := strings.Cut(table, "."); qualified {
		return "DO $$ BEGIN IF to_regnamespace(" + sqltext.Literal(schema) + ") IS NULL THEN CREATE SCHEMA " + schema + "; END IF; END $$; " + statement
	}
	return statement
}

// alreadyThere recognises that another runner was quicker. The internal error is "tuple concurrently updated": two protect the
// table at the same moment.
func alreadyThere(err error) bool {
	return sqlstate.Is(err, pgerrcode.UniqueViolation, pgerrcode.DuplicateTable, pgerrcode.DuplicateSchema, pgerrcode.DuplicateObject, pgerrcode.InternalError)
}

// Protect is the statement that takes a new table out of what default privileges give the service's own role: who could
// write to it could make the engine skip a migration or run it twice. Reading stays, for those who ask for the version.
func Protect(table string) string {
	return revoke("INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER", "a.privilege_type <> 'SELECT'", table)
}

// Withhold is the statement that takes a new table out of what default privileges give any role but its owner.
func Withhold(table string) string { return revoke("ALL", "true", table) }

func revoke(privileges, which, table string) string {
	return strings.NewReplacer("PRIVILEGES", privileges, "WHICH", which, "TABLE", sqltext.Literal(table)).Replace(`DO $$
DECLARE
	other text;
BEGIN
	FOR other IN
		SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
		FROM pg_class c, aclexplode(c.relacl) a
		WHERE c.oid = to_regclass(TABLE) AND a.grantee <> c.relowner AND WHICH
	LOOP
		EXECUTE format('REVOKE PRIVILEGES ON %s FROM %s', to_regclass(TABLE), other);
	END LOOP;
END
$$`)
}
