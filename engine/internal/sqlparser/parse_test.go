package sqlparser

import (
	"errors"
	"testing"
	"time"
)

func TestStatementsKeepTheirPlaces(t *testing.T) {
	text := "-- why\n/* a /* b */ ; */ ALTER TABLE a ADD b int;;\n\nDO $$ BEGIN\n  UPDATE a SET b = ';';\n  EXECUTE 'DROP TABLE a';\n  EXECUTE format('x %s', 1);\nEND $$ ;"
	parsed, err := Parse(text)
	if err != nil || len(parsed) != 2 {
		t.Fatal(parsed, err)
	}
	if first := parsed[0]; first.Kind != "AlterTableStmt" || first.Text != "ALTER TABLE a ADD b int" || first.Node.Child("relation").Text("relname") != "a" {
		t.Errorf("%+v", first)
	}
	embedded, complete, err := Body(parsed[1])
	if err != nil || complete || len(embedded) != 2 || embedded[0] != (Embedded{2, "UPDATE a SET b = ';'"}) || embedded[1] != (Embedded{3, "DROP TABLE a"}) {
		t.Errorf("%+v %v %v", embedded, complete, err)
	}
}

func TestTheBodyOfAFunctionInSQL(t *testing.T) {
	parsed, err := Parse("CREATE FUNCTION f() RETURNS void\nLANGUAGE sql AS $$\n  DELETE FROM a;\n\n  DELETE FROM b;\n$$")
	if err != nil {
		t.Fatal(err)
	}
	embedded, complete, err := Body(parsed[0])
	if err != nil || !complete || len(embedded) != 2 || embedded[0].Line != 3 || embedded[1].Line != 5 {
		t.Errorf("%+v %v %v", embedded, complete, err)
	}
}

func TestASyntaxErrorHasAPlace(t *testing.T) {
	for text, position := range map[string]int{"SELECT 1;\nSELEC 2;": 11, "SELECT 'é' FORM x y": 17, "SELECT '": 8} {
		_, err := Parse(text)
		var syntax *SyntaxError
		if !errors.As(err, &syntax) || syntax.Position != position {
			t.Errorf("%s: %+v", text, err)
		}
	}
}

func TestASecondParserIsQuick(t *testing.T) {
	if _, err := Parse("SELECT 1"); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for range 1000 {
		if _, err := Parse("ALTER TABLE a ADD COLUMN b int NOT NULL DEFAULT 1"); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Error(took)
	}
}
