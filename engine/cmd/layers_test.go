package cmd_test

import (
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rule is the end of a package's comment, where the packages stand that it may import.
var rule = regexp.MustCompile(`(?s)\nMay import: ([^.]+)\.\n$`)

const nothing = "nothing of this module"

// TestEachPackageImportsWhatItsCommentAllows holds the layers: a new arrow between two packages is a line in a comment that a
// reviewer sees, and an arrow that is gone takes its line along.
func TestEachPackageImportsWhatItsCommentAllows(t *testing.T) {
	packages := packagesUnder(t, filepath.Join(here, "..", "internal"))
	if len(packages) < 40 {
		t.Fatalf("only %d packages were found", len(packages))
	}
	for name, imports := range packages {
		found := rule.FindStringSubmatch(imports.comment)
		if found == nil {
			t.Errorf("the comment of package %s does not end with 'May import: ….'", name)
			continue
		}
		allowed := strings.Split(strings.ReplaceAll(found[1], "\n", " "), ", ")
		if found[1] == nothing {
			allowed = nil
		}
		if !slices.Equal(allowed, imports.names) {
			t.Errorf("package %s imports %s, and its comment allows %s", name, imports.names, allowed)
		}
	}
}

// No arrow leads from what operates to what only developers have, nor from what both stand on to a command.
func TestNothingLeadsBackToTheCommands(t *testing.T) {
	packages := packagesUnder(t, filepath.Join(here, "..", "internal"))
	above := map[string][]string{
		"operate": {"develop", "deliver", "cli", "redissync/cli"}, "deliver": {"develop", "cli"}, "develop": {"deliver", "cli"},
	}
	for name := range packages {
		if !slices.Contains([]string{"operate", "deliver", "develop", "cli", "redissync/cli"}, name) {
			above[name] = []string{"operate", "develop", "deliver", "cli", "redissync/cli"}
		}
	}
	for name, forbidden := range above {
		for _, each := range forbidden {
			if reaches(packages, name, each) {
				t.Errorf("package %s stands on %s", name, each)
			}
		}
	}
}

type packageOf struct {
	names   []string
	comment string
}

func reaches(packages map[string]packageOf, from, to string) bool {
	return slices.ContainsFunc(packages[from].names, func(name string) bool { return name == to || reaches(packages, name, to) })
}

// packagesUnder are the packages in the folders below one, by their path from there, with what they import of each other.
func packagesUnder(t *testing.T, root string) map[string]packageOf {
	t.Helper()
	packages := map[string]packageOf{}
	err := filepath.WalkDir(root, func(folder string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() || entry.Name() == "testdata" {
			return err
		}
		files, _ := filepath.Glob(filepath.Join(folder, "*.go"))
		if !slices.ContainsFunc(files, func(file string) bool { return !strings.HasSuffix(file, "_test.go") }) {
			return nil
		}
		found, err := build.ImportDir(folder, 0)
		if err != nil {
			return err
		}
		names := map[string]bool{}
		for _, path := range found.Imports {
			if name, own := strings.CutPrefix(path, module); own {
				names[name] = true
			}
		}
		name, _ := filepath.Rel(root, folder)
		packages[filepath.ToSlash(name)] = packageOf{slices.Sorted(maps.Keys(names)), commentOf(t, folder, found.GoFiles)}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func commentOf(t *testing.T, folder string, files []string) string {
	t.Helper()
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(folder, file), nil, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if text := parsed.Doc.Text(); strings.HasPrefix(text, "Package ") {
			return text
		}
	}
	return ""
}
