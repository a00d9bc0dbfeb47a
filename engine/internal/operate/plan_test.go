package operate

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
)

func showPlan(engine *Engine, ctx context.Context) error { return engine.Plan(ctx, false) }

func TestPlanShowsTheSQLAndTheSizesOfWhatItNames(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE new (id int);\nALTER TABLE old\n  ADD COLUMN x int; -- why\n-- +goose Down\nDROP TABLE new;\n"})
	s.Execute(t, "CREATE TABLE old AS SELECT generate_series(1, 10000) AS id")
	s.Execute(t, "ANALYZE old")
	s.Execute(t, "GRANT SELECT ON old TO PUBLIC")
	out, _ := s.Must(showPlan)
	if want := "-- 00001_a.sql\nCREATE TABLE new (id int);\n-- names old ("; !strings.HasPrefix(out, want) || !strings.Contains(out, " kB, about 10000 rows)\nALTER TABLE old\n  ADD COLUMN x int; -- why\n") {
		t.Error(out)
	}
	out, _ = s.Must(func(engine *Engine, ctx context.Context) error { return engine.Plan(ctx, true) })
	var plan Plan
	if err := json.Unmarshal([]byte(out), &plan); err != nil || len(plan.Migrations) != 1 {
		t.Fatal(out, err)
	}
	if second := plan.Migrations[0].Statements[1]; second.Line != 3 || len(second.Relations) != 1 || second.Relations[0].Rows != 10000 || second.Unknown == "" || second.Locks == nil {
		t.Error(out)
	}
}

func TestPlanTellsWhoIsInTheWay(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE new (id int);\n-- +goose Down\nDROP TABLE new;\n"})
	engine, err := New(s.Silence())
	if err != nil {
		t.Fatal(err)
	}
	other, err := engine.Open(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	transaction, err := other.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer transaction.Rollback()
	for _, statement := range []string{"SET application_name = 'report'", "SELECT pg_sleep(4)"} {
		if _, err := transaction.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	out, _ := s.Must(showPlan)
	if !strings.HasPrefix(out, "-- in the way: session ") || !strings.Contains(out, " (report), in a transaction for ") {
		t.Error(out)
	}
}
