package operate

import (
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/maintenance"
)

const (
	createSessions = "-- +goose Up\nCREATE TABLE sessions (id bigint PRIMARY KEY, expires_at timestamptz, ip text);\n" +
		"INSERT INTO sessions SELECT n, now() - n * interval '1 hour' + interval '30 minutes', '::1' FROM generate_series(1, 1000) n;\n" +
		"INSERT INTO sessions SELECT n, now() + interval '1 day' FROM generate_series(1001, 1500) n;\n" +
		"INSERT INTO sessions VALUES (0);\n" +
		"CREATE INDEX sessions_expires_at ON sessions (expires_at);\n" +
		"-- +goose Down\nDROP TABLE sessions;\n"
	cleanUpFile = "migrations/maintenance/session_cleanup.sql"
	cleanUp     = "-- maintenance: kind=delete table=sessions key=expires_at,id retain=24h load=100%"
	createAudit = "-- +goose Up\nCREATE TABLE audit_logs (id bigint GENERATED ALWAYS AS IDENTITY, created_at timestamptz NOT NULL, " +
		"entry text NOT NULL DEFAULT '' CHECK (entry <> 'x'), PRIMARY KEY (created_at, id)) PARTITION BY RANGE (created_at);\n" +
		"CREATE INDEX audit_logs_entry ON audit_logs (entry);\n" +
		"CREATE TABLE audit_holds (id bigint PRIMARY KEY, held tstzrange NOT NULL, reason text);\n" +
		"-- +goose Down\nDROP TABLE audit_holds;\nDROP TABLE audit_logs;\n"
	retentionFile = "migrations/maintenance/audit_retention.sql"
	retention     = "-- maintenance: kind=partitions table=audit_logs column=created_at every=month ahead=3 retain=400d holds=audit_holds\n"
)

func maintaining(name string) func(*Engine, context.Context) error {
	return func(engine *Engine, ctx context.Context) error { return engine.Maintain(ctx, name) }
}

// maintainingAt runs a job as if it were a certain day.
func maintainingAt(name, day string) func(*Engine, context.Context) error {
	return func(engine *Engine, ctx context.Context) error {
		return engine.maintainAt(ctx, name, func(context.Context, *Session) (time.Time, error) { return time.Parse(time.DateOnly, day) })
	}
}

func newSessions(t *testing.T, job string) service {
	t.Helper()
	s := newService(t, map[string]string{"migrations/00001_sessions.sql": createSessions, cleanUpFile: job})
	s.Must((*Engine).Up)
	return s
}

func newAudit(t *testing.T) service {
	t.Helper()
	s := newService(t, map[string]string{"migrations/00001_audit.sql": createAudit, retentionFile: retention})
	s.Must((*Engine).Up)
	return s
}

func (s service) partitions() string {
	s.T.Helper()
	return s.Value(s.T, "SELECT coalesce(string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text), '') FROM pg_inherits WHERE inhparent = 'audit_logs'::regclass")
}

func TestMaintenanceDeletesWhatIsOldEnough(t *testing.T) {
	s := newSessions(t, cleanUp)
	_, report := s.Must(maintaining("session_cleanup"))
	if left := s.Value(t, "SELECT count(*) FROM sessions"); left != "525" || !strings.Contains(report, "976 rows") {
		t.Error(left, report)
	}
	_, report = s.Must(maintaining("session_cleanup"))
	if !strings.Contains(report, "is done in "+s.Name+": 0 rows") {
		t.Error(report)
	}
	if s.Value(t, "SELECT has_table_privilege('public', 'goose_db_version_maintenance', 'UPDATE')") != "false" {
		t.Error("everybody may write to the memory of maintenance")
	}
}

func TestMaintenanceRunsTheStatementOfItsFile(t *testing.T) {
	s := newSessions(t, cleanUp+"\nUPDATE sessions SET ip = NULL WHERE (expires_at, id) >= ($1, $2) AND (expires_at, id) <= ($3, $4) AND ip IS NOT NULL;\n")
	for _, changed := range []string{": 976 rows", ": 0 rows"} {
		if _, report := s.Must(maintaining("session_cleanup")); !strings.Contains(report, changed) {
			t.Error(report)
		}
	}
	if left := s.Value(t, "SELECT count(*) FROM sessions WHERE ip IS NOT NULL"); left != "24" {
		t.Error(left)
	}
}

