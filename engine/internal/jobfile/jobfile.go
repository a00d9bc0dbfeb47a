// Package jobfile reads the files of jobs that run beside the migrations: one line that says how, and a statement. It never
// runs what it reads.
//
// May import: failure, migration.
package jobfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

// Kind is what jobs of one kind have in common.
type Kind struct {
	// Folder is where they are, inside the folder of the migrations: goose does not look into it, and whatever carries
	// the migrations into an image or a container carries it along.
	Folder string
	// Word begins the line that says how a job runs.
	Word string
	// Example is what may stand in that line.
	Example string
	// Target is the make target that runs a job, and lists them all.
	Target string
}

// File is one job as it stands in its file.
type File struct {
	Name string
	// Text is the whole file, with its line that says how, which is a comment to the server.
	Text string
	// Checksum is the SHA-256 of the file, whatever its line endings.
	Checksum string
	settings []string
	kind     Kind
}

var (
	jobName = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)
	header  = regexp.MustCompile(`(?m)^--[ \t]*([a-z]+):(.*)$`)
)

// Names lists the jobs of a kind in a folder of migrations.
func (k Kind) Names(migrations string) ([]string, error) {
	folder := filepath.Join(migrations, k.Folder)
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, failure.Refused("the folder %s cannot be read: correct its permissions", folder)
	}
	var names []string
	for _, entry := range entries {
		if name, isSQL := strings.CutSuffix(entry.Name(), ".sql"); isSQL && !entry.IsDir() {
			names = append(names, name)
		}
	}
	return names, nil
}

// Read reads the job of a name from a folder of migrations, and has it parsed.
func (k Kind) Read(migrations, name string, parse func(File) error) error {
	if !jobName.MatchString(name) {
		return failure.Refused("JOB is %q: it is the name of a file in %s without .sql, in lower-case snake_case: "+
			"name one that is there", name, filepath.Join(migrations, k.Folder))
	}
	path := filepath.Join(migrations, k.Folder, name+".sql")
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return failure.Refused("there is no %s: run make %s without JOB, which lists the jobs", path, k.Target)
	}
	if err != nil {
		return failure.Refused("%s cannot be read: correct its permissions", path)
	}
	file, err := k.file(name, string(content))
	if err == nil {
		err = parse(file)
	}
	if err != nil {
		return failure.Refused("%s: %w", path, err)
	}
	return nil
}

func (k Kind) file(name, content string) (File, error) {
	text := strings.TrimSpace(strings.ReplaceAll(content, "\r\n", "\n"))
	file := File{Name: name, Text: text, Checksum: migration.Checksum([]byte(content)), kind: k}
	found := 0
	for _, line := range header.FindAllStringSubmatch(text, -1) {
		if line[1] == k.Word {
			found++
			file.settings = strings.Fields(line[2])
		}
	}
	if found != 1 {
		return File{}, fmt.Errorf("it has %d lines '-- %s: …': write one, as in '-- %s: %s'", found, k.Word, k.Word, k.Example)
	}
	return file, nil
}

// Settings hands each setting of the line to a function.
func (f File) Settings(set func(name, value string) error) error {
	seen := map[string]bool{}
	for _, word := range f.settings {
		name, value, _ := strings.Cut(word, "=")
		if seen[name] {
			return fmt.Errorf("'-- %s:' says %s twice: keep one", f.kind.Word, name)
		}
		seen[name] = true
		if err := set(name, value); err != nil {
			return fmt.Errorf("'-- %s:' says %s: %w", f.kind.Word, word, err)
		}
	}
	return nil
}

// Line names the line that says how the job runs.
func (f File) Line() string { return "the job's '-- " + f.kind.Word + ":' line" }

// Statement is what the file holds besides comments, on one line and with its strings emptied.
func (f File) Statement() string { return migration.Statement{Text: f.Text}.Plain() }
