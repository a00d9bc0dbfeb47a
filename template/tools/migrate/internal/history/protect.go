package history

import "strings"

// Protect is the statement that takes a new table out of what default privileges give the service's own role: who could
// write to it could make the engine skip a migration or run it twice. Reading stays, for those who ask for the version.
func Protect(table string) string {
	return strings.ReplaceAll(`DO $$
DECLARE
	other text;
BEGIN
	FOR other IN
		SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END
		FROM pg_class c, aclexplode(c.relacl) a
		WHERE c.oid = to_regclass('TABLE') AND a.grantee <> c.relowner AND a.privilege_type <> 'SELECT'
	LOOP
		EXECUTE format('REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON TABLE %s FROM %s', to_regclass('TABLE'), other);
	END LOOP;
END
$$`, "TABLE'", strings.ReplaceAll(table, "'", "''")+"'")
}
