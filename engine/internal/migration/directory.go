// Package migration knows the files: how they are named, what is in them, and what is wrong with them. It never opens a
// connection, and parses no more SQL than goose does.
//
// May import: failure, sqltext.
package migration

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// Migration is one file.
type Migration struct {
	Version int64
	File    string
}

// Directory is a folder of migrations, in the order of their versions.
type Directory struct {
	Path       string
	Migrations []Migration
	// Misnamed are the files that nobody could tell a version or a place in the order from.
	Misnamed []string
	contents *contents
	rules    Rules
}

// Rules are what a folder's files have to keep.
type Rules struct {
	// Naming is what they may be called.
	Naming Naming `yaml:"naming"`
	// CheckFrom is the first version whose name, rollback and safety are judged; zero judges all.
	CheckFrom int64 `yaml:"-"`
}

// Naming is how a folder's files are numbered.
type Naming string

// The namings: the organisation's, and whatever goose takes, for a history that began under other rules.
const (
	Sequence Naming = "sequence"
	AsGoose  Naming = "goose"
)

// NameRule is what the name of a file must look like, in words.
const NameRule = "five digits, _, a name in lower-case snake_case, .sql (as in 00002_add_users.sql)"

var gooseName = regexp.MustCompile(`^(\d+)_(?:.*\S)?\.(?:sql|go)$`)

var fileName = regexp.MustCompile(`^(\d{5})_[a-z0-9]+(_[a-z0-9]+)*\.sql$`)

// ReadDirectory lists a folder. Only what goose would take for a migration counts: .gitkeep, notes and sub-folders
// are left alone.
func ReadDirectory(path string, rules Rules) (Directory, error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Directory{}, failure.Refused("the folder %s is not there: create it, or correct dir in .goose.yml", path)
	}
	if err != nil {
		return Directory{}, failure.Refused("the folder %s cannot be read: correct dir in .goose.yml, or its permissions", path)
	}
	directory := Directory{Path: path, rules: rules, contents: newContents()}
	for _, entry := range entries {
		extension := strings.ToLower(filepath.Ext(entry.Name()))
		if extension != ".sql" && (extension != ".go" || entry.IsDir() || !isGoMigration(entry.Name())) {
			continue
		}
		version, ok := rules.parse(entry.Name())
		if !ok || entry.IsDir() {
			directory.Misnamed = append(directory.Misnamed, entry.Name())
			continue
		}
		directory.Migrations = append(directory.Migrations, Migration{Version: version, File: entry.Name()})
	}
	// By name, 10_b.sql would come before 9_a.sql.
	slices.SortStableFunc(directory.Migrations, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	return directory, nil
}

// isGoMigration tells a migration from the Go file that embeds the folder, which goose leaves alone too.
func isGoMigration(name string) bool {
	return gooseName.MatchString(strings.ToLower(name)) && !strings.HasSuffix(strings.ToLower(name), "_test.go")
}

func (r Rules) parse(name string) (int64, bool) {
	version, ok := parseName(name)
	if r.Naming != AsGoose && !fileName.MatchString(name) && version >= r.CheckFrom || strings.HasSuffix(name, ".go") {
		return 0, false
	}
	return version, ok
}

// Judged tells that a migration has to keep the rules. What was there before the service took them over only has to run.
func (d Directory) Judged(m Migration) bool { return m.Version >= d.rules.CheckFrom }

// Unjudged counts the migrations that do not have to: they come before all others.
func (d Directory) Unjudged() int {
	if position := slices.IndexFunc(d.Migrations, d.Judged); position >= 0 {
		return position
	}
	return len(d.Migrations)
}

// LastUnjudged is the last version whose rollback nobody judges, 0 if all are judged.
func (d Directory) LastUnjudged() int64 {
	if d.Unjudged() == 0 {
		return 0
	}
	return d.Migrations[d.Unjudged()-1].Version
}

// parseName reads the version of any name that goose takes.
func parseName(name string) (int64, bool) {
	parts := gooseName.FindStringSubmatch(name)
	if parts == nil {
		return 0, false
	}
	version, err := strconv.ParseInt(parts[1], 10, 64)
	return version, err == nil && version > 0
}

// Problems are the reasons why the folder has no order that a run could follow.
func (d Directory) Problems() []error {
	var problems []error
	for _, name := range d.Misnamed {
		file := filepath.Join(d.Path, name)
		problems = append(problems, failure.At(file, 1, d.sayMisnamed(file)))
	}
	for position := 1; position < len(d.Migrations); position++ {
		earlier, later := d.Migrations[position-1], d.Migrations[position]
		if earlier.Version == later.Version {
			problems = append(problems, failure.At(filepath.Join(d.Path, later.File), 1, failure.HistoryMismatch("%s and %s in %s have the same version: "+
				"give the one that is applied nowhere the next free number", earlier.File, later.File, d.Path)))
		}
	}
	return problems
}

func (d Directory) sayMisnamed(file string) error {
	_, numbered := parseName(filepath.Base(file))
	switch {
	case strings.HasSuffix(file, ".go"):
		return failure.Refused("%s is a migration in Go, and the engine runs SQL only: replace it with an SQL file of the same version "+
			"that has the same effect, and move it out of the folder", file)
	case numbered && d.rules.Naming != AsGoose:
		return failure.Refused("%s is not a migration's name: use %s, numbered from 00001: rename it; if databases have applied it already, "+
			"keep its name and write naming: goose into .goose.yml", file, NameRule)
	case d.rules.Naming == AsGoose:
		return failure.Refused("%s is not a migration's name: goose wants a number, _, a name, .sql: rename it, or move it out of the folder", file)
	default:
		return failure.Refused("%s is not a migration's name: use %s, numbered from 00001: "+
			"rename it, or move it out of the folder", file, NameRule)
	}
}

// Check returns the gravest of the problems.
func (d Directory) Check() error {
	return Gravest(d.Problems())
}

// Find returns the migration of a version.
func (d Directory) Find(version int64) (Migration, bool) {
	position := slices.IndexFunc(d.Migrations, func(m Migration) bool { return m.Version == version })
	if position < 0 {
		return Migration{}, false
	}
	return d.Migrations[position], true
}

// Last returns the highest version, 0 for an empty folder.
func (d Directory) Last() int64 {
	if len(d.Migrations) == 0 {
		return 0
	}
	return d.Migrations[len(d.Migrations)-1].Version
}

// Script reads a migration.
func (d Directory) Script(m Migration) (Script, error) {
	content, _, err := d.read(m.File)
	if err != nil {
		return Script{}, err
	}
	file := filepath.Join(d.Path, m.File)
	if err := checkText(file, content); err != nil {
		return Script{}, err
	}
	script, err := ParseScript(string(content))
	var malformed malformedLine
	switch {
	case errors.As(err, &malformed):
		return Script{}, failure.At(file, malformed.line, failure.Refused("%s %w", file, err))
	case err != nil:
		return Script{}, failure.Refused("%s %w", file, err)
	}
	return script, nil
}

// FormatVersion writes a version the way the files do.
func FormatVersion(version int64) string { return fmt.Sprintf("%05d", version) }

// Gravest is the problem that decides the exit code: the one whose code says most about what is wrong.
func Gravest(problems []error) error {
	if len(problems) == 0 {
		return nil
	}
	return slices.MaxFunc(problems, func(a, b error) int { return int(failure.CodeOf(a) - failure.CodeOf(b)) })
}
