package locks

import (
	"regexp"
	"strings"
	"sync"
)

const (
	name      = `(?:"(?:[^"]|"")+"|[\p{L}_][\p{L}\p{N}_$]*)`
	qualified = name + `(?:\s*\.\s*` + name + `)?`
)

// translate reads "…<T>…" as the name of the relation that is locked, and <N> as any other name.
func translate(text string) string {
	return strings.NewReplacer("<T>", `(?P<relation>`+qualified+`)`, "<N>", qualified, " ", `\s+`).Replace(text)
}

func pattern(text string) *regexp.Regexp { return regexp.MustCompile(`(?is)^` + translate(text)) }

// later reads a pattern when it is needed first: a run that shows no plan does not wait for all of them.
func later(text string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return pattern(text) })
}

// form is a way to write a statement with the lock that it takes.
type form struct {
	written *regexp.Regexp
	mode    Mode // empty: nothing that anybody waits for
	// table tells that the lock is on the table of the index that is named.
	table bool
	// unknown is why nobody can tell.
	unknown string
}

func takes(mode Mode, written string) form { return form{written: pattern(written), mode: mode} }
func onTable(mode Mode, written string) form {
	return form{written: pattern(written), mode: mode, table: true}
}
func anywhere(mode Mode, written string) form {
	return form{written: regexp.MustCompile(`(?is)` + translate(written)), mode: mode}
}
func nothing(written string) form         { return form{written: pattern(written)} }
func unknowable(why, written string) form { return form{written: pattern(written), unknown: why} }

const (
	runsCode   = "it runs code, which locks what it touches"
	reachesOut = "CASCADE reaches objects that the statement does not name"
)

