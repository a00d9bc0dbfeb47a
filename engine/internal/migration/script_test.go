package migration

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/pressly/goose/v3"
)

var scripts = map[string]string{
	"two statements":                "-- +goose Up\nSELECT 1;\nSELECT 2;\n-- +goose Down\nSELECT 3;\n",
	"several lines":                 "-- +goose Up\nCREATE TABLE a (\n  b int -- a comment;\n);\n\n-- between\nSELECT 1; -- after\n-- +goose Down\nDROP TABLE a;",
	"a block":                       "-- +goose Up\n-- +goose StatementBegin\nDO $$ BEGIN\n  PERFORM 1;\nEND $$;\n-- +goose StatementEnd\nSELECT 2;\n-- +goose Down\n-- +goose StatementBegin\nSELECT 1; SELECT 2;\n-- +goose StatementEnd\n",
	"comments in a block":           "-- +goose Up\n-- +goose StatementBegin\n-- first\n\nSELECT 1;\n-- last\n-- +goose StatementEnd\n-- +goose Down\nSELECT 2;\n",
	"an empty block at the end":     "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n-- +goose Down\n-- +goose StatementBegin\n-- +goose StatementEnd\n",
	"SQL after an empty block":      "-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementEnd\nSELECT 1;\n",
	"an empty block before Down":    "-- +goose Up\nSELECT 1;\n-- +goose StatementBegin\n-- +goose StatementEnd\n-- +goose Down\nSELECT 2;\n",
	"two blocks, one of them empty": "-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementEnd\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n",
	"any case":                      "-- +GOOSE up\nSELECT 1;\n",
	"annotations in other case":     "-- +goose UP\n-- +goose statementbegin\nSELECT 1;\n-- +goose STATEMENTEND\n-- +goose down\nSELECT 2;\n",
	"no blank before +goose":        "--+goose Up\nSELECT 1;\n--  +goose   Down\nSELECT 2;\n",
	"header before up":              "-- a header\n   \n\n-- more\n-- +goose Up\nSELECT 1;\n",
	"no transaction":                "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;\n",
	"no transaction later":          "-- +goose Up\nSELECT 1;\n-- +goose no transaction\n-- +goose Down\nSELECT 2;\n",
	"blank lines with spaces":       "-- +goose Up\n   \n-- about\nSELECT 1;\n \t\n-- +goose Down\n  \n-- about\nSELECT 2;\n   \n",
	"windows line ends":             "-- +goose Up\r\nSELECT 1;\r\n\r\n-- +goose Down\r\nSELECT 2;\r\n",
	"no newline at the end":         "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;",
	"a semicolon in a string":       "-- +goose Up\nINSERT INTO a VALUES ('x;\ny');\nSELECT 1;\n",
	"two on a line":                 "-- +goose Up\nSELECT 1; SELECT 2;\nSELECT 3;\n",
	"an empty down":                 "-- +goose Up\nSELECT 1;\n-- +goose Down\n",
	"no down":                       "-- +goose Up\nSELECT 1;\n",
	"only comments":                 "-- +goose Up\n-- nothing\n-- +goose Down\n-- nothing\n",
	"a dollar":                      "-- +goose Up\nSELECT '$$ ${HOME}';\n",

	"empty":                        "",
	"no annotation":                "SELECT 1;\n",
	"sql before up":                "SELECT 1;\n-- +goose Up\nSELECT 2;\n",
	"down first":                   "-- +goose Down\nSELECT 1;\n-- +goose Up\nSELECT 2;\n",
	"up twice":                     "-- +goose Up\nSELECT 1;\n-- +goose Up\nSELECT 2;\n",
	"down twice":                   "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n-- +goose Down\nSELECT 3;\n",
	"an unknown annotation":        "-- +goose Upp\nSELECT 1;\n",
	"an empty annotation":          "-- +goose\nSELECT 1;\n",
	"an indented annotation":       " -- +goose Up\nSELECT 1;\n",
	"a comment about annotations":  "-- +goose Up\n-- see -- +goose Down\nSELECT 1;\n",
	"no semicolon":                 "-- +goose Up\nSELECT 1\n",
	"no semicolon before down":     "-- +goose Up\nSELECT 1\n-- +goose Down\nSELECT 2;\n",
	"no semicolon in down":         "-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2\n",
	"a block without end":          "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n",
	"a block without end at down":  "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose Down\n",
	"an end without block":         "-- +goose Up\nSELECT 1;\n-- +goose StatementEnd\n",
	"a block in a block":           "-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n",
	"a block before up":            "-- +goose StatementBegin\n-- +goose Up\nSELECT 1;\n",
	"a byte order mark":            "\ufeff-- +goose Up\nSELECT 1;\n",
	"up only":                      "-- +goose Up\n",
	"a statement and then a block": "-- +goose Up\nSELECT\n-- +goose StatementBegin\n1;\n-- +goose StatementEnd\n",
}

