// Package foreign reads the migrations of other tools and writes them as goose's. It changes none of theirs, and is for the
// developer's program only.
//
// May import: failure, migration, sqlparser, trace.
package foreign

import (
	"bytes"
	"cmp"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

// Tool is one whose files can be read.
type Tool string

// The tools. Each keeps its history in a table named schema_migrations.
const (
	GolangMigrate Tool = "golang-migrate"
	Dbmate        Tool = "dbmate"
)

// Migration is one of another tool's.
type Migration struct {
	Version  int64
	Up, Down section
	name     string
}

// Files are those that the migration was read from.
func (m Migration) Files() []string {
	files := []string{m.Up.file}
	if m.Down.file != "" && m.Down.file != m.Up.file {
		files = append(files, m.Down.file)
	}
	return slices.DeleteFunc(files, func(file string) bool { return file == "" })
}

// Folder is a folder of another tool's migrations, in their order.
type Folder struct {
	Path       string
	Tool       Tool
	Migrations []Migration
}

var (
	pairName   = regexp.MustCompile(`^(\d+)_(.*)\.(up|down)\.sql$`)
	dbmateName = regexp.MustCompile(`^(\d+)_?(.*)\.sql$`)
)

// Find names the folders below another one that hold migrations of a tool that can be read.
func Find(top string) []string {
	var found []string
	_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return fs.SkipDir
		case entry.IsDir() && path != top && migration.Elsewhere(entry.Name()):
			return fs.SkipDir
		case entry.IsDir() || slices.Contains(found, filepath.Dir(path)):
		case ToolOf(path) != "":
			found = append(found, filepath.Dir(path))
		}
		return nil
	})
	return found
}

// ToolOf is the tool that a file is of, or empty.
func ToolOf(path string) Tool {
	name := filepath.Base(path)
	if pairName.MatchString(name) {
		return GolangMigrate
	}
	if !dbmateName.MatchString(name) {
		return ""
	}
	content, err := os.ReadFile(path)
	if err == nil && bytes.Contains(content, []byte("migrate:up")) && dbmateLine.Match(content) {
		return Dbmate
	}
	return ""
}

// Read reads a folder of one tool's migrations. What is of no tool is left alone.
func Read(path string) (Folder, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return Folder{}, failure.Refused("the folder %s cannot be read: name the folder of the other tool's files as FROM", path)
	}
	folder := Folder{Path: path}
	byVersion := map[int64]*Migration{}
	for _, entry := range entries {
		file := filepath.Join(path, entry.Name())
		tool := ToolOf(file)
		if tool == "" || entry.IsDir() {
			continue
		}
		if folder.Tool != "" && folder.Tool != tool {
			return Folder{}, failure.Refused("%s holds files of %s and of %s: move those of one of them into a folder of their own, and name it as FROM", path, folder.Tool, tool)
		}
		folder.Tool = tool
		content, err := os.ReadFile(file)
		if err != nil {
			return Folder{}, failure.Refused("%s cannot be read: correct its permissions", file)
		}
		if err := add(byVersion, tool, file, strings.ReplaceAll(string(content), "\r\n", "\n")); err != nil {
			return Folder{}, err
		}
	}
	for _, each := range byVersion {
		folder.Migrations = append(folder.Migrations, *each)
	}
	slices.SortFunc(folder.Migrations, func(a, b Migration) int { return cmp.Compare(a.Version, b.Version) })
	if len(folder.Migrations) == 0 {
		return Folder{}, failure.Refused("%s holds no migration of %s (000001_name.up.sql) and none of %s (with '-- migrate:up'): name their folder as FROM", path, GolangMigrate, Dbmate)
	}
	return folder, nil
}

func add(all map[int64]*Migration, tool Tool, file, content string) error {
	pattern := pairName
	if tool == Dbmate {
		pattern = dbmateName
	}
	parts := pattern.FindStringSubmatch(filepath.Base(file))
	version, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return failure.Refused("%s has a number that is too large: rename it", file)
	}
	known := all[version]
	if known == nil {
		known = &Migration{Version: version, name: parts[2]}
		all[version] = known
	}
	if tool == Dbmate {
		if known.Up.file != "" {
			return twice(known.Up.file, file)
		}
		known.Up, known.Down, err = splitDbmate(file, content)
		return err
	}
	into := &known.Up
	if parts[3] == "down" {
		into = &known.Down
	}
	if into.file != "" {
		return twice(into.file, file)
	}
	*into = section{file: file, line: 1, sql: content}
	return nil
}

func twice(first, second string) error {
	return failure.Refused("%s and %s have the same number: rename one of them", first, second)
}

// Number gives each migration the number that its file gets here: its own where that has at most five digits, and otherwise,
// as with timestamps, its place.
func (f Folder) Number() []int64 {
	const highest = 99999
	numbers := make([]int64, len(f.Migrations))
	own := f.Migrations[0].Version > 0 && f.Migrations[len(f.Migrations)-1].Version <= highest
	for position, each := range f.Migrations {
		numbers[position] = int64(position) + 1
		if own {
			numbers[position] = each.Version
		}
	}
	return numbers
}

var betweenWords = regexp.MustCompile(`[^A-Za-z0-9]+`)

// fileName is the name here, by the rules that hold here.
func (m Migration) fileName(number int64) string {
	name, err := migration.Normalise(strings.Trim(betweenWords.ReplaceAllString(m.name, "_"), "_"))
	if err != nil {
		name = "imported"
	}
	return migration.FormatVersion(number) + "_" + name + ".sql"
}
