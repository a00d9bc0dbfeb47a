package operate

import (
	"fmt"
	"testing"
	"time"

	"avion.internal/migrate/internal/recipe"
)

// Month after month for more than two years, with the clock of the job set forward: a row of a coming month always finds
// its partition, what is too old is gone, and what is on hold stays.
func TestTheAuditLogRollsOverFromYearToYear(t *testing.T) {
	s := newService(t, map[string]string{"migrations/00001_a.sql": createA})
	stamp, err := recipe.Render(recipe.Request{Recipe: "audit_retention", Value: func(name string) string {
		return map[string]string{"RETAIN": "90d"}[name]
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.Write("migrations/00002_"+stamp.Name+".sql", stamp.Script)
	for _, file := range stamp.Files {
		s.Write("migrations/"+file.Path, file.Content)
	}
	s.Must((*Engine).Up)
	year, month, _ := time.Now().UTC().Date()
	first := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
	held := first.AddDate(0, 2, 14)
	onHold := fmt.Sprintf("date_trunc('month', occurred_at, 'UTC') = '%s'", first.AddDate(0, 2, 0).Format(time.RFC3339))
	s.Execute(t, fmt.Sprintf("INSERT INTO audit_log_holds (held, reason) VALUES (tstzrange('%[1]s', '%[1]s', '[]'), 'a case')", held.Format(time.RFC3339)))
	for months := range 27 {
		now := first.AddDate(0, months, 0)
		// The schedule is late by a day, in each month.
		for _, moment := range []time.Time{now, now.AddDate(0, 1, 0).Add(-time.Second), now.AddDate(0, 3, 0).Add(-time.Second)} {
			s.Execute(t, fmt.Sprintf("INSERT INTO audit_log (occurred_at, action) VALUES ('%s', 'a')", moment.Format(time.RFC3339)))
		}
		s.Must(maintainingAt("audit_log_partitions", now.AddDate(0, 0, 1).Format(time.DateOnly)))
		if s.Value(t, fmt.Sprintf("SELECT EXISTS (SELECT FROM audit_log WHERE %s)", onHold)) != "true" {
			t.Fatalf("the month that is on hold was dropped at %s", now)
		}
	}
	tooOld := first.AddDate(0, 25, 1).AddDate(0, 0, -90).Format(time.RFC3339)
	if left := s.Value(t, fmt.Sprintf("SELECT count(*) FROM audit_log WHERE occurred_at < '%s' AND NOT %s", tooOld, onHold)); left != "0" {
		t.Error(left, "rows are older than any month that is kept")
	}
	// Three that are not old enough, this one, three to come, and the one on hold.
	if all := s.Value(t, "SELECT count(*) FROM pg_inherits WHERE inhparent = 'audit_log'::regclass"); all != "8" {
		t.Error(all)
	}
}
