package migration

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

func folderOf(t *testing.T, files map[string]string) Directory {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	directory, err := ReadDirectory(folder, Rules{Naming: Sequence})
	if err != nil {
		t.Fatal(err)
	}
	return directory
}

func sumsOf(files map[string]string) map[string]string {
	contents := map[string][]byte{}
	for name, content := range files {
		contents[name] = []byte(content)
	}
	return ChecksumsOf(contents)
}

func with(files map[string]string, more ...string) map[string]string {
	result := maps.Clone(files)
	for i := 0; i < len(more); i += 2 {
		result[more[i]] = more[i+1]
		if more[i+1] == "" {
			delete(result, more[i])
		}
	}
	return result
}

func TestTheBaseBranchIsHeldAgainst(t *testing.T) {
	fork := map[string]string{"00001_a.sql": "one\n", "00003_c.sql": "three\n", "README.md": "not one"}
	tip := with(fork, "00204_theirs.sql", "four\n")
	for name, test := range map[string]struct {
		tip, here  map[string]string
		outOfOrder bool
		want       []string
	}{
		"the same":                        {tip: fork, here: fork},
		"behind":                          {tip: tip, here: fork},
		"a gap":                           {tip: fork, here: with(fork, "00100_new.sql", "new")},
		"above the newest":                {tip: tip, here: with(fork, "00205_new.sql", "new")},
		"merged":                          {tip: tip, here: tip},
		"other line endings":              {tip: fork, here: with(fork, "00001_a.sql", "one\r\n")},
		"edited":                          {tip: fork, here: with(fork, "00001_a.sql", "ONE\n"), want: []string{"00001_a.sql is not what it is in main"}},
		"edited on both":                  {tip: tip, here: with(fork, "00204_theirs.sql", "mine"), want: []string{"00204_theirs.sql is not what it is in main"}},
		"edited in the base only":         {tip: with(tip, "00001_a.sql", "ONE\n"), here: fork},
		"deleted":                         {tip: fork, here: with(fork, "00001_a.sql", ""), want: []string{"00001_a.sql was deleted"}},
		"deleted, though the base has it": {tip: tip, here: with(tip, "00003_c.sql", ""), want: []string{"00003_c.sql was deleted"}},
		"renamed":                         {tip: fork, here: with(fork, "00001_a.sql", "", "00001_b.sql", "ONE\n"), want: []string{"00001_a.sql was renamed to 00001_b.sql"}},
		"renumbered":                      {tip: fork, here: with(fork, "00001_a.sql", "", "00002_a.sql", "one\n"), want: []string{"00001_a.sql was renamed to 00002_a.sql"}},
		"renumbered above":                {tip: fork, here: with(fork, "00001_a.sql", "", "00009_a.sql", "one\n"), want: []string{"00001_a.sql was renamed to 00009_a.sql"}},
		"too low": {tip: fork, here: with(fork, "00002_new.sql", "new"),
			want: []string{"00002_new.sql is new, and its number is not above that of 00003_c.sql, the newest in main: rename it to 00004_new.sql, or write out_of_order: allow"}},
		"too low since the base went on": {tip: tip, here: with(fork, "00004_new.sql", "new", "00105_more.sql", "more", "00300_high.sql", "high"),
			want: []string{"rename it to 00301_new.sql", "rename it to 00302_more.sql"}},
		"the same number":         {tip: tip, here: with(fork, "00204_mine.sql", "mine"), want: []string{"rename it to 00205_mine.sql"}},
		"too low, and allowed":    {tip: fork, here: with(fork, "00002_new.sql", "new"), outOfOrder: true},
		"edited, and low allowed": {tip: fork, here: with(fork, "00001_a.sql", "x", "00002_new.sql", "new"), outOfOrder: true, want: []string{"00001_a.sql is not"}},
		"all at once": {tip: fork, here: map[string]string{"00002_new.sql": "new", "00003_c.sql": "x"},
			want: []string{"00001_a.sql was deleted", "00003_c.sql is not", "00002_new.sql is new"}},
		"an empty base": {tip: map[string]string{}, here: with(fork), want: nil},
	} {
		t.Run(name, func(t *testing.T) {
			base := Base{Name: "main", Fork: sumsOf(fork), Tip: sumsOf(test.tip)}
			if len(test.tip) == 0 {
				base.Fork = nil
			}
			problems, err := folderOf(t, test.here).CompareWithBase(base, test.outOfOrder)
			if err != nil || len(problems) != len(test.want) {
				t.Fatal(problems, err)
			}
			for position, want := range test.want {
				if failure.CodeOf(problems[position]) != failure.CodeHistoryMismatch || !strings.Contains(problems[position].Error(), want) {
					t.Errorf("%v, not %s", problems[position], want)
				}
			}
		})
	}
}