func TestMaintenanceByAStatementAloneReachesEveryRow(t *testing.T) {
	s := newSessions(t, "-- maintenance: kind=delete table=sessions key=id load=100% max_rows=400\n"+
		"DELETE FROM sessions WHERE id BETWEEN $1 AND $2 AND expires_at < now() - interval '24 hours';\n")
	// 1501 rows are looked at, 400 in a run.
	for run, words := range []string{"used up", "used up", "used up", "is done", "used up"} {
		if _, report := s.Must(maintaining("session_cleanup")); !strings.Contains(report, words) {
			t.Error(run, report)
		}
	}
	if left := s.Value(t, "SELECT count(*) FROM sessions"); left != "525" {
		t.Error(left)
	}
}

func TestMaintenanceEndsWithItsTimeAndTheNextRunGoesOn(t *testing.T) {
	s := newSessions(t, cleanUp+" batch=10ms max_time=1s\nDELETE FROM sessions USING pg_sleep(0.4) WHERE (expires_at, id) >= ($1, $2) AND (expires_at, id) <= ($3, $4);\n")
	_, report := s.Must(maintaining("session_cleanup"))
	left := s.Value(t, "SELECT count(*) FROM sessions")
	if !strings.Contains(report, "used up") && left != "525" || left == "1501" {
		t.Error(left, report)
	}
	s.Write(cleanUpFile, cleanUp)
	s.Must(maintaining("session_cleanup"))
	if left := s.Value(t, "SELECT count(*) FROM sessions"); left != "525" {
		t.Error(left)
	}
}

func TestMaintenanceNeedsAWayToTheOldRows(t *testing.T) {
	s := newSessions(t, cleanUp)
	for header, words := range map[string]string{
		"key=id retain=1d":         "id of sessions is no column with a time",
		"key=nothing retain=1d":    "nothing of sessions is no column with a time",
		"key=expires_at retain=1d": "holds no unique key of sessions",
		"key=ip,id retain=1d":      "ip of sessions is no column with a time",
	} {
		s.Write(cleanUpFile, "-- maintenance: kind=delete table=sessions "+header)
		s.Refuses(maintaining("session_cleanup"), failure.CodeRefused, words)
	}
	s.Execute(t, "DROP INDEX sessions_expires_at")
	s.Write(cleanUpFile, cleanUp)
	s.Refuses(maintaining("session_cleanup"), failure.CodeRefused, "no index that begins with expires_at", "(expires_at, id)")
}

func TestMaintenanceIsDoneByOneRunner(t *testing.T) {
	s := newSessions(t, cleanUp)
	t.Setenv("MIGRATION_LOCK_TIMEOUT", "0")
	s.Do(func(engine *Engine, ctx context.Context) error {
		session, err := engine.Open(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		if err := session.lockJob(ctx, maintenance.Table("goose_db_version"), "session_cleanup"); err != nil {
			t.Fatal(err)
		}
		s.Refuses(maintaining("session_cleanup"), failure.CodeLocked, "another runner has held the lock")
		s.Must(maintaining(""))
		return nil
	})
}

func TestMaintenanceListsItsJobsAndRefusesWhatIsNone(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	if _, report := s.Must(maintaining("")); !strings.Contains(report, "holds no job") {
		t.Error(report)
	}
	s.Write(cleanUpFile, cleanUp)
	s.Write(retentionFile, retention)
	out, _ := s.Must(maintaining(""))
	if lines := strings.Split(out, "\n"); len(lines) != 3 || !strings.HasPrefix(lines[0], "partitions") || !strings.HasPrefix(lines[1], "delete") {
		t.Error(out)
	}
	s.Refuses(maintaining("other"), failure.CodeRefused, "run make migrate-maintain without JOB, which lists the jobs")
	s.Refuses(maintaining("../backfill/x"), failure.CodeRefused, "lower-case snake_case")
	s.Write(cleanUpFile, "-- maintenance: kind=vacuum\n")
	s.Refuses(maintaining(""), failure.CodeRefused, "kind=delete or kind=partitions")
}

func TestMaintenanceLeavesItsMetrics(t *testing.T) {
	s := newSessions(t, cleanUp)
	t.Setenv("MIGRATION_METRICS_FILE", "auth.prom")
	s.Must(maintaining("session_cleanup"))
	s.Refuses(maintaining("other"), failure.CodeRefused)
	content, err := os.ReadFile("auth.prom")
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for _, line := range []string{
		`migration_maintenance_last_run_rows{service="avion-auth",maintenance="session_cleanup"} 976`,
		`migration_maintenance_last_run_exit_code{service="avion-auth",maintenance="session_cleanup"} 0`,
		`migration_maintenance_last_run_exit_code{service="avion-auth",maintenance="other"} 1`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s in:\n%s", line, text)
		}
	}
	if strings.Count(text, "migration_maintenance_last_success_timestamp_seconds{") != 1 || strings.Contains(text, "migration_last_run") {
		t.Error(text)
	}
}

