package develop

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"avion.internal/migrate/internal/doctor"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/indexes"
	"avion.internal/migrate/internal/operate"
)

// What a role has through the roles that it is a member of counts as its own.
const powersQuery = `
SELECT r.rolname,
       array_to_string(ARRAY[CASE WHEN r.rolsuper THEN 'a superuser' END,
                          CASE WHEN r.rolcreaterole THEN 'allowed to create roles' END,
                          CASE WHEN r.rolreplication THEN 'allowed to replicate' END,
                          CASE WHEN r.rolbypassrls THEN 'allowed to go around row security' END], ','),
       EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
               WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|information_schema$)' AND pg_has_role(r.oid, c.relowner, 'USAGE')),
       coalesce(has_schema_privilege(r.oid, to_regnamespace('public'), 'CREATE'), false),
       coalesce((SELECT string_agg(t, ',') FROM unnest(string_to_array($2, ',')) t
                 WHERE to_regclass(t) IS NOT NULL AND has_table_privilege(r.oid, to_regclass(t), 'INSERT, UPDATE, DELETE, TRUNCATE')), '')
FROM pg_roles r WHERE r.rolname = $1`

// examineServer asks what no other operation does.
func examineServer(ctx context.Context, session *operate.Session, found *doctor.Database) error {
	known, err := indexes.Read(ctx, session.DB)
	if err != nil {
		return err
	}
	for _, index := range known.Indexes {
		// One of a partitioned table is so until those of all partitions are attached to it.
		if index.Finding == indexes.Invalid && !index.Partitioned {
			found.InvalidIndexes = append(found.InvalidIndexes, index.Name+" on "+index.Table)
		}
	}
	if found.Role, err = examineRole(ctx, session, session.Target.User); err != nil {
		return err
	}
	found.Application, err = examineRole(ctx, session, session.Engine.Project.Database.User+"_app")
	return err
}

func examineRole(ctx context.Context, session *operate.Session, name string) (doctor.Role, error) {
	role := doctor.Role{Name: name}
	project := session.Engine.Project
	migrations := project.Migrations.Table
	tables := []string{migrations, history.ChecksumTable(migrations), history.MarkerTable(migrations), history.StatementTable(migrations), project.Seed.Table}
	var powers, writes string
	err := session.QueryRowContext(ctx, powersQuery, name, strings.Join(tables, ",")).
		Scan(&role.Name, &powers, &role.Owns, &role.Creates, &writes)
	if errors.Is(err, sql.ErrNoRows) {
		return role, nil
	}
	role.Exists, role.Powers, role.Writes = true, list(powers), list(writes)
	return role, err
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
