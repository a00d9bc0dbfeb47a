package maintenance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
)

func read(t *testing.T, content string) (Job, error) {
	t.Helper()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, Jobs.Folder), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, Jobs.Folder, "job.sql"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return Read(folder, "job")
}

func TestAJobThatDeletesNeedsNoStatementWhereItRetains(t *testing.T) {
	job, err := read(t, "-- Why.\n-- maintenance: kind=delete table=sessions key=expires_at,id retain=7d batch=100ms load=25% max_time=5m max_rows=1000\n")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	if job.Before(now) != now.AddDate(0, 0, -7) || job.Retention() != "7d" || job.Budget.Time != 5*time.Minute || job.Budget.Rows != 1000 {
		t.Errorf("%+v", job)
	}
	if !strings.HasSuffix(job.Rows.Statement, "DELETE FROM sessions WHERE (expires_at, id) >= ($1, $2) AND (expires_at, id) <= ($3, $4)") {
		t.Error(job.Rows.Statement)
	}
	if job.Rows.Pace.Batch != 100*time.Millisecond || job.Rows.Pace.Load != 25 {
		t.Errorf("%+v", job.Rows.Pace)
	}
}

func TestAStatementMayDecideAlone(t *testing.T) {
	job, err := read(t, "-- maintenance: kind=delete table=sessions key=id\nDELETE FROM sessions WHERE id BETWEEN $1 AND $2 AND revoked;\n")
	if err != nil || !job.Before(time.Now()).IsZero() || job.Budget.Time != defaultTime {
		t.Error(job, err)
	}
}

func TestAJobIsRefusedInOneSentence(t *testing.T) {
	const (
		rows       = "-- maintenance: kind=delete table=sessions key=expires_at,id"
		partitions = "-- maintenance: kind=partitions table=audit_logs column=created_at every=month ahead=3 retain=400d"
	)
	for content, words := range map[string]string{
		"DELETE FROM sessions;\n":                                   "0 lines '-- maintenance: …'",
		rows + "\n" + rows + "\n":                                   "2 lines '-- maintenance: …'",
		"-- maintenance: table=sessions\n":                          "kind=delete or kind=partitions",
		"-- maintenance: kind=truncate\n":                           "says kind=truncate",
		rows + "\n":                                                 "nothing says which rows to delete",
		rows + " retain=1d retain=2d\n":                             "says retain twice",
		rows + " retain=1m\n":                                       "in days or hours",
		rows + " retain=-1d\n":                                      "in days or hours",
		rows + " retain=99999d\n":                                   "at most 36500d",
		rows + " retain=1d every=month\n":                           "with kind=delete it knows",
		rows + " retain=1d max_time=0s\n":                           "from 1s to 24h",
		rows + " retain=1d max_time=30\n":                           "from 1s to 24h",
		rows + " retain=1d max_rows=0\n":                            "a number of rows",
		rows + " retain=1d load=0%\n":                               "a load is 1% to 100%",
		rows + " retain=1d\nDROP TABLE x;\n":                        "one DELETE or UPDATE",
		rows + "\nDELETE FROM sessions WHERE id = 1;\n":             "does not use $1",
		"-- maintenance: kind=delete retain=1d\n":                   "needs a table and its key",
		partitions + "\nDELETE FROM audit_logs;\n":                  "takes no statement",
		"-- maintenance: kind=partitions table=audit_logs\n":        "needs all of table, column, every, ahead and retain",
		partitions + " key=id\n":                                    "with kind=partitions it knows",
		partitions + " holds=a;b\n":                                 "a table is written as",
		strings.Replace(partitions, "month", "quarter", 1) + "\n":   "day, week, month or year",
		strings.Replace(partitions, "ahead=3", "ahead=0", 1) + "\n": "a number from 1 to 100",
		strings.Replace(partitions, "created_at", "a b", 1) + "\n":  "it knows table, column",
		strings.Replace(partitions, "created_at", "1", 1) + "\n":    "a column is written as",
	} {
		_, err := read(t, content)
		if failure.CodeOf(err) != failure.CodeRefused || err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestPeriodsFollowTheCalendar(t *testing.T) {
	moment := time.Date(2026, 12, 31, 23, 59, 59, 0, time.FixedZone("", -9*3600)) // 1 January in UTC
	for period, want := range map[Period][3]string{
		Day: {"2027-01-01", "2027-01-02", "2027_01_01"}, Week: {"2026-12-28", "2027-01-04", "2026_12_28"},
		Month: {"2027-01-01", "2027-02-01", "2027_01"}, Year: {"2027-01-01", "2028-01-01", "2027"},
	} {
		start := period.start(moment)
		got := [3]string{start.Format(time.DateOnly), period.next(start).Format(time.DateOnly), period.suffix(start)}
		if got != want {
			t.Errorf("%s: %v, not %v", period, got, want)
		}
	}
}

func TestAGapBetweenPartitionsIsNotCovered(t *testing.T) {
	day := func(number int) *time.Time {
		moment := time.Date(2026, 1, number, 0, 0, 0, 0, time.UTC)
		return &moment
	}
	for name, each := range map[string]struct {
		all  []partition
		want bool
	}{
		"none":         {nil, false},
		"one":          {[]partition{{lower: day(1), upper: day(31)}}, true},
		"two":          {[]partition{{lower: day(15), upper: day(31)}, {lower: day(1), upper: day(15)}}, true},
		"a gap":        {[]partition{{lower: day(1), upper: day(14)}, {lower: day(15), upper: day(31)}}, false},
		"no end":       {[]partition{{lower: day(1)}}, true},
		"no beginning": {[]partition{{upper: day(31)}}, true},
		"default":      {[]partition{{isDefault: true}}, false},
		"half gone":    {[]partition{{lower: day(1), upper: day(31), pending: true}}, false},
	} {
		if covered(each.all, *day(1), *day(31)) != each.want {
			t.Error(name)
		}
	}
}
