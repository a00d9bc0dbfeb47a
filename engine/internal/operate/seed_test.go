package operate

import (
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

func TestSeedsHaveAHistoryOfTheirOwn(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.Must((*Engine).Up)
	s.Must((*Engine).Seed)
	s.Write("migrations/00002_b.sql", createB)
	s.Must((*Engine).Up)
	s.ExpectVersions("0 1 2")
	if got := s.Versions("goose_seed_version"); got != "0 1" {
		t.Error(got)
	}
}

func TestSeedsRunEveryTimeAndAreRecordedOnce(t *testing.T) {
	s := newService(t, map[string]string{
		"migrations/00001_a.sql":         createA,
		"migrations-seed/00001_data.sql": "-- +goose Up\nINSERT INTO a VALUES (1);\n",
	})
	s.Must((*Engine).Up)
	s.Must((*Engine).Seed)
	s.Must((*Engine).Seed)
	if got := s.Value(t, "SELECT count(*) FROM a"); got != "2" {
		t.Errorf("the seed ran %s times", got)
	}
	s.Must((*Engine).Down)
	s.Must((*Engine).Up)
	s.Must((*Engine).Seed)
	if got := s.Value(t, "SELECT count(*) FROM a"); got != "1" {
		t.Errorf("after the schema was rebuilt the seed ran %s times", got)
	}
	if got := s.Versions("goose_seed_version"); got != "0 1" {
		t.Error(got)
	}
}

func TestSeedsStayOutOfStagingAndProduction(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA, "migrations-seed/00001_data.sql": seedA})
	s.Must((*Engine).Up)
	for _, environment := range []string{"staging", "stg", "production", "Production", "PROD", "live"} {
		t.Setenv("ENVIRONMENT", environment)
		s.Refuses((*Engine).Seed, failure.CodeRefused)
	}
	if s.Value(t, "SELECT count(*) FROM a") != "0" || s.HasTable("goose_seed_version") {
		t.Error("something was loaded")
	}
}

func TestAServiceWithoutSeedsHasNothingToSeed(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	if _, report := s.Must((*Engine).Seed); !strings.Contains(report, "nothing to seed") {
		t.Error(report)
	}
	s.Write("migrations-seed/.gitkeep", "")
	if _, report := s.Must((*Engine).Seed); !strings.Contains(report, "nothing to seed") {
		t.Error(report)
	}
}