// statements are PostgreSQL's documented locks; every form that fits counts. ALTER TABLE has a table of its own.
var statements = sync.OnceValue(func() []form {
	return []form{
		takes(Share, `CREATE (?:UNIQUE )?INDEX (?:IF NOT EXISTS )?(?:<N> )?ON (?:ONLY )?<T>`),
		takes(ShareUpdateExclusive, `CREATE (?:UNIQUE )?INDEX CONCURRENTLY (?:IF NOT EXISTS )?(?:<N> )?ON (?:ONLY )?<T>`),
		takes(AccessExclusive, `DROP INDEX (?:IF EXISTS )?<T>`),
		onTable(AccessExclusive, `DROP INDEX (?:IF EXISTS )?<T>`),
		onTable(ShareUpdateExclusive, `DROP INDEX CONCURRENTLY (?:IF EXISTS )?<T>`),
		takes(AccessExclusive, `REINDEX (?:\([^)]*\) )?INDEX <T>`),
		onTable(Share, `REINDEX (?:\([^)]*\) )?INDEX <T>`),
		takes(Share, `REINDEX (?:\([^)]*\) )?TABLE <T>`),
		unknowable("each index of the table is locked ACCESS EXCLUSIVE", `REINDEX (?:\([^)]*\) )?TABLE (?:ONLY )?<N>(?:\s*\.\s*<N>)?$`),
		onTable(ShareUpdateExclusive, `REINDEX (?:\([^)]*\) )?INDEX CONCURRENTLY <T>`),
		takes(ShareUpdateExclusive, `REINDEX (?:\([^)]*\) )?TABLE CONCURRENTLY <T>`),
		unknowable("it locks every table with an index there", `REINDEX (?:\([^)]*\) )?(?:SCHEMA|DATABASE|SYSTEM)\b`),
		takes(ShareUpdateExclusive, `ALTER INDEX (?:IF EXISTS )?<T> (?:RENAME|SET|RESET|ALTER)\b`),

		takes(AccessExclusive, `CREATE TABLE (?:IF NOT EXISTS )?<N> PARTITION OF <T>`),
		nothing(`CREATE (?:(?:GLOBAL|LOCAL|TEMP|TEMPORARY|UNLOGGED) )*TABLE\b`),
		takes(AccessExclusive, `DROP TABLE (?:IF EXISTS )?<T>`),
		takes(AccessExclusive, `TRUNCATE (?:TABLE )?(?:ONLY )?<T>`),
		takes(AccessExclusive, `CLUSTER (?:\([^)]*\) |VERBOSE )?<T>`),
		takes(AccessExclusive, `VACUUM (?:FULL(?: FREEZE)?(?: VERBOSE)?(?: ANALYZE)?|\([^)]*\bFULL\b[^)]*\)) <T>`),
		takes(ShareUpdateExclusive, `(?:VACUUM|ANALYZE)(?: \([^)]*\)| FREEZE| VERBOSE| ANALYZE)* <T>(?:\s*\([^)]*\))?$`),
		takes(AccessExclusive, `CREATE (?:OR REPLACE )?RULE <N> AS ON \w+ TO <T>`),
		takes(AccessExclusive, `(?:DROP|ALTER) RULE (?:IF EXISTS )?<N> ON <T>`),
		takes(ShareRowExclusive, `CREATE (?:OR REPLACE )?(?:CONSTRAINT )?TRIGGER <N> .*? ON <T>`),
		takes(AccessExclusive, `(?:DROP|ALTER) TRIGGER (?:IF EXISTS )?<N> ON <T>`),
		takes(AccessExclusive, `(?:CREATE|ALTER|DROP) POLICY (?:IF EXISTS )?<N> ON <T>`),
		takes(ShareUpdateExclusive, `CREATE STATISTICS .* FROM <T>`),
		takes(ShareUpdateExclusive, `COMMENT ON (?:TABLE|VIEW|MATERIALIZED VIEW|FOREIGN TABLE) <T> IS`),
		takes(ShareUpdateExclusive, `COMMENT ON COLUMN (?P<relation>`+name+`(?:\.`+name+`)?)\.`+name+` IS`),
		nothing(`COMMENT ON\b`),

		nothing(`CREATE (?:TEMP |TEMPORARY |RECURSIVE )*VIEW\b`),
		nothing(`CREATE MATERIALIZED VIEW\b`),
		takes(AccessExclusive, `CREATE OR REPLACE (?:TEMP |TEMPORARY |RECURSIVE )*VIEW <T>`),
		takes(AccessExclusive, `(?:ALTER|DROP) (?:MATERIALIZED )?VIEW (?:IF EXISTS )?<T>`),
		takes(AccessExclusive, `REFRESH MATERIALIZED VIEW <T>`),
		takes(Exclusive, `REFRESH MATERIALIZED VIEW CONCURRENTLY <T>`),
		nothing(`CREATE (?:TEMP |TEMPORARY |UNLOGGED )?SEQUENCE\b`),
		takes(ShareRowExclusive, `ALTER SEQUENCE (?:IF EXISTS )?<T> (?:AS|INCREMENT|MINVALUE|MAXVALUE|NO|START|RESTART|CACHE|CYCLE|OWNED)\b`),
		takes(AccessExclusive, `ALTER SEQUENCE (?:IF EXISTS )?<T> (?:RENAME|SET|OWNER)\b`),
		takes(AccessExclusive, `DROP SEQUENCE (?:IF EXISTS )?<T>`),

		takes(RowExclusive, `INSERT INTO <T>`),
		takes(RowExclusive, `UPDATE (?:ONLY )?<T>`),
		takes(RowExclusive, `DELETE FROM (?:ONLY )?<T>`),
		takes(RowExclusive, `MERGE INTO (?:ONLY )?<T>`),
		takes(RowExclusive, `COPY <T>.*? FROM\b`),
		unknowable("it writes where its WITH clause and its functions say", `WITH\b.*\b(?:INSERT INTO|UPDATE|DELETE FROM|MERGE INTO)\b`),
		takes(RowShare, `SELECT\b.* FROM <T>.* FOR (?:NO KEY )?(?:UPDATE|KEY SHARE|SHARE)\b`),
		takes(RowShare, `LOCK (?:TABLE )?(?:ONLY )?<T> IN ROW SHARE\b`),
		takes(RowExclusive, `LOCK (?:TABLE )?(?:ONLY )?<T> IN ROW EXCLUSIVE\b`),
		takes(ShareUpdateExclusive, `LOCK (?:TABLE )?(?:ONLY )?<T> IN SHARE UPDATE EXCLUSIVE\b`),
		takes(Share, `LOCK (?:TABLE )?(?:ONLY )?<T> IN SHARE MODE\b`),
		takes(ShareRowExclusive, `LOCK (?:TABLE )?(?:ONLY )?<T> IN SHARE ROW EXCLUSIVE\b`),
		takes(Exclusive, `LOCK (?:TABLE )?(?:ONLY )?<T> IN EXCLUSIVE\b`),
		takes(AccessExclusive, `LOCK (?:TABLE )?(?:ONLY )?<T>(?: IN ACCESS EXCLUSIVE MODE)?(?: NOWAIT)?$`),

		unknowable(runsCode, `(?:DO|CALL|EXECUTE)\b`),
		unknowable("a function that it calls may lock more", `SELECT\b.*[\p{L}\p{N}_]\s*\(`),
		nothing(`(?:SELECT|VALUES|TABLE|WITH|SHOW|SET|RESET|BEGIN|COMMIT|CHECKPOINT|NOTIFY|PREPARE)\b`),
		nothing(`(?:CREATE|ALTER|DROP) (?:OR REPLACE )?(?:FUNCTION|PROCEDURE|ROUTINE|AGGREGATE|OPERATOR|CAST|COLLATION|CONVERSION|ROLE|USER|GROUP|TEXT|LANGUAGE|ACCESS|SERVER|FOREIGN DATA)\b`),
		nothing(`(?:CREATE|ALTER) (?:TYPE|SCHEMA|EVENT|DEFAULT|DATABASE|TABLESPACE)\b`),
		nothing(`CREATE (?:EXTENSION|DOMAIN)\b`),
		nothing(`ALTER DOMAIN <N> (?:RENAME|OWNER|SET SCHEMA|SET DEFAULT|DROP)\b`),
		unknowable("it checks every table that has a column of the domain", `ALTER DOMAIN <N> (?:ADD|VALIDATE|SET NOT)\b`),
		nothing(`DROP (?:TYPE|DOMAIN|SCHEMA|DATABASE|TABLESPACE|EVENT|STATISTICS|EXTENSION)\b`),
		nothing(`(?:GRANT|REVOKE)\b`),
		nothing(`(?:ALTER SYSTEM|ALTER STATISTICS|CREATE PUBLICATION \S+ FOR ALL|DROP PUBLICATION|CREATE SUBSCRIPTION|DROP SUBSCRIPTION)\b`),
		takes(ShareUpdateExclusive, `CREATE PUBLICATION <N> FOR TABLE (?:ONLY )?<T>`),
		unknowable(reachesOut, `DROP\b.* CASCADE$`),
		unknowable(reachesOut, `TRUNCATE\b.* CASCADE$`),
	}
})

