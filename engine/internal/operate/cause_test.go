package operate

import (
	"errors"
	"testing"

	"github.com/jackc/pgerrcode"
	"github.com/pressly/goose/v3"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqlstate"
)

func TestAFailedMigrationKeepsWhatGooseAndTheServerSaid(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_fails.sql": "-- +goose Up\nSELECT 1/0;\n-- +goose Down\nSELECT 1;\n"})
	_, _, err := s.Do((*Engine).Up)
	var partial *goose.PartialError
	if !errors.As(err, &partial) || partial.Failed.Source.Version != 1 {
		t.Errorf("%v", partial)
	}
	if !sqlstate.Is(err, pgerrcode.DivisionByZero) || failure.CodeOf(err) != failure.CodeMigrationFailed {
		t.Errorf("%s: %v", sqlstate.Of(err), err)
	}
}

func TestARefusedLoginKeepsWhatTheServerSaid(t *testing.T) {
	s := newService(t, nil)
	t.Setenv("DB_PASSWORD", "wrong")
	_, _, err := s.Do((*Engine).Up)
	if !sqlstate.Is(err, pgerrcode.InvalidPassword) || failure.CodeOf(err) != failure.CodeUnreachable {
		t.Errorf("%s: %v", sqlstate.Of(err), err)
	}
}

func TestAServerThatTakesNoMoreChangesIsNoFailedMigration(t *testing.T) {
	for name, first := range map[string]string{"in a transaction": "", "statement by statement": "-- +goose NO TRANSACTION\n"} {
		t.Run(name, func(t *testing.T) {
			s := newService(t, map[string]string{"migrations/00001_a.sql": first + "-- +goose Up\n-- +goose StatementBegin\n" +
				"SELECT set_config('transaction_read_only', 'on', true); CREATE TABLE a ();\n-- +goose StatementEnd\n-- +goose Down\nDROP TABLE a;\n"})
			s.Refuses((*Engine).Up, failure.CodeUnreachable, "only answers questions now", "on the primary")
		})
	}
}
