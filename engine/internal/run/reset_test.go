package run

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/terminal"
)

// The superuser's session of the test would be cut by DROP DATABASE … WITH (FORCE), so it moves away first.
func newServiceToReset(t *testing.T, files map[string]string) service {
	t.Helper()
	s := newService(t, files)
	s.Database = s.Elsewhere(t)
	return s
}

func TestResetDropsCreatesAndMigrates(t *testing.T) {
	s := newServiceToReset(t, map[string]string{"migrations/00001_a.sql": createA})
	s.must((*Engine).Up)
	before := s.Value(t, "SELECT oid FROM pg_database WHERE datname = '"+s.Name+"'")
	t.Setenv("CONFIRM", s.Name)
	_, report := s.must((*Engine).Reset)
	for _, want := range []string{"dropped " + s.Name, "created " + s.Name, "ok 00001_a.sql"} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in %s", want, report)
		}
	}
	if s.Value(t, "SELECT oid FROM pg_database WHERE datname = '"+s.Name+"'") == before {
		t.Error("the database is still the old one")
	}
	s.must((*Engine).Up)
}

func TestResetKeepsOwnerEncodingAndLocale(t *testing.T) {
	s := newServiceToReset(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Execute(t, "DROP DATABASE "+s.Name)
	s.Execute(t, "CREATE DATABASE "+s.Name+" OWNER "+s.User+" TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'POSIX' LC_CTYPE 'POSIX'")
	const facts = "SELECT concat_ws(' ', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider) FROM pg_database WHERE datname = "
	before := s.Value(t, facts+"'"+s.Name+"'")
	t.Setenv("CONFIRM", s.Name)
	s.must((*Engine).Reset)
	if after := s.Value(t, facts+"'"+s.Name+"'"); after != before {
		t.Errorf("%s, not %s", after, before)
	}
}

func TestResetKeepsTheICULocale(t *testing.T) {
	s := newServiceToReset(t, map[string]string{"migrations/00001_a.sql": createA})
	if s.Value(t, "SELECT count(*) > 0 FROM pg_collation WHERE collprovider = 'i'") != "true" {
		t.Skip("the server has no ICU")
	}
	s.Execute(t, "DROP DATABASE "+s.Name)
	s.Execute(t, "CREATE DATABASE "+s.Name+" OWNER "+s.User+" TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'ja-JP' LOCALE 'C'")
	const facts = "SELECT concat_ws(' ', j->>'datlocprovider', coalesce(j->>'datlocale', j->>'daticulocale')) FROM pg_database d, to_jsonb(d) j WHERE d.datname = "
	t.Setenv("CONFIRM", s.Name)
	s.must((*Engine).Reset)
	if after := s.Value(t, facts+"'"+s.Name+"'"); after != "i ja-JP" {
		t.Error(after)
	}
}

func TestResetCreatesADatabaseThatIsNotThere(t *testing.T) {
	s := newServiceToReset(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Execute(t, "DROP DATABASE "+s.Name)
	t.Setenv("CONFIRM", s.Name)
	s.must((*Engine).Reset)
	s.must((*Engine).Up)
}

func TestNothingIsDroppedUnlessEverythingIsRight(t *testing.T) {
	for name, spoil := range map[string]func(service){
		"no confirmation":   func(s service) { s.t.Setenv("CONFIRM", "") },
		"the wrong name":    func(s service) { s.t.Setenv("CONFIRM", "y") },
		"another case":      func(s service) { s.t.Setenv("CONFIRM", strings.ToUpper(s.Name)) },
		"staging":           func(s service) { s.t.Setenv("ENVIRONMENT", "staging") },
		"production":        func(s service) { s.t.Setenv("ENVIRONMENT", "production") },
		"an unknown place":  func(s service) { s.t.Setenv("ENVIRONMENT", "qa") },
		"confirmed in .env": func(s service) { s.t.Setenv("CONFIRM", ""); s.write(".env", "CONFIRM="+s.Name) },
		"no right":          func(s service) { s.Execute(s.t, "ALTER ROLE "+s.User+" NOCREATEDB") },
		"not the owner":     func(s service) { s.Execute(s.t, "ALTER DATABASE "+s.Name+" OWNER TO CURRENT_USER") },
		"a broken file":     func(s service) { s.write("migrations/00002_b.sql", "-- +goose Up\nSELECT 1\n") },
		"no migration":      func(s service) { s.remove("migrations/00001_a.sql") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServiceToReset(t, map[string]string{"migrations/00001_a.sql": createA})
			t.Setenv("CONFIRM", s.Name)
			before := s.Value(t, "SELECT oid FROM pg_database WHERE datname = '"+s.Name+"'")
			spoil(s)
			s.refuses((*Engine).Reset, failure.CodeRefused)
			if s.Value(t, "SELECT oid FROM pg_database WHERE datname = '"+s.Name+"'") != before {
				t.Error("it was dropped")
			}
		})
	}
}

func TestResetMayBeConfirmedOnATerminal(t *testing.T) {
	s := newServiceToReset(t, map[string]string{"migrations/00001_a.sql": createA})
	for answer, allowed := range map[string]bool{"y\n": false, "": false, s.Name + "\n": true} {
		var report bytes.Buffer
		engine, err := New(terminal.Terminal{In: strings.NewReader(answer), Out: &report, Err: &report, Interactive: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.Reset(context.Background()); (err == nil) != allowed {
			t.Errorf("%q: %v", answer, err)
		}
	}
}

func TestResetWaitsForARunner(t *testing.T) {
	s := newServiceToReset(t, map[string]string{"migrations/00001_a.sql": "-- +goose Up\nCREATE TABLE a AS SELECT 1 FROM pg_sleep(1);\n-- +goose Down\nDROP TABLE a;\n"})
	t.Setenv("CONFIRM", s.Name)
	running := make(chan error)
	go func() {
		_, _, err := s.do((*Engine).Up)
		running <- err
	}()
	for s.Value(t, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted") == "0" {
	}
	_, report := s.must((*Engine).Reset)
	if err := <-running; err != nil || !strings.Contains(report, "held by pid") {
		t.Errorf("%v\n%s", err, report)
	}
}
