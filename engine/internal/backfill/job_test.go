package backfill

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
)

const update = "UPDATE accounts SET screen_name = user_name WHERE id BETWEEN $1 AND $2;\n"

func read(t *testing.T, name, content string) (Job, error) {
	t.Helper()
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, Jobs.Folder), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, Jobs.Folder, "screen_name.sql"), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return Read(folder, name)
}

func TestAJobSaysWhatItMovesAndHowFast(t *testing.T) {
	job, err := read(t, "screen_name", "-- Why.\n-- backfill: table=public.accounts key=id batch=500ms load=25% max_replica_lag=1m max_wal=8MB\n"+update)
	if err != nil {
		t.Fatal(err)
	}
	want := Pace{Batch: 500 * time.Millisecond, Load: 25, ReplicaLag: time.Minute, WAL: 8 << 20}
	if job.Table != "public.accounts" || len(job.Key) != 1 || job.Key[0] != "id" || job.Pace != want {
		t.Errorf("%+v", job)
	}
}

func TestOnlyTheStatementItselfCounts(t *testing.T) {
	header := "-- backfill: table=accounts key=id\n-- costs $5\n"
	if _, err := read(t, "screen_name", header+update); err != nil {
		t.Error(err)
	}
	if _, err := read(t, "screen_name", header+"-- id BETWEEN $1 AND $2\nUPDATE accounts SET screen_name = '$1 $2';\n"); err == nil {
		t.Error("a comment and a string passed for the ends of a batch")
	}
}

func TestLineEndingsAreNoEdit(t *testing.T) {
	content := "-- backfill: table=accounts key=id\n" + update
	unix, _ := read(t, "screen_name", content)
	windows, err := read(t, "screen_name", strings.ReplaceAll(content, "\n", "\r\n"))
	if err != nil || unix.Checksum != windows.Checksum || unix.Pace != defaultPace {
		t.Error(unix, windows, err)
	}
}

func TestAJobIsRefusedInOneSentence(t *testing.T) {
	header := "-- backfill: table=accounts key=id"
	for content, words := range map[string]string{
		update:                                                        "0 lines '-- backfill: …'",
		header + "\n" + header + "\n" + update:                        "2 lines '-- backfill: …'",
		"-- backfill:\n" + update:                                     "it needs a table and its key",
		"-- backfill: table=accounts\n" + update:                      "it needs a table and its key",
		"-- backfill: table=accounts;drop key=id\n" + update:          "a table is written as",
		"-- backfill: table=accounts key=id,\n" + update:              "a key is one column",
		header + " key=id\n" + update:                                 "says key twice",
		header + " speed=9\n" + update:                                "it knows table, key",
		header + " load=0%\n" + update:                                "a load is 1% to 100%",
		header + " load=50\n" + update:                                "a load is 1% to 100%",
		header + " batch=1ms\n" + update:                              "a time from 10ms to 10s",
		header + " batch=200\n" + update:                              "a time from 10ms to 10s",
		header + " max_replica_lag=never\n" + update:                  "a time from 1s to 1h",
		header + " max_wal=64\n" + update:                             "what the server may write per second",
		header + " max_wal=999999GB\n" + update:                       "at most 1024GB",
		header + "\nUPDATE accounts SET screen_name = user_name;\n":   "does not use $1: limit it to the rows of a batch with id BETWEEN $1 AND $2",
		header + "\n" + strings.Replace(update, "user_name", "$3", 1): "more parameters than the 2 ends",
		"-- backfill: table=follows key=a,b\n" + update:               "does not use $3: limit it to the rows of a batch with (a, b) >= ($1, $2) AND (a, b) <= ($3, $4)",
	} {
		_, err := read(t, "screen_name", content)
		if failure.CodeOf(err) != failure.CodeRefused || err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v", content, err)
		}
	}
	for name, words := range map[string]string{
		"": "lower-case snake_case", "../x": "lower-case snake_case", "screen_name.sql": "lower-case snake_case", "other": "there is no",
	} {
		if _, err := read(t, name, header+"\n"+update); failure.CodeOf(err) != failure.CodeRefused || !strings.Contains(err.Error(), words) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestABatchLastsAsLongAsItShall(t *testing.T) {
	pace := Pace{Batch: 200 * time.Millisecond, Load: 50}
	for _, each := range []struct {
		rows int
		took time.Duration
		want int
	}{
		{1000, 200 * time.Millisecond, 1000}, {1000, 100 * time.Millisecond, 2000}, {1000, time.Millisecond, 2000},
		{1000, 400 * time.Millisecond, 500}, {1000, time.Minute, 500}, {100, time.Minute, smallestBatch}, {largestBatch, 0, largestBatch},
	} {
		if got := pace.rowsFor(each.rows, each.took); got != each.want {
			t.Errorf("%d rows in %s: next %d, not %d", each.rows, each.took, got, each.want)
		}
	}
	for load, want := range map[int]time.Duration{100: 0, 50: time.Second, 25: 3 * time.Second} {
		if got := (Pace{Load: load}).rest(time.Second); got != want {
			t.Errorf("at %d%% it rests %s, not %s", load, got, want)
		}
	}
}

func TestAJobGivesWay(t *testing.T) {
	pace := Pace{ReplicaLag: 10 * time.Second, WAL: 1 << 20}
	at := time.Now()
	before := pressure{wal: 0, at: at}
	for name, each := range map[string]struct {
		before, now pressure
		waited      time.Duration
		words       string
		pause       time.Duration
	}{
		"quiet":                  {before, pressure{wal: 1 << 20, at: at.Add(time.Second)}, 0, "", 0},
		"first look":             {pressure{}, pressure{wal: 1 << 40, at: at}, 0, "", 0},
		"replica behind":         {before, pressure{lag: 11 * time.Second, at: at.Add(time.Second)}, time.Hour, "replica", lookEvery},
		"replica close":          {before, pressure{lag: 9 * time.Second, at: at.Add(time.Second)}, 0, "", 0},
		"vacuum":                 {before, pressure{vacuum: true, at: at.Add(time.Second)}, time.Minute, "vacuumed", lookEvery},
		"vacuum against wrap":    {before, pressure{vacuum: true, at: at.Add(time.Second)}, longestForVacuum, "", 0},
		"too much WAL":           {before, pressure{wal: 3 << 20, at: at.Add(time.Second)}, 0, "1 MB of WAL", 2 * time.Second},
		"far too much WAL":       {before, pressure{wal: 3 << 30, at: at.Add(time.Second)}, 0, "1 MB of WAL", 10 * lookEvery},
		"WAL counted from a new": {pressure{wal: 1 << 40, at: at}, pressure{wal: 1, at: at.Add(time.Second)}, 0, "", 0},
	} {
		words, pause := pace.reason(each.before, each.now, each.waited)
		if (words == "") != (each.words == "") || !strings.Contains(words, each.words) || pause != each.pause {
			t.Errorf("%s: %q, %s", name, words, pause)
		}
	}
}
