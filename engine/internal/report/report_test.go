package report

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
)

func TestALineIsASentence(t *testing.T) {
	var out bytes.Buffer
	reporter, err := New(&out, "")
	if err != nil {
		t.Fatal(err)
	}
	reporter = reporter.About("db", "test")
	reporter.Say("%d things", 3)
	reporter.Applied("00002_a.sql", 13*time.Millisecond)
	reporter.RolledBack("00002_a.sql", time.Second)
	reporter.Failed("migrate", failure.Locked("busy"))
	want := "3 things\nok 00002_a.sql (13 ms)\nrolled back 00002_a.sql (1000 ms)\nmigrate: busy\n"
	if out.String() != want {
		t.Error(out.String())
	}
}

func TestALineIsAnObject(t *testing.T) {
	var out bytes.Buffer
	reporter, err := New(&out, "json")
	if err != nil {
		t.Fatal(err)
	}
	reporter.About("db", "test").Applied("00002_a.sql", 13*time.Millisecond)
	reporter.Failed("migrate", failure.Locked("two\nlines"))
	lines := json.NewDecoder(&out)
	for _, want := range []map[string]any{
		{"level": "INFO", "msg": "ok 00002_a.sql (13 ms)", "event": "applied", "file": "00002_a.sql", "version": 2.0, "duration_ms": 13.0, "database": "db", "environment": "test"},
		{"level": "ERROR", "msg": "two\nlines", "event": "failed", "exit_code": 75.0},
	} {
		var got map[string]any
		if err := lines.Decode(&got); err != nil {
			t.Fatal(err)
		}
		delete(got, "time")
		if len(got) != len(want) {
			t.Error(got)
		}
		for name, value := range want {
			if got[name] != value {
				t.Errorf("%s is %v", name, got[name])
			}
		}
	}
}

func TestAnUnknownFormatIsRefused(t *testing.T) {
	if _, err := New(nil, "xml"); failure.CodeOf(err) != failure.CodeRefused {
		t.Error(err)
	}
}
