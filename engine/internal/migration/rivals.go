package migration

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// elsewhere are folders that hold no migrations of the service's own.
var elsewhere = []string{"node_modules", "vendor", "testdata", "tools", "docs"}

// Elsewhere tells that a folder of that name holds no migrations of the service's own.
func Elsewhere(folder string) bool {
	return strings.HasPrefix(folder, ".") || slices.Contains(elsewhere, folder)
}

// deepestFolder is how far below the service's folder migrations are looked for.
const deepestFolder = 5

// Rivals are the files below a folder, outside of those that are known, that goose would take for a version as well as this
// folder's own file: where another tool applied the version, nobody can tell from which of them. They are looked for only in a
// checkout of a service, which has copier's answers at its top.
func (d Directory) Rivals(top string, versions []int64, known ...string) []string {
	if _, err := os.Stat(filepath.Join(top, ".copier-answers.yml")); err != nil {
		return nil
	}
	var rivals []string
	_ = filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir // what cannot be looked at is passed over
		}
		below, err := filepath.Rel(top, path)
		if err != nil || below == "." {
			return nil //nolint:nilerr // so is what lies elsewhere
		}
		if entry.IsDir() {
			if Elsewhere(entry.Name()) || strings.Count(filepath.ToSlash(below), "/") >= deepestFolder ||
				slices.ContainsFunc(append(known, d.Path), func(folder string) bool { return filepath.Clean(folder) == below }) {
				return fs.SkipDir
			}
			return nil
		}
		version, numbered := parseName(entry.Name())
		if numbered && slices.Contains(versions, version) && strings.HasSuffix(entry.Name(), ".sql") && isForGoose(path) {
			rivals = append(rivals, filepath.ToSlash(below))
		}
		return nil
	})
	return rivals
}

func isForGoose(path string) bool {
	content, err := os.ReadFile(path)
	return err == nil && bytes.Contains(bytes.ToLower(content), []byte("+goose up"))
}