func TestPartitionsAreCreatedAheadAndDroppedWhenTheyAreOldEnough(t *testing.T) {
	s := newAudit(t)
	s.Execute(t, "CREATE ROLE "+s.Name+"_app; ALTER DEFAULT PRIVILEGES FOR ROLE "+s.Name+" GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO "+s.Name+"_app")
	t.Cleanup(func() { s.Execute(t, "DROP OWNED BY "+s.Name+"_app; DROP ROLE "+s.Name+"_app") })
	s.Must(maintainingAt("audit_retention", "2026-11-24"))
	if all := s.partitions(); all != "audit_logs_2026_11 audit_logs_2026_12 audit_logs_2027_01 audit_logs_2027_02" {
		t.Fatal(all)
	}
	if s.Value(t, "SELECT count(*) FROM pg_class c, aclexplode(c.relacl) a WHERE c.relname ~ '^audit_logs_2' AND a.grantee <> c.relowner") != "0" {
		t.Error("the application may write into a partition without the rights that the table gives")
	}
	s.Execute(t, "INSERT INTO audit_logs (created_at) SELECT '2026-11-30 23:59:59+00'::timestamptz + n * interval '1 month' FROM generate_series(0, 2) n")
	out, _ := s.Must(maintainingAt("audit_retention", "2026-11-24"))
	var kept maintenance.Kept
	if err := json.Unmarshal([]byte(out), &kept); err != nil || len(kept.Created)+len(kept.Dropped)+len(kept.Held) != 0 {
		t.Error(out, err)
	}
	// 400 days after 1 December 2026.
	s.Must(maintainingAt("audit_retention", "2028-01-04"))
	if all := s.partitions(); !strings.HasPrefix(all, "audit_logs_2026_11 ") {
		t.Error(all)
	}
	s.Must(maintainingAt("audit_retention", "2028-01-05"))
	if all := s.partitions(); !strings.HasPrefix(all, "audit_logs_2026_12 ") || s.HasTable("audit_logs_2026_11") {
		t.Error(all)
	}
	if left := s.Value(t, "SELECT count(*) FROM audit_logs"); left != "2" {
		t.Error(left)
	}
}

func TestAHeldPartitionIsNeverDropped(t *testing.T) {
	s := newAudit(t)
	s.Must(maintainingAt("audit_retention", "2026-01-10"))
	s.Execute(t, "INSERT INTO audit_holds VALUES (1, '[2026-02-28 23:00+00,2026-03-01 01:00+00)')")
	out, report := s.Must(maintainingAt("audit_retention", "2030-01-01"))
	if all := s.partitions(); !strings.HasPrefix(all, "audit_logs_2026_02 audit_logs_2026_03 audit_logs_2030_01") {
		t.Error(all)
	}
	if !strings.Contains(report, "audit_logs_2026_02 is kept: audit_holds") || !strings.Contains(out, `"held":["audit_logs_2026_02","audit_logs_2026_03"]`) {
		t.Error(out, report)
	}
	s.Execute(t, "DELETE FROM audit_holds")
	s.Must(maintainingAt("audit_retention", "2030-01-01"))
	if all := s.partitions(); !strings.HasPrefix(all, "audit_logs_2030_01") {
		t.Error(all)
	}
}

