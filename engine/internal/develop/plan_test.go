package develop

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/operate"
)

func planAsJSON(engine *Engine, ctx context.Context) error { return engine.Plan(ctx, true) }

// throwAways counts the databases of traces.
func throwAways(s service) string {
	return s.Value(s.T, "SELECT count(*) FROM pg_database WHERE starts_with(datname, '"+s.Name+"_trace_')")
}

func TestPlanTellsWhatPostgreSQLDoes(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE a (id int PRIMARY KEY, b int);\nINSERT INTO a VALUES (1);\n-- +goose Down\nDROP TABLE a;\n"})
	s.Must(func(engine *Engine, ctx context.Context) error { return engine.Up(ctx) })
	s.Write("migrations/00002_b.sql", "-- +goose Up\n-- +goose StatementBegin\n-- all at once\nALTER TABLE a\n  ALTER b TYPE bigint;\n\nDO $$ BEGIN\n  UPDATE a SET b = 1;\nEND $$;\n-- +goose StatementEnd\n"+
		"CREATE TABLE c (a_id int REFERENCES a);\nSELECT nope();\n-- +goose Down\nSELECT 1;\n")
	out, _ := s.Must(planAsJSON)
	var plan operate.Plan
	if err := json.Unmarshal([]byte(out), &plan); err != nil || len(plan.Migrations) != 1 || plan.Unmeasured != "" {
		t.Fatal(out, err)
	}
	statements := plan.Migrations[0].Statements
	if len(statements) != 3 || len(statements[0].Parts) != 2 || statements[0].Parts[0].Line != 4 || statements[0].Parts[1].Line != 7 {
		t.Fatal(out)
	}
	first, second := statements[0].Parts[0], statements[0].Parts[1]
	if !first.Measured || len(first.Rewrites) != 1 || len(first.Locks) != 1 || first.Locks[0].String() != "a ACCESS EXCLUSIVE" || first.Locks[0].Until != 12 || first.Locks[0].Size == nil || first.Locks[0].Size.Bytes == 0 {
		t.Errorf("%+v", first)
	}
	if len(second.Rows) != 1 || second.Rows[0] != (operate.PlannedRows{Relation: "a", Updated: 1}) {
		t.Errorf("%+v", second)
	}
	if third := statements[1]; len(third.Locks) != 1 || third.Locks[0].String() != "a SHARE ROW EXCLUSIVE" || len(third.Created) == 0 {
		t.Errorf("%+v", third)
	}
	if !strings.Contains(statements[2].Unknown, "not measured: PostgreSQL said: function nope() does not exist") {
		t.Errorf("%+v", statements[2])
	}
	told := ""
	for _, finding := range plan.Migrations[0].Findings {
		told += finding.Rule + " "
	}
	for _, rule := range []string{"ban-table-rewrite", "require-where", "data-apart-from-schema"} {
		if !strings.Contains(told, rule) && (rule != "ban-table-rewrite" || !strings.Contains(told, "changing-column-type")) {
			t.Errorf("%s does not have %s", told, rule)
		}
	}
	if throwAways(s) != "0" || s.Value(t, "SELECT data_type FROM information_schema.columns WHERE table_name = 'a' AND column_name = 'b'") != "integer" {
		t.Error("a throw-away database is left, or the service's own was changed")
	}
}

// What somebody has made beside the migrations is measured as well: the plan is for this database.
func TestPlanIsMeasuredOnWhatTheDatabaseIs(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nALTER TABLE by_hand ADD COLUMN x int;\n-- +goose Down\nSELECT 1;\n"})
	s.Execute(t, "CREATE TABLE by_hand (id int)")
	s.Execute(t, "ALTER TABLE by_hand OWNER TO "+s.User)
	s.Database = s.Elsewhere(t)
	out, _ := s.Must(planAsJSON)
	var plan operate.Plan
	if err := json.Unmarshal([]byte(out), &plan); err != nil || len(plan.Migrations) != 1 {
		t.Fatal(out, err)
	}
	if only := plan.Migrations[0].Statements[0]; !only.Measured || len(only.Locks) != 1 || only.Locks[0].String() != "by_hand ACCESS EXCLUSIVE" {
		t.Error(out)
	}
	if throwAways(s) != "0" {
		t.Error("a throw-away database is left")
	}
}

func TestLintGoesByTheTextWhereNoServerCanBeReached(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nUPDATE a SET b = 1;\n-- +goose Down\nSELECT 1;\n"})
	t.Setenv("DB_PORT", "1")
	if _, err := exec.LookPath("squawk"); err != nil {
		t.Skip("squawk is not on the PATH")
	}
	out, report, err := s.Do(func(engine *Engine, ctx context.Context) error { return engine.Lint(ctx, "") })
	if failure.CodeOf(err) != failure.CodeRefused || !strings.Contains(out, "require-where") || strings.Count(report, "nothing was measured") != 1 {
		t.Error(out, report, err)
	}
}
