package lock

import "testing"

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