func TestAHoldThatComesAfterDetachingKeepsTheTable(t *testing.T) {
	s := newAudit(t)
	s.Must(maintainingAt("audit_retention", "2026-01-10"))
	s.Execute(t, "CREATE VIEW audit_logs_seen AS SELECT * FROM audit_logs_2026_01")
	s.Refuses(maintainingAt("audit_retention", "2027-03-10"), failure.CodeMigrationFailed, "2BP01", "what it did before is kept")
	s.Execute(t, "DROP VIEW audit_logs_seen; INSERT INTO audit_holds VALUES (1, '[2026-01-01,)')")
	_, report := s.Must(maintainingAt("audit_retention", "2027-03-10"))
	if !strings.Contains(report, "it is detached from audit_logs already") || !s.HasTable("audit_logs_2026_01") {
		t.Error(report)
	}
	s.Execute(t, "DELETE FROM audit_holds")
	s.Must(maintainingAt("audit_retention", "2027-03-10"))
	if s.HasTable("audit_logs_2026_01") || s.Value(t, "SELECT count(*) FROM goose_db_version_detached") != "0" {
		t.Error("the table that was detached is still there")
	}
}

func TestADetachingThatIsHalfDoneIsEnded(t *testing.T) {
	s := newAudit(t)
	t.Setenv("MIGRATION_RETRY_TIMEOUT", "1")
	s.Must(maintainingAt("audit_retention", "2026-01-10"))
	s.Execute(t, "INSERT INTO audit_logs (created_at) VALUES ('2026-01-10')")
	s.Execute(t, "BEGIN; SELECT FROM audit_logs")
	s.Refuses(maintainingAt("audit_retention", "2027-03-10"), failure.CodePending, "other sessions kept it from its locks")
	if s.Value(t, "SELECT inhdetachpending FROM pg_inherits WHERE inhrelid = 'audit_logs_2026_01'::regclass") != "true" {
		t.Error("nothing is half done")
	}
	s.Execute(t, "COMMIT")
	_, report := s.Must(maintainingAt("audit_retention", "2027-03-10"))
	if !strings.Contains(report, "ended the detaching of audit_logs_2026_01") || s.HasTable("audit_logs_2026_01") {
		t.Error(report)
	}
}

func TestADefaultPartitionStaysAndIsNoObstacle(t *testing.T) {
	s := newAudit(t)
	s.Execute(t, "CREATE TABLE audit_logs_rest PARTITION OF audit_logs DEFAULT; ALTER TABLE audit_logs_rest OWNER TO "+s.User)
	s.Execute(t, "CREATE TABLE audit_logs_old PARTITION OF audit_logs FOR VALUES FROM (MINVALUE) TO ('2026-01-01'); ALTER TABLE audit_logs_old OWNER TO "+s.User)
	s.Must(maintainingAt("audit_retention", "2026-01-10"))
	s.Must(maintainingAt("audit_retention", "2027-03-10"))
	if all := s.partitions(); all != "audit_logs_2026_02 audit_logs_2026_03 audit_logs_2026_04 audit_logs_2027_03 audit_logs_2027_04 audit_logs_2027_05 audit_logs_2027_06 audit_logs_rest" {
		t.Error(all)
	}
	s.Execute(t, "INSERT INTO audit_logs (created_at) VALUES ('2028-06-01')")
	s.Refuses(maintainingAt("audit_retention", "2028-06-10"), failure.CodeMigrationFailed, "the default partition holds rows of that time")
}

func TestPartitionsNeedATableThatIsPartitionedSo(t *testing.T) {
	s := newAudit(t)
	for header, words := range map[string]string{
		"table=nowhere column=created_at":                      "there is no table nowhere",
		"table=audit_holds column=held":                        "is not partitioned BY RANGE (held)",
		"table=audit_logs column=id":                           "is not partitioned BY RANGE (id)",
		"table=audit_logs column=created_at holds=audit_logs":  "has 0 columns with ranges",
		"table=audit_logs column=created_at holds=not_created": "has 0 columns with ranges",
	} {
		s.Write(retentionFile, "-- maintenance: kind=partitions every=month ahead=3 retain=400d "+header)
		s.Refuses(maintaining("audit_retention"), failure.CodeRefused, words)
	}
}
