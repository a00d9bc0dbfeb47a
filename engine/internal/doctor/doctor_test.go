package doctor

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/environment"
)

const list = `# Setup

## チェックリスト

### 初期セットアップ

<!-- directories -->

- [x] ディレクトリ構造を作成
  <!-- env -->
- [ ] ` + "`.env`" + ` を作成

  コピーします。
  <!-- required-check -->
- [X] Require the check

## Considerations

- [ ] an item of the service's own, without a name
`

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, content := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func TestTheChecklistIsReadInItsOrderWithItsTicks(t *testing.T) {
	for _, content := range []string{list, strings.ReplaceAll(list, "\n", "\r\n")} {
		found, err := readChecklist(folder(t, map[string]string{checklistFile: content}))
		if err != nil {
			t.Fatal(err)
		}
		want := []line{
			{"初期セットアップ", "directories", "ディレクトリ構造を作成", true, 9},
			{"初期セットアップ", "env", "`.env` を作成", false, 11},
			{"初期セットアップ", "required-check", "Require the check", true, 15},
		}
		if len(found) != len(want) {
			t.Fatal(found)
		}
		for position := range want {
			if found[position] != want[position] {
				t.Errorf("%+v, not %+v", found[position], want[position])
			}
		}
	}
}

func TestAnItemOfTheManualThatTheListHasLostIsJudgedAllTheSame(t *testing.T) {
	for _, files := range []map[string]string{{}, {checklistFile: "# Setup\n"}, {checklistFile: list}} {
		report := Examine(Evidence{Folder: folder(t, files)})
		seen := map[string]int{}
		for _, item := range report.Items {
			seen[item.Item]++
		}
		for _, each := range checklist {
			if seen[each.item] != 1 {
				t.Errorf("%s: %d times", each.item, seen[each.item])
			}
		}
		if lost := seen["checklist"] == 1; lost != (files[checklistFile] != list) {
			t.Error(files, seen)
		}
	}
}

func TestAPartThatWasNotChosenIsNotJudged(t *testing.T) {
	for _, chosen := range []string{"compose", "github_actions", "kubernetes", "prometheus", ""} {
		evidence := Evidence{Folder: t.TempDir(), Template: Template{Answers: copier.Answers{Parts: []string{chosen}}}}
		var judged []string
		for _, item := range Examine(evidence).Items {
			judged = append(judged, item.Item)
		}
		for item, part := range map[string]string{
			"compose": "compose", "own-compose": "compose", "workflow": "github_actions", "job": "kubernetes", "alerts": "prometheus",
		} {
			if slices.Contains(judged, item) != (part == chosen) {
				t.Errorf("with %q: %s", chosen, item)
			}
		}
		if !slices.Contains(judged, "targets") {
			t.Error("an item of no part is asked of everybody")
		}
	}
}

func TestATickAgainstTheEvidenceIsToldAndOneBeforeItIsNot(t *testing.T) {
	report := Examine(Evidence{Folder: folder(t, map[string]string{checklistFile: list}), DotEnv: true})
	for _, item := range report.Items[:3] {
		contradicted := strings.Contains(item.Evidence, "docs/migration-setup.md:9 says that it is done")
		if want := item.Item == "directories"; contradicted != want {
			t.Errorf("%s: %q", item.Item, item.Evidence)
		}
	}
	if env := report.Items[1]; env.State != Pass || *env.Ticked {
		t.Errorf("%+v", env)
	}
	if person := report.Items[2]; person.State != Person || person.Evidence != "ticked by a person" {
		t.Errorf("%+v", person)
	}
}

func TestLinesAreAlignedWhateverTheLettersAre(t *testing.T) {
	ticked := true
	report := Report{Counts: map[State]int{Pass: 3, Fail: 1}, Items: []Item{
		{Group: "初期", Title: "Go", Finding: pass("here")},
		{Group: "初期", Title: "ﾊﾝｶｸ と全角のé", Ticked: &ticked, Finding: fail("do it", "here\nand here")},
		{Group: "Other", Title: strings.Repeat("長", 21), Finding: pass("here")},
	}}
	var out bytes.Buffer
	report.Write(&out, false, true)
	const before = 2 + 6 + 1 + 3 + 1 + columns + 1
	for number, row := range strings.Split(out.String(), "\n") {
		for _, word := range []string{"here", "and here", "next: do it"} {
			if at := strings.Index(row, word); strings.HasSuffix(row, word) && at > 0 && !strings.HasSuffix(row, "and "+word) && cells(row[:at]) != before {
				t.Errorf("line %d, %q: column %d, not %d", number, row, cells(row[:at]), before)
			}
		}
		if strings.TrimRight(row, " ") != row {
			t.Errorf("line %d ends in blanks", number)
		}
	}
	if strings.Contains(out.String(), "\x1b") || !strings.HasSuffix(out.String(), "\n3 pass, 1 fail\n") {
		t.Error(out.String())
	}
	out.Reset()
	report.Write(&out, true, true)
	if !strings.Contains(out.String(), "\x1b[1;31mFAIL  \x1b[0m [x]") {
		t.Error(out.String())
	}
}