// alterations are the actions of ALTER TABLE; the first one that fits counts, and the strongest action decides.
var alterations = sync.OnceValue(func() []form {
	return []form{
		takes(ShareUpdateExclusive, `VALIDATE CONSTRAINT\b`),
		takes(ShareRowExclusive, `ADD (?:CONSTRAINT <N> )?FOREIGN KEY\b`),
		takes(ShareUpdateExclusive, `ALTER (?:COLUMN )?<N> SET STATISTICS\b`),
		takes(ShareUpdateExclusive, `ALTER (?:COLUMN )?<N> (?:SET|RESET) \(`),
		takes(ShareRowExclusive, `(?:ENABLE|DISABLE) (?:ALWAYS |REPLICA )?TRIGGER\b`),
		takes(ShareUpdateExclusive, `(?:CLUSTER ON|SET WITHOUT CLUSTER)\b`),
		takes(ShareUpdateExclusive, `(?:SET|RESET) \((?:\s*(?:fillfactor|parallel_workers|log_autovacuum_min_duration|(?:toast\.)?(?:autovacuum|vacuum|toast|log)_\w+)\b[^,)]*,?)+\)`),
		takes(ShareUpdateExclusive, `ATTACH PARTITION\b`),
		takes(ShareUpdateExclusive, `DETACH PARTITION <N> (?:CONCURRENTLY|FINALIZE)\b`),
		takes(AccessExclusive, `\w`),
	}
})

// others are the relations besides its own that an action of ALTER TABLE, or CREATE TABLE, locks.
var others = sync.OnceValue(func() []form {
	return []form{
		anywhere(ShareRowExclusive, `\bREFERENCES <T>`),
		anywhere(AccessExclusive, `\bATTACH PARTITION <T>`),
		anywhere(AccessExclusive, `\bDETACH PARTITION <T>`),
		anywhere(ShareUpdateExclusive, `\bINHERITS?\s*\(?\s*<T>`),
	}
})
