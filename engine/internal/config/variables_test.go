package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestADeclarationIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, each := range declared {
		if each.Name == "" || each.Meaning == "" || each.Group == "" || len(each.readers) == 0 || seen[each.Name] {
			t.Errorf("%+v is declared twice or not completely", each)
		}
		seen[each.Name] = true
		if each.Default != "" && each.Otherwise != "" {
			t.Errorf("%s has two defaults", each.Name)
		}
		if each.Limits == nil || each.Default == "" {
			continue
		}
		if number, err := strconv.Atoi(each.Default); err != nil || number < each.Limits.Lowest || number > each.Limits.Highest {
			t.Errorf("%s has a default that is refused: %q", each.Name, each.Default)
		}
	}
}

// A variable that is read past its declaration would be one that no program describes.
func TestTheEnvironmentIsReadByDeclarationsOnly(t *testing.T) {
	allowed := []string{
		"../cli/neighbour.go",             // between the two programs
		"../postgrestest/postgrestest.go", // of tests
	}
	files, looked := token.NewFileSet(), 0
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		relative := strings.Replace(filepath.ToSlash(path), "../../internal/", "../", 1)
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || slices.Contains(allowed, relative) {
			return err
		}
		parsed, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		looked++
		ast.Inspect(parsed, func(node ast.Node) bool {
			selector, is := node.(*ast.SelectorExpr)
			if !is {
				return true
			}
			if of, is := selector.X.(*ast.Ident); is && of.Name == "os" && slices.Contains([]string{"Getenv", "LookupEnv", "ExpandEnv"}, selector.Sel.Name) {
				t.Errorf("%s reads the environment by itself: declare the variable in config", files.Position(node.Pos()))
			}
			// Names that a file of the service gives are known to their readers alone.
			if selector.Sel.Name == "TypedNamed" && !strings.HasSuffix(relative, "develop/create.go") && !strings.HasPrefix(relative, "../config/") {
				t.Errorf("%s reads a variable by its name: declare it in config", files.Position(node.Pos()))
			}
			return true
		})
		return nil
	})
	if err != nil || looked < 100 {
		t.Fatal(looked, err)
	}
}