// reached is the evidence of a database that answers.
func reached(where environment.Environment, marker string) Evidence {
	return Evidence{Database: Database{
		Given:       config.Setting{Name: "DB_HOST", Value: "given", Source: config.DotEnv},
		Target:      connection.Target{Environment: where, Database: "avion_auth_db"},
		Marker:      marker,
		Role:        Role{Name: "avion_auth", Exists: true},
		Application: Role{Name: "avion_auth_app", Exists: true},
	}}
}

func TestRolesMayNotDoMoreThanTheyHaveTo(t *testing.T) {
	superuser := []string{"a superuser"}
	for name, each := range map[string]struct {
		where  environment.Environment
		marker string
		change func(*Database)
		role   State
		app    State
	}{
		"as they should be":                  {environment.Production, "production", func(*Database) {}, Pass, Pass},
		"a superuser in development":         {environment.Development, "development", func(d *Database) { d.Role.Powers = superuser }, Pass, Pass},
		"a superuser in staging":             {environment.Staging, "staging", func(d *Database) { d.Role.Powers = superuser }, Fail, Pass},
		"a superuser where marked so":        {environment.Development, "production", func(d *Database) { d.Role.Powers = superuser }, Fail, Pass},
		"no application in development":      {environment.Development, "development", func(d *Database) { d.Application.Exists = false }, Pass, Pass},
		"no application in production":       {environment.Production, "production", func(d *Database) { d.Application.Exists = false }, Pass, Todo},
		"an application that owns":           {environment.Development, "development", func(d *Database) { d.Application.Owns = true }, Pass, Fail},
		"an application that creates":        {environment.Development, "development", func(d *Database) { d.Application.Creates = true }, Pass, Fail},
		"an application that writes":         {environment.Development, "development", func(d *Database) { d.Application.Writes = []string{"goose_db_version"} }, Pass, Fail},
		"an application that is a superuser": {environment.Development, "development", func(d *Database) { d.Application.Powers = superuser }, Pass, Fail},
	} {
		evidence := reached(each.where, each.marker)
		each.change(&evidence.Database)
		if role, app := judgeRole(evidence), judgeApplicationRole(evidence); role.State != each.role || app.State != each.app {
			t.Errorf("%s: %+v, %+v", name, role, app)
		}
	}
}

func TestTheMarkIsHeldAgainstTheEnvironment(t *testing.T) {
	for marker, want := range map[string]State{"": Todo, "development": Todo, "staging": Pass, "production": Todo} {
		if found := judgeMark(reached(environment.Staging, marker)); found.State != want {
			t.Errorf("%q: %+v", marker, found)
		}
	}
}

func TestWhatRestsOnSomethingThatFailedIsNotLookedAt(t *testing.T) {
	nobody := reached(environment.Development, "")
	nobody.Database.Given = config.Setting{}
	unreachable := reached(environment.Development, "")
	unreachable.Database.Error = errors.New("connection refused")
	lost := reached(environment.Development, "")
	lost.Database.TargetError = errors.New("ENVIRONMENT is wrong")
	unreadable := reached(environment.Development, "")
	unreadable.Database.HistoryError = errors.New("permission denied")
	for name, each := range map[string]struct {
		evidence Evidence
		failing  string
	}{
		"nobody names a database": {nobody, ""},
		"it does not answer":      {unreachable, "database"},
		"the settings are wrong":  {lost, "settings"},
		"the history is closed":   {unreadable, "history"},
		"no project":              {Evidence{ProjectError: errors.New("no .goose.yml")}, ""},
		"no .env to read":         {Evidence{DotEnvError: errors.New(".env line 1")}, ""},
	} {
		for _, group := range further[2:] {
			for _, one := range group.items {
				if found := one.judge(each.evidence); (found.State == Fail) != (one.item == each.failing) {
					t.Errorf("%s, %s: %+v", name, one.item, found)
				}
			}
		}
	}
}
