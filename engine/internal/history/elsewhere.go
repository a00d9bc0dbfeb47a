package history

import (
	"context"
	"database/sql"
	"strings"

	"avion.internal/migrate/internal/sqlscan"
)

// Other is a history in the database that is not the one of the configured version table.
type Other struct {
	// Table is how SQL names it, Tool who writes it.
	Table, Tool string
	// HalfDone tells that a migration of the tool's began and did not end.
	HalfDone bool
}

// goose is the only tool whose histories the engine can go on with.
const goose = "goose"

// String names the history for people.
func (o Other) String() string {
	switch {
	case o.OfGoose():
		return o.Table
	case o.HalfDone:
		return o.Table + " (of " + o.Tool + ", which left a migration half done)"
	}
	return o.Table + " (of " + o.Tool + ")"
}

// OfGoose tells that the engine could go on with the history.
func (o Other) OfGoose() bool { return o.Tool == goose }

// Others names several.
func Others(all []Other) string {
	var names []string
	for _, other := range all {
		names = append(names, other.String())
	}
	return strings.Join(names, ", ")
}

// histories are the tables in which tools remember what they applied: by the table's name, empty for any, and the columns that
// all have to be there. The first that fits names the tool. The last column is how a row says that its migration did not end.
const histories = `(VALUES
	(1, '', '{id,version_id,is_applied,tstamp}', 'goose', 'false'),
	(2, 'schema_migrations', '{version,dirty}', 'golang-migrate', 'dirty'),
	(3, 'schema_migrations', '{version,inserted_at}', 'Ecto', 'false'),
	(4, 'schema_migrations', '{version}', 'dbmate or Rails', 'false'),
	(5, '', '{installed_rank,version,description,script,checksum,success}', 'Flyway', 'NOT success'),
	(6, '', '{version,name,applied_on,checksum}', 'refinery', 'false'),
	(7, '', '{id,author,filename,dateexecuted,orderexecuted,md5sum}', 'Liquibase', 'false'),
	(8, 'atlas_schema_revisions', '{version,description,applied,total,executed_at}', 'Atlas', 'applied < total'),
	(9, 'django_migrations', '{app,name,applied}', 'Django', 'false'),
	(10, '_sqlx_migrations', '{version,description,installed_on,success,checksum}', 'sqlx', 'NOT success'),
	(11, '_prisma_migrations', '{id,checksum,finished_at,migration_name,rolled_back_at}', 'Prisma', 'finished_at IS NULL AND rolled_back_at IS NULL'),
	(12, 'alembic_version', '{version_num}', 'Alembic', 'false'),
	(13, '__diesel_schema_migrations', '{version,run_on}', 'Diesel', 'false'),
	(14, '__EFMigrationsHistory', '{MigrationId,ProductVersion}', 'Entity Framework', 'false'),
	(15, 'SequelizeMeta', '{name}', 'Sequelize', 'false'),
	(16, 'knex_migrations', '{name,batch,migration_time}', 'Knex', 'false'),
	(17, 'gorp_migrations', '{id,applied_at}', 'sql-migrate', 'false'),
	(18, 'bun_migrations', '{name,group_id,migrated_at}', 'Bun', 'false'),
	(19, 'pgmigrations', '{name,run_on}', 'node-pg-migrate', 'false'),
	(20, 'changes', '{change_id,change,project,committed_at}', 'Sqitch', 'false'),
	(21, 'migrations', '{timestamp,name}', 'TypeORM', 'false'),
	(22, 'schema_version', '{version}', 'tern', 'false')
) AS known (rank, name, columns, tool, half_done)`

// versionTables are those that look like a tool's, but for the known ones. A table that may not be read is taken to hold what
// its size says; to ask for the size of any other would be to wait for whoever has it locked.
const versionTables = `
	SELECT oid::regclass::text, tool, half_done, readable, CASE WHEN readable THEN NULL ELSE pg_relation_size(oid) > 0 END FROM (
	SELECT DISTINCT ON (c.oid) c.oid, tool, half_done, has_schema_privilege(c.relnamespace, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS readable
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, ` + histories + `
	WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
		AND c.oid <> ALL (SELECT to_regclass(known) FROM unnest($1::text[]) known WHERE to_regclass(known) IS NOT NULL)
		AND known.name IN ('', c.relname)
		AND known.columns::text[] <@ (SELECT array_agg(a.attname::text) FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped)
	ORDER BY c.oid, rank) AS likely`

// Elsewhere returns the histories beside the known tables that hold something. A service that is about to begin a history has
// them where its settings name the wrong table, and where another tool migrated the database before.
func Elsewhere(ctx context.Context, session *sql.DB, known ...string) ([]Other, error) {
	candidates, err := likely(ctx, session, known)
	if err != nil {
		return nil, err
	}
	var found []Other
	for _, each := range candidates {
		holds := each.large.Bool
		switch {
		case !each.readable:
		case each.OfGoose():
			other, err := Read(ctx, session, each.Table)
			if err != nil {
				return nil, err
			}
			holds = len(other.Records) > 0
		default:
			if err := session.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM "+each.Table+"), EXISTS (SELECT FROM "+each.Table+" WHERE "+each.halfDone+")").
				Scan(&holds, &each.HalfDone); err != nil {
				return nil, err
			}
		}
		if holds {
			found = append(found, each.Other)
		}
	}
	return found, nil
}

type candidate struct {
	Other
	halfDone string // a condition in SQL
	readable bool
	large    sql.NullBool // only of one that may not be read
}

func likely(ctx context.Context, session *sql.DB, known []string) ([]candidate, error) {
	return sqlscan.All(ctx, session, func(c *candidate) []any {
		return []any{&c.Table, &c.Tool, &c.halfDone, &c.readable, &c.large}
	}, versionTables, known)
}
