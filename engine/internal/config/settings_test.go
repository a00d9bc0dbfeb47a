package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestTheEnvironmentIsStrongerThanDotEnv(t *testing.T) {
	settings := NewSettings([]string{"DB_NAME=outer", "DB_HOST=", "ENVIRONMENT="},
		map[string]string{"DB_NAME": "inner", "DB_HOST": "inner", "DB_USER": "inner", "ENVIRONMENT": "development"})
	for variable, want := range map[Variable]Setting{
		DBName:              {"DB_NAME", "outer", Environment},
		DBHost:              {"DB_HOST", "inner", DotEnv},
		DBUser:              {"DB_USER", "inner", DotEnv},
		DBPassword.Variable: {"DB_PASSWORD", "", Nowhere},
	} {
		if got := settings.Get(variable); got != want {
			t.Errorf("%s is %+v, not %+v", variable.Name, got, want)
		}
	}
	if got := settings.Lookup(EnvironmentName); got != (Setting{"ENVIRONMENT", "", Environment}) {
		t.Errorf("a blank ENVIRONMENT gave way to .env: %+v", got)
	}
}

func TestConfirmationInDotEnvDoesNotCount(t *testing.T) {
	settings := NewSettings(nil, map[string]string{"CONFIRM": "auth_db"})
	if settings.Typed(Confirm) != "" {
		t.Error("it did")
	}
}

func TestSecondsAndBooleansAreReadOrRefused(t *testing.T) {
	settings := NewSettings([]string{"A=30", "B=0", "C=-1", "D=1.5", "E=5m", "F=true", "G=yes", "H=0"}, nil)
	seconds := func(name string) SecondsVariable {
		return SecondsVariable{&declaration{Name: name, Default: "5", Limits: &Limits{"seconds", 1, 60}}}
	}
	boolean := func(name string) Variable { return Variable{&declaration{Name: name}} }
	if got, err := settings.Seconds(seconds("A")); err != nil || got != 30*time.Second {
		t.Errorf("A is %s (%v)", got, err)
	}
	if got, err := settings.Seconds(seconds("UNSET")); err != nil || got != 5*time.Second {
		t.Errorf("UNSET is %s (%v)", got, err)
	}
	for _, name := range []string{"B", "C", "D", "E"} {
		if _, err := settings.Seconds(seconds(name)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if got, err := settings.Boolean(boolean("F")); err != nil || !got {
		t.Errorf("F is %t (%v)", got, err)
	}
	if got, err := settings.Boolean(boolean("H")); err != nil || got {
		t.Errorf("H is %t (%v)", got, err)
	}
	if _, err := settings.Boolean(boolean("G")); err == nil {
		t.Error("G was accepted")
	}
}

func TestDotEnvIsReadAsGooseReadsIt(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, ".env", "# a comment\nDB_HOST=localhost # trailing\nexport DB_USER=auth\n"+
		"PGHOST=${DB_HOST}\nDB_PASSWORD='pa$$w#rd'\nDB_NAME=\"auth_db\"\r\n")
	got, _, err := ReadEnvFile(folder, ".env")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"DB_HOST": "localhost", "DB_USER": "auth", "PGHOST": "localhost", "DB_PASSWORD": "pa$$w#rd", "DB_NAME": "auth_db",
	} {
		if got[name] != want {
			t.Errorf("%s is %q, not %q", name, got[name], want)
		}
	}
}

func TestAMissingDotEnvIsEmpty(t *testing.T) {
	if got, _, err := ReadEnvFile(t.TempDir(), ".env"); err != nil || len(got) != 0 {
		t.Errorf("%v (%v)", got, err)
	}
}

func TestAMalformedDotEnvIsRefusedByLineAndWithoutItsContent(t *testing.T) {
	for line, content := range map[string]string{
		"line 2": "A=1\nDB-PASSWORD=hunter2\n",
		"line 3": "A=1\nB=2\nDB_PASSWORD=\"hunter2\n",
		"line 4": "A=1\nB=\"two\nlines\"\nhunter2;\n",
	} {
		folder := t.TempDir()
		write(t, folder, ".env", content)
		_, _, err := ReadEnvFile(folder, ".env")
		if err == nil || !strings.Contains(err.Error(), line) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", content, err)
		}
	}
}

func TestAnUnreadableDotEnvIsRefused(t *testing.T) {
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, ".env"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := ReadEnvFile(folder, ".env"); err == nil {
		t.Error("it was read")
	}
}

func write(t *testing.T, folder, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}
