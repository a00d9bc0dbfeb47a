package operate

import (
	"context"
	"encoding/json"
	"testing"
)

func showPlan(engine *Engine, ctx context.Context) error { return engine.Plan(ctx, false) }

func TestPlanTellsTheLocks(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE new (id int);\nALTER TABLE new ADD COLUMN x int;\n" +
		"ALTER TABLE old\n  ADD COLUMN x int, -- why\n  ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES \"Other\" (id) NOT VALID;\n" +
		"-- +goose StatementBegin\nDO $$ BEGIN DROP TABLE secret; END $$;\n-- +goose StatementEnd\n-- +goose Down\nDROP TABLE new;\n"})
	want := "-- 00001_a.sql\nCREATE TABLE new (id int);\nALTER TABLE new ADD COLUMN x int;\n" +
		"-- lock: old ACCESS EXCLUSIVE, which blocks reads and writes\n-- lock: \"Other\" SHARE ROW EXCLUSIVE, which blocks writes\n" +
		"ALTER TABLE old\n  ADD COLUMN x int, -- why\n  ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES \"Other\" (id) NOT VALID;\n" +
		"-- lock: not all are known: it runs code, which locks what it touches\nDO $$ BEGIN DROP TABLE secret; END $$;\n\n"
	if out, _ := s.Must(showPlan); out != want {
		t.Error(out)
	}
	out, _ := s.Must(func(engine *Engine, ctx context.Context) error { return engine.Plan(ctx, true) })
	var document planDocument
	if err := json.Unmarshal([]byte(out), &document); err != nil || len(document.Migrations) != 1 {
		t.Fatal(out, err)
	}
	statements := document.Migrations[0].Statements
	if len(statements) != 4 || statements[2].Line != 4 || len(statements[2].Locks) != 2 || statements[2].Locks[0].Blocks != "reads and writes" || statements[3].Unknown == "" {
		t.Error(out)
	}
}
