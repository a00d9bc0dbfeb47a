package history

import (
	"fmt"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

// folder makes files from "00001_a=content"; the checksum of a content is the content itself.
func folder(descriptions ...string) Files {
	files := Files{Directory: migration.Directory{Path: "migrations"}, Checksums: map[string]string{}}
	for _, description := range descriptions {
		name, content, _ := strings.Cut(description, "=")
		var version int64
		if _, err := fmt.Sscanf(name, "%d_", &version); err != nil {
			panic(err)
		}
		files.Migrations = append(files.Migrations, migration.Migration{Version: version, File: name})
		files.Checksums[name] = content
	}
	return files
}

// applied makes a history from the same descriptions; without a name another tool applied the version.
func applied(descriptions ...string) History {
	known := History{Exists: true}
	for _, description := range descriptions {
		name, content, _ := strings.Cut(description, "=")
		var version int64
		if _, err := fmt.Sscanf(name, "%d", &version); err != nil {
			panic(err)
		}
		record := Record{Version: version}
		if content != "" {
			record.File, record.Checksum = name, content
		}
		known.Records = append(known.Records, record)
	}
	return known
}

func states(comparison Comparison) string {
	var all []string
	for _, entry := range comparison.Entries {
		all = append(all, fmt.Sprintf("%d %s", entry.Version, entry.State))
	}
	return strings.Join(all, ", ")
}

func TestEachWayToLeaveTheHistoryHasAStateAndASentence(t *testing.T) {
	for name, c := range map[string]struct {
		files  Files
		known  History
		states string
		words  []string
	}{
		"nothing is wrong":          {folder("1_a=A", "2_b=B"), applied("1_a=A"), "1 applied, 2 pending", nil},
		"a gap":                     {folder("1_a=A", "200_b=B"), applied("1_a=A", "200_b=B"), "1 applied, 200 applied", nil},
		"applied by another tool":   {folder("1_a=A"), applied("1"), "1 applied", nil},
		"edited":                    {folder("1_a=X", "2_b=B"), applied("1_a=A", "2_b=B"), "1 edited, 2 applied", []string{"edited after it was applied: 1_a:", "migrate repair"}},
		"renamed":                   {folder("1_z=A"), applied("1_a=A"), "1 renamed", []string{"renamed after it was applied: 1_z (applied as 1_a):", "migrate repair"}},
		"edited and renamed":        {folder("1_z=X"), applied("1_a=A"), "1 edited", []string{"1_z (applied as 1_a)"}},
		"two contents swapped":      {folder("1_a=B", "2_b=A"), applied("1_a=A", "2_b=B"), "1 edited, 2 edited", []string{"1_a, 2_b"}},
		"another number, later":     {folder("3_a=A"), applied("1_a=A"), "1 moved, 3 pending", []string{"applied as 1_a now stands in 3_a"}},
		"another number, earlier":   {folder("1_a=A"), applied("2_a=A"), "1 out of order, 2 moved", []string{"applied as 2_a now stands in 1_a"}},
		"deleted":                   {folder("2_b=B"), applied("1_a=A", "2_b=B"), "1 missing, 2 applied", []string{"without a file in migrations: version 00001 (applied as 1_a)"}},
		"deleted, unrecorded":       {folder("2_b=B"), applied("1", "2"), "1 missing, 2 applied", []string{"version 00001:"}},
		"a newer release":           {folder("1_a=A"), applied("1_a=A", "2_b=B"), "1 applied, 2 newer", []string{"newer than this release", "00002 (applied as 2_b)", "highest file is 1_a"}},
		"newer than an empty one":   {folder(), applied("1_a=A"), "1 newer", []string{"the folder is empty"}},
		"late":                      {folder("1_a=A", "2_b=B", "3_c=C"), applied("1_a=A", "3_c=C"), "1 applied, 2 out of order, 3 applied", []string{"2_b", "00004 or higher", "out_of_order: allow"}},
		"a twin of the applied one": {folder("1_a=X", "1_b=B"), applied("1_b=B"), "1 duplicate, 1 applied", nil},
	} {
		t.Run(name, func(t *testing.T) {
			comparison := Compare(c.files, c.known, Rules{Table: "goose_db_version"})
			if got := states(comparison); got != c.states {
				t.Errorf("%s", got)
			}
			err := comparison.Check()
			if (err == nil) != (c.words == nil) {
				t.Fatal(err)
			}
			for _, word := range c.words {
				if !strings.Contains(err.Error(), word) || failure.CodeOf(err) != failure.CodeHistoryMismatch {
					t.Errorf("%q does not say %q", err, word)
				}
			}
		})
	}
}

func TestALateFileIsPendingWhereThatIsAllowed(t *testing.T) {
	comparison := Compare(folder("1_a=A", "2_b=B", "3_c=C"), applied("1_a=A", "3_c=C"), Rules{OutOfOrder: true})
	if got := states(comparison); got != "1 applied, 2 pending, 3 applied" || comparison.Check() != nil {
		t.Error(got, comparison.Check())
	}
}

func TestTheOrderIsTheOneOfTheHistory(t *testing.T) {
	comparison := Compare(folder("1_a=A", "2_b=B", "3_c=C"), applied("1_a=A", "3_c=C", "2_b=B"), Rules{})
	var order []int
	for _, entry := range comparison.Entries {
		order = append(order, entry.Order)
	}
	if fmt.Sprint(order) != "[1 3 2]" {
		t.Error(order)
	}
}

func TestAllThatIsWrongIsTold(t *testing.T) {
	comparison := Compare(folder("1_a=X", "2_z=B", "4_d=D", "9_c=C"), applied("1_a=A", "2_b=B", "3_c=C", "5_e=E", "10_f=F"), Rules{})
	if problems := comparison.Problems(); len(problems) != 6 {
		t.Error(problems)
	}
}

func TestAcceptingOneFileLeavesTheOthers(t *testing.T) {
	comparison := Compare(folder("1_a=X", "2_b=X"), applied("1_a=A", "2_b=B"), Rules{})
	if got := states(comparison.Accepting(2)); got != "1 edited, 2 applied" || states(comparison) != "1 edited, 2 edited" {
		t.Error(got)
	}
}
