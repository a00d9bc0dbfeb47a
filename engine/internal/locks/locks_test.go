package locks

import (
	"fmt"
	"strings"
	"testing"
)

// What runs in a transaction is held against a real server, in the package run.
func TestStatementsThatNoTransactionCanMeasure(t *testing.T) {
	for text, want := range map[string]string{
		"CREATE INDEX CONCURRENTLY i ON a (b)":                            "a SHARE UPDATE EXCLUSIVE",
		"create unique index concurrently if not exists i on only s.a(b)": "s.a SHARE UPDATE EXCLUSIVE",
		"DROP INDEX CONCURRENTLY IF EXISTS i":                             "the table of i SHARE UPDATE EXCLUSIVE",
		"REINDEX INDEX CONCURRENTLY i":                                    "the table of i SHARE UPDATE EXCLUSIVE",
		"REINDEX (VERBOSE) TABLE CONCURRENTLY a":                          "a SHARE UPDATE EXCLUSIVE",
		"ALTER TABLE p DETACH PARTITION q CONCURRENTLY":                   "p SHARE UPDATE EXCLUSIVE, q ACCESS EXCLUSIVE",
		"VACUUM a":                  "a SHARE UPDATE EXCLUSIVE",
		"VACUUM (ANALYZE) a":        "a SHARE UPDATE EXCLUSIVE",
		"VACUUM FULL a":             "a ACCESS EXCLUSIVE",
		"VACUUM (FULL, ANALYZE) a":  "a ACCESS EXCLUSIVE",
		"CALL move()":               "? it runs code",
		"REINDEX DATABASE x":        "? it locks every table with an index there",
		"SECURITY LABEL ON TABLE a": "? the statement is not among those",
		"ALTER TABLE ALL IN TABLESPACE x SET TABLESPACE y": "? it locks every relation",
		"DROP SCHEMA s CASCADE":                            "? CASCADE reaches objects",
		"COPY a (b) FROM STDIN":                            "a ROW EXCLUSIVE",
		`ALTER TABLE "A ""b" ADD x int`:                    `"A ""b" ACCESS EXCLUSIVE`,
		"":                                                 "",
	} {
		found := Expect(text, map[string]bool{})
		var words []string
		for _, lock := range found.Locks {
			words = append(words, lock.String())
		}
		got := strings.Join(words, ", ")
		if found.Unknown != "" {
			got += "? " + found.Unknown
		}
		if got != want && (!strings.HasPrefix(want, "?") || !strings.HasPrefix(got, want)) {
			t.Errorf("%s: %s, not %s", text, got, want)
		}
	}
}

func TestWhatAFileHasCreatedIsNobodyElses(t *testing.T) {
	created := map[string]bool{}
	for text, want := range map[string]int{"CREATE TABLE IF NOT EXISTS s.A (id int)": 0} {
		if found := Expect(text, created); len(found.Locks) != want {
			t.Error(text, found)
		}
	}
	if found := Expect(`ALTER TABLE "a" ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES b`, created); fmt.Sprint(found.Locks) != "[b SHARE ROW EXCLUSIVE]" {
		t.Error(found)
	}
}

func TestStrength(t *testing.T) {
	for position, mode := range byStrength {
		if mode.Blocks() == "" || position > 0 && !mode.StrongerThan(byStrength[position-1]) || mode.StrongerThan(mode) || !mode.StrongerThan("") {
			t.Error(mode)
		}
	}
}
