package develop

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/operate"
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
	s.Must((*Engine).Up)
	before := s.Value(t, "SELECT oid FROM pg_database WHERE datname = '"+s.Name+"'")
	t.Setenv("CONFIRM", s.Name)
	_, report := s.Must((*Engine).Reset)
	for _, want := range []string{"dropped " + s.Name, "created " + s.Name, "ok 00001_a.sql"} {
		if !strings.Contains(report, want) {
			t.Errorf("%q is not in %s", want, report)
		}
	}
	if s.Value(t, "SELECT oid FROM pg_database WHERE datname = '"+s.Name+"'") == before {
		t.Error("the database is still the old one")
	}
	s.Must((*Engine).Up)
}

func TestResetKeepsOwnerEncodingAndLocale(t *testing.T) {
	s := newServiceToReset(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Execute(t, "DROP DATABASE "+s.Name)
	s.Execute(t, "CREATE DATABASE "+s.Name+" OWNER "+s.User+" TEMPLATE template0 ENCODING 'SQL_ASCII' LC_COLLATE 'POSIX' LC_CTYPE 'POSIX'")
	const facts = "SELECT concat_ws(' ', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider) FROM pg_database WHERE datname = "
	before := s.Value(t, facts+"'"+s.Name+"'")
	t.Setenv("CONFIRM", s.Name)
	s.Must((*Engine).Reset)
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
	s.Must((*Engine).Reset)
	if after := s.Value(t, facts+"'"+s.Name+"'"); after != "i ja-JP" {
		t.Error(after)
	}
}

func TestResetCreatesADatabaseThatIsNotThere(t *testing.T) {
	s := newServiceToReset(t, map[string]string{"migrations/00001_a.sql": createA})
	s.Execute(t, "DROP DATABASE "+s.Name)
	t.Setenv("CONFIRM", s.Name)
	s.Must((*Engine).Reset)
	s.Must((*Engine).Up)
}

func TestNothingIsDroppedUnlessEverythingIsRight(t *testing.T) {
	for name, spoil := range map[string]func(service){
		"no confirmation":   func(s service) { s.T.Setenv("CONFIRM", "") },
		"the wrong name":    func(s service) { s.T.Setenv("CONFIRM", "y") },
		"another case":      func(s service) { s.T.Setenv("CONFIRM", strings.ToUpper(s.Name)) },
		"staging":           func(s service) { s.T.Setenv("ENVIRONMENT", "staging") },
		"production":        func(s service) { s.T.Setenv("ENVIRONMENT", "production") },
		"an unknown place":  func(s service) { s.T.Setenv("ENVIRONMENT", "qa") },
		"confirmed in .env": func(s service) { s.T.Setenv("CONFIRM", ""); s.Write(".env", "CONFIRM="+s.Name) },
		"no right":          func(s service) { s.Execute(s.T, "ALTER ROLE "+s.User+" NOCREATEDB") },
		"not the owner":     func(s service) { s.Execute(s.T, "ALTER DATABASE "+s.Name+" OWNER TO CURRENT_USER") },
		"a broken file":     func(s service) { s.Write("migrations/00002_b.sql", "-- +goose Up\nSELECT 1\n") },
		"no migration":      func(s service) { s.Remove("migrations/00001_a.sql") },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServiceToReset(t, map[string]string{"migrations/00001_a.sql": createA})
			t.Setenv("CONFIRM", s.Name)
			before := s.Value(t, "SELECT oid FROM pg_database WHERE datname = '"+s.Name+"'")
			spoil(s)
			s.Refuses((*Engine).Reset, failure.CodeRefused)
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
		_, _, err := s.Do((*Engine).Up)
		running <- err
	}()
	for s.Value(t, "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database WHERE datname = '"+s.Name+"' AND locktype = 'advisory' AND granted") == "0" {
		select {
		case err := <-running:
			t.Fatalf("it ended before it was seen: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	_, report := s.Must((*Engine).Reset)
	if err := <-running; err != nil || !strings.Contains(report, "held by pid") {
		t.Errorf("%v\n%s", err, report)
	}
}

// Whoever has a lock on the database, here with its comment, may let it go soon: the caller is told to come again.
func TestResetOfADatabaseThatSomebodyLockedMayBeTriedAgain(t *testing.T) {
	s := newServiceToReset(t, map[string]string{"migrations/00001_a.sql": createA})
	t.Setenv("CONFIRM", s.Name)
	s.Execute(t, "BEGIN")
	s.Execute(t, "COMMENT ON DATABASE "+s.Name+" IS 'being described'")
	_, _, err := s.Do((*Engine).Reset)
	s.Execute(t, "ROLLBACK")
	if failure.CodeOf(err) != failure.CodeLocked || !strings.Contains(err.Error(), s.Name+" could not be dropped while another session works with it") {
		t.Errorf("%d: %v", failure.CodeOf(err), err)
	}
	s.Must((*Engine).Up)
}

func TestTheStricterOfMarkAndEnvironmentWins(t *testing.T) {
	s := newServiceToReset(t, map[string]string{
		"migrations/00001_a.sql": createA, "migrations/00002_b.sql": createB, "migrations-seed/00001_data.sql": seedA,
	})
	s.Must((*Engine).Up)
	home := s.Database
	for _, environment := range []string{"development", "test"} {
		t.Setenv("ENVIRONMENT", environment)
		for _, marked := range []string{"staging", "production"} {
			s.as(marked)
			t.Setenv("CONFIRM", "")
			s.Refuses((*Engine).Seed, failure.CodeRefused, "seed is not allowed in "+marked)
			t.Setenv("CONFIRM", home.Name)
			s.Refuses((*Engine).Reset, failure.CodeRefused, "reset is not allowed in "+marked)
			t.Setenv("CONFIRM", "")
			if marked == "production" {
				for _, operation := range []func(*Engine, context.Context) error{(*Engine).Down, (*Engine).Redo, to("1"), to("0")} {
					s.Refuses(operation, failure.CodeRefused, "in production loses data", "CONFIRM="+home.Name)
				}
			}
			_, report := s.Must(status(operate.StatusOptions{}))
			if !strings.Contains(report, "is marked as "+marked+", although ENVIRONMENT is "+environment) {
				t.Error(report)
			}
		}
	}
	t.Setenv("CONFIRM", home.Name)
	if _, report := s.Must((*Engine).Down); !strings.Contains(report, "consent: down in production") {
		t.Error(report)
	}
	s.as("development")
	s.Must((*Engine).Seed)
	s.Must((*Engine).Reset)
}

// as marks the database over the engine's own way in: the superuser's session is elsewhere.
func (s service) as(environment string) {
	s.T.Helper()
	_, _, err := s.Do(func(engine *Engine, ctx context.Context) error {
		session, err := engine.Open(ctx)
		if err != nil {
			return err
		}
		defer session.Close()
		_, err = session.ExecContext(ctx, "UPDATE goose_db_version_environment SET environment = $1", environment)
		return err
	})
	if err != nil {
		s.T.Fatal(err)
	}
}
