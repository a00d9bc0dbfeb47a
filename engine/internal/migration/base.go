package migration

import (
	"path/filepath"
	"slices"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// Base is the folder on the branch that work is merged to.
type Base struct {
	Name string
	// Fork and Tip are the files, with their checksums, where the work left the branch and as they are there now.
	Fork, Tip map[string]string
}

// ChecksumsOf are those of the migrations among files, by file.
func ChecksumsOf(files map[string][]byte) map[string]string {
	sums := map[string]string{}
	for name, content := range files {
		if _, ok := parseName(name); ok {
			sums[name] = Checksum(content)
		}
	}
	return sums
}

// CompareWithBase finds what databases that have the base branch's migrations would refuse: they keep the checksum of
// every applied file, and a number below an applied one comes too late for them.
func (d Directory) CompareWithBase(base Base, outOfOrder bool) ([]error, error) {
	here, err := d.Checksums()
	if err != nil {
		return nil, err
	}
	problems := d.changedSince(base, here)
	if outOfOrder {
		return problems, nil
	}
	newest, next := newestOf(base.Tip), d.Last()+1
	if newest.Version >= next {
		next = newest.Version + 1
	}
	for _, m := range d.Migrations {
		if m.Version > newest.Version || base.Has(m.File) || d.renamedFrom(base, here, m) != "" {
			continue
		}
		file := filepath.Join(d.Path, m.File)
		_, words, _ := strings.Cut(m.File, "_")
		problems = append(problems, failure.At(file, 1, failure.HistoryMismatch("%s is new, and its number is not above that of %s, the newest in %s: "+
			"rename it to %s, or write out_of_order: allow in .goose.yml",
			file, newest.File, base.Name, FormatVersion(next)+"_"+words)))
		next++
	}
	return problems, nil
}

// changedSince are the files that the work has edited, renamed or deleted.
func (d Directory) changedSince(base Base, here map[string]string) []error {
	var problems []error
	for _, name := range sortedNames(base.Fork, base.Tip) {
		file := filepath.Join(d.Path, name)
		now, exists := here[name]
		was, forked := base.Fork[name]
		if !forked {
			was = base.Tip[name]
		}
		switch renamed := d.renamedTo(base, here, name, was); {
		case exists && now == was, exists && now == base.Tip[name]:
		case exists:
			problems = append(problems, failure.At(file, 1, failure.HistoryMismatch("%s is not what it is in %s, where databases may have applied it: "+
				"bring it back (git checkout %s -- %s), and write the change as a new migration (make migrate-create)", file, base.Name, base.Name, file)))
		case !forked: // came to the base since the work left it
		case renamed != "":
			problems = append(problems, failure.At(filepath.Join(d.Path, renamed), 1, failure.HistoryMismatch("%s was renamed to %s, and in %s databases may have applied it: "+
				"give it its name back", file, renamed, base.Name)))
		default:
			problems = append(problems, failure.At(file, 1, failure.HistoryMismatch("%s was deleted, and in %s databases may have applied it: "+
				"bring it back (git checkout %s -- %s), and undo its change with a new migration (make migrate-create)", file, base.Name, base.Name, file)))
		}
	}
	return problems
}

// CheckJudged refuses rules under which nobody ever judges a file: those that the branch has not are new, wherever check_from
// stands. A branch without migrations has not adopted its own yet.
func (d Directory) CheckJudged(base Base) error {
	if len(base.Fork)+len(base.Tip) == 0 {
		return nil
	}
	for _, m := range d.Migrations {
		if !d.Judged(m) && !base.Has(m.File) {
			return failure.Refused(".goose.yml: check_from is %s, so that nobody judges %s, which %s does not have: write %s or a lower number",
				FormatVersion(d.rules.CheckFrom), m.File, base.Name, FormatVersion(m.Version))
		}
	}
	return nil
}

// Has tells that the branch has the file, now or where the work left it.
func (b Base) Has(file string) bool {
	_, forked := b.Fork[file]
	_, there := b.Tip[file]
	return forked || there
}

// renamedTo is the new file with the content, or the number, of one that is gone.
func (d Directory) renamedTo(base Base, here map[string]string, name, checksum string) string {
	version, _ := parseName(name)
	for _, m := range d.Migrations {
		if !base.Has(m.File) && (here[m.File] == checksum || m.Version == version) {
			return m.File
		}
	}
	return ""
}

// renamedFrom is the file of the base that a new one has taken the place of.
func (d Directory) renamedFrom(base Base, here map[string]string, m Migration) string {
	for name, checksum := range base.Fork {
		if _, exists := here[name]; !exists && d.renamedTo(base, here, name, checksum) == m.File {
			return name
		}
	}
	return ""
}

func newestOf(files map[string]string) Migration {
	newest := Migration{}
	for name := range files {
		if version, _ := parseName(name); version > newest.Version {
			newest = Migration{Version: version, File: name}
		}
	}
	return newest
}

func sortedNames(groups ...map[string]string) []string {
	var names []string
	for _, group := range groups {
		for name := range group {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