func TestScriptIsSplitAsGooseSplitsIt(t *testing.T) {
	for name, content := range scripts {
		t.Run(name, func(t *testing.T) { compareWithGoose(t, content) })
	}
}

func FuzzScriptIsSplitAsGooseSplitsIt(f *testing.F) {
	for _, content := range scripts {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		if strings.Contains(strings.ToLower(content), "envsub") {
			t.Skip("substitution is goose's, at run time")
		}
		compareWithGoose(t, content)
	})
}

func compareWithGoose(t *testing.T, content string) {
	t.Helper()
	script, err := ParseScript(content)
	if err != nil && strings.Contains(err.Error(), "makes goose lose that line") {
		return
	}
	gooseUp, gooseErr := asGooseRuns(t, content, true)
	if (err == nil) != (gooseErr == nil) {
		t.Fatalf("%q: %v, goose: %v", content, err, gooseErr)
	}
	if err != nil {
		return
	}
	gooseDown, _ := asGooseRuns(t, content, false)
	inTransaction := func(statements []Statement) []string {
		var texts []string
		for _, statement := range statements {
			texts = append(texts, statement.Text)
		}
		if script.NoTransaction {
			return texts
		}
		return slices.Concat([]string{"BEGIN"}, texts, []string{"COMMIT"})
	}
	if want := inTransaction(script.Up); !slices.Equal(want, gooseUp) {
		t.Errorf("%q up: %q, goose: %q", content, want, gooseUp)
	}
	if want := inTransaction(script.Down); !slices.Equal(want, gooseDown) {
		t.Errorf("%q down: %q, goose: %q", content, want, gooseDown)
	}
}

func TestAStatementKnowsItsLine(t *testing.T) {
	script, err := ParseScript("-- +goose Up\n\n-- about\nSELECT 1;\n\nCREATE TABLE a (\n  b int\n);\n-- +goose Down\n-- +goose StatementBegin\nSELECT 2;\n-- +goose StatementEnd\n")
	if err != nil {
		t.Fatal(err)
	}
	if script.Up[0].Line != 4 || script.Up[1].Line != 6 || script.Down[0].Line != 11 {
		t.Errorf("%+v", script)
	}
}

// asGooseRuns returns what goose sends to a database, seen from the driver's side.
func asGooseRuns(t *testing.T, content string, up bool) ([]string, error) {
	t.Helper()
	sent := &recorder{}
	pool := sql.OpenDB(sent)
	defer pool.Close()
	provider, err := goose.NewProvider(goose.DialectPostgres, pool,
		fstest.MapFS{"00001_a.sql": {Data: []byte(content)}}, goose.WithDisableVersioning(true))
	if err != nil {
		t.Fatal(err)
	}
	_, err = provider.ApplyVersion(context.Background(), 1, up)
	return sent.statements, err
}

type recorder struct{ statements []string }

func (r *recorder) Connect(context.Context) (driver.Conn, error) { return r, nil }
func (r *recorder) Driver() driver.Driver                        { return nil }
func (r *recorder) Close() error                                 { return nil }
func (r *recorder) Prepare(string) (driver.Stmt, error)          { return nil, errors.New("not prepared") }
func (r *recorder) Begin() (driver.Tx, error)                    { return r, r.record("BEGIN") }
func (r *recorder) Commit() error                                { return r.record("COMMIT") }
func (r *recorder) Rollback() error                              { return r.record("ROLLBACK") }

func (r *recorder) ExecContext(_ context.Context, query string, arguments []driver.NamedValue) (driver.Result, error) {
	if len(arguments) > 0 {
		return nil, fmt.Errorf("arguments: %v", arguments)
	}
	return driver.ResultNoRows, r.record(query)
}

func (r *recorder) record(statement string) error {
	r.statements = append(r.statements, statement)
	return nil
}
