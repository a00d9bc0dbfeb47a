package runlock

import (
	"context"
	"strings"
	"testing"
)

// The key is an interface: two releases of the engine that disagree about it do not lock each other out.
func TestTheKeyNeverChanges(t *testing.T) {
	if key := (Advisory{Database: "avion_auth_db", Table: "goose_db_version"}).Key(); key != -5510978309671995125 {
		t.Errorf("%d", key)
	}
}

func TestEachDatabaseAndTableHasAKeyOfItsOwn(t *testing.T) {
	seen := map[int64]bool{}
	for _, database := range []string{"avion_auth_db", "avion_user_db"} {
		for _, table := range []string{"goose_db_version", "audit.versions"} {
			seen[Advisory{Database: database, Table: table}.Key()] = true
		}
	}
	if len(seen) != 4 {
		t.Error(seen)
	}
}

func TestALockThatAFileLetsGoOfIsNoLock(t *testing.T) {
	_, session, database := leased(t)
	session.SetMaxOpenConns(1)
	ctx := context.Background()
	advisory := Advisory{Database: database.Name, Table: "goose_db_version", Say: t.Logf}
	guarded := func() error {
		_, err := session.Exec(advisory.Guard())
		return err
	}
	if err := guarded(); err == nil || !strings.Contains(err.Error(), "pg_advisory_unlock_all") {
		t.Error("before it is taken:", err)
	}
	for _, statement := range []string{"SELECT pg_advisory_unlock_all()", "DISCARD ALL"} {
		if err := advisory.Acquire(ctx, session); err != nil {
			t.Fatal(err)
		}
		if err := guarded(); err != nil {
			t.Error(err)
		}
		if _, err := session.Exec(statement); err != nil {
			t.Fatal(err)
		}
		if err := guarded(); err == nil {
			t.Errorf("after %s", statement)
		}
	}
}
