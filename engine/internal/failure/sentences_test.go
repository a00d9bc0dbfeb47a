package failure

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// constructors are the functions that take a sentence as their format, by the name that a call ends in.
var constructors = []string{
	"Refused", "Pending", "MigrationFailed", "Unreachable", "HistoryMismatch", "Locked", // of this package
	"clash", "refuse", "place", // which pass a format on to one of them
}

// sentence is the format of an error, with the place that it stands at.
type sentence struct{ place, text string }

// sentences are those of the whole program, but for those that are passed through as they came.
func sentences(t *testing.T) []sentence {
	t.Helper()
	var found []sentence
	files := token.NewFileSet()
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		parsed, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(node ast.Node) bool {
			if list, is := node.(*ast.ValueSpec); is && list.Names[0].Name == "refused" {
				found = append(found, endings(files, list)...)
			}
			if call, is := node.(*ast.CallExpr); is && slices.Contains(constructors, called(call)) && len(call.Args) > 0 {
				for _, argument := range call.Args {
					if text, constant := constantOf(argument); constant {
						found = append(found, sentence{files.Position(call.Pos()).String(), strings.ReplaceAll(text, "%w", "%s")})
						break // what follows a format are its values
					}
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// endings are what follows "DB_URL asks for …", parameter by parameter.
func endings(files *token.FileSet, list *ast.ValueSpec) []sentence {
	var found []sentence
	for _, value := range list.Values {
		ast.Inspect(value, func(node ast.Node) bool {
			if pair, is := node.(*ast.KeyValueExpr); is {
				if text, constant := constantOf(pair.Value); constant {
					found = append(found, sentence{files.Position(pair.Pos()).String(), "DB_URL asks for %q: " + text})
				}
			}
			return true
		})
	}
	return found
}

func called(call *ast.CallExpr) string {
	switch function := call.Fun.(type) {
	case *ast.SelectorExpr:
		return function.Sel.Name
	case *ast.Ident:
		return function.Name
	}
	return ""
}

// constantOf joins what a format is put together from; what is no literal counts as a value.
func constantOf(expression ast.Expr) (string, bool) {
	switch part := expression.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(part.Value)
		return text, err == nil && part.Kind == token.STRING
	case *ast.BinaryExpr:
		left, leftConstant := constantOf(part.X)
		right, rightConstant := constantOf(part.Y)
		if !leftConstant {
			left = "%s"
		}
		if !rightConstant {
			right = "%s"
		}
		return left + right, leftConstant || rightConstant
	}
	return "", false
}

// passedOn are the formats whose end is a sentence, or the end of one, that is made elsewhere and looked at there.
var passedOn = []string{
	"%s", "%s: %s", "%s %s", "table %q: %s", "%s is %q: %s", "%s line %d %s", "DB_URL asks for %q: %s", "is not UTF-8%s: %s",
	"%s was stopped: %s%s", "%s was interrupted: %s%s", "%s lost its connection to %s: %s%s",
	"%s failed: %s (SQLSTATE %s)%s: %s: %s%s", "%s failed: %s (SQLSTATE %s)%s: %s%s", "%s failed: %s: %s%s",
}

// steps are the words by which a sentence tells people what to do.
var steps = strings.Fields(`add ask begin bring build choose come connect copy correct create do drop end fetch find follow give install keep leave
	let look make mark mount move name number percent-encode put remove rename replace reserve resolve restore run save see set shorten solve
	start tag type undo use wait write`)

var (
	// What is to be written into .goose.yml has a colon of its own.
	keys      = regexp.MustCompile(`\b(lock|out_of_order|naming|check_from|fetch-depth): `)
	firstWord = regexp.MustCompile(`^[a-z-]+`)
	capital   = regexp.MustCompile(`^[A-Z][a-z]`)
	// A name keeps its capital letter.
	product = regexp.MustCompile(`^Redis `)
	several = regexp.MustCompile(`[.!?] |[.!?:;,]$|\n`)
	// What nobody says who names what was found.
	vague = regexp.MustCompile(`(?i)(^| )(please|sorry|oops|invalid|illegal|failed to|unable to|error)\b`)
)

func TestEveryErrorIsOneSentenceThatEndsWithTheNextStep(t *testing.T) {
	found := sentences(t)
	if len(found) < 200 {
		t.Fatalf("only %d sentences were found", len(found))
	}
	for _, each := range found {
		for _, complaint := range complaints(each.text) {
			t.Errorf("%s: %q %s", each.place, each.text, complaint)
		}
	}
}

func complaints(text string) []string {
	var found []string
	if capital.MatchString(text) && !product.MatchString(text) {
		found = append(found, "begins with a capital letter, though it follows the name of the program")
	}
	if several.MatchString(text) {
		found = append(found, "is not one sentence without a mark at its end")
	}
	if vague.MatchString(text) {
		found = append(found, "says that something is wrong, and not what")
	}
	if slices.Contains(passedOn, text) {
		return found
	}
	parts := strings.Split(keys.ReplaceAllString(text, "$1 "), ": ")
	if len(parts) < 2 {
		return append(found, "names no next step behind a colon")
	}
	// The last part may be an example of the one before.
	for _, part := range parts[max(len(parts)-2, 1):] {
		if slices.Contains(steps, firstWord.FindString(part)) {
			return found
		}
	}
	return append(found, "does not end with what to do")
}

func TestASentenceOfAnotherFormIsFound(t *testing.T) {
	for _, text := range []string{
		"%s is wrong", "%s is %q: it is true or false", "%s is %q: write true or false.", "Cannot read %s: correct it",
		"%s cannot be read: correct it. Then run again", "invalid value %q: correct it", "%s is not there: please create it",
		"lock is %q: lock: table", "%s failed:\n%s: run again",
	} {
		if len(complaints(text)) == 0 {
			t.Errorf("%q passed", text)
		}
	}
	if found := complaints("%s is %q: it must be true or false: write one of them into .goose.yml as lock: table"); len(found) > 0 {
		t.Error(found)
	}
}

// The same cause has the same name everywhere.
func TestTheSameThingIsCalledTheSame(t *testing.T) {
	for avoided, name := range map[string]string{
		"readable file": "correct its permissions", "re-run": "run again", "rerun": "run again", "retry": "run again", "db ": "database",
		"rollback": "roll back", "file name": "name", "schema version": "version", "environment variable": "the variable's own name",
		"cert ": "certificate", "username": "user", "working directory": "folder", "directory": "folder", "repo ": "repository",
		"config": ".goose.yml", "Postgres ": "PostgreSQL", "mutex": "lock",
	} {
		for _, each := range sentences(t) {
			if strings.Contains(each.text, avoided) {
				t.Errorf("%s: %q says %q, where others say %q", each.place, each.text, avoided, name)
			}
		}
	}
}
