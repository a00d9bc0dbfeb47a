package adopt

import (
	"fmt"
	"strings"
	"testing"
)

func TestThePageSaysOnceWhatIsTheSameForAll(t *testing.T) {
	report := Report{Unknown: []string{"rollbacks: no server"}}
	for number := range most + 2 {
		report.Findings = append(report.Findings, Finding{Calls, "Makefile", number + 1, "runs goose", "take it out"})
	}
	report.Findings = append(report.Findings, Finding{Area: Secrets, File: ".env", Found: "is in git", WayOut: "take it away"})
	var page strings.Builder
	report.Write(&page)
	want := "Calls of a migration tool\n"
	for number := range most {
		want += fmt.Sprintf("  Makefile:%d: runs goose\n", number+1)
	}
	want += "  and 2 more (migrate-dev adopt --json has all)\n  All of them: take it out\nSecrets in git\n  .env: is in git: take it away\nNot known: rollbacks: no server\n"
	if page.String() != want {
		t.Error(page.String())
	}
}

func TestEveryToolIsCalledInItsOwnWay(t *testing.T) {
	for file, line := range map[string]string{
		"Dockerfile": "RUN goose -dir db postgres \"$URL\" up", "run.sh": "dbmate --wait up", "build/Jenkinsfile": "sh 'flyway migrate'",
		".github/workflows/x.yml": "- run: atlas migrate apply", "Procfile": "release: python manage.py migrate", "package.json": "\"migrate\": \"prisma migrate deploy\"",
		"compose.yml": "image: migrate/migrate", "main.go": "m, err := migrate.NewWithInstance(\"iofs\", d)", "deploy/run.sh": "alembic -c x.ini upgrade head",
		"x.mk": "\tsqlx migrate run", "y.mk": "\tdbmate --url=$(URL) up", "Rakefile": "sh 'rails db:migrate'", "liquibase.yml": "image: liquibase",
	} {
		if found := calls(file, "first line\n"+line+"\n"); len(found) != 1 || found[0].Line != 2 {
			t.Errorf("%s: %s: %v", file, line, found)
		}
	}
	for file, line := range map[string]string{"Dockerfile": "# goose up", "main.go": "// goose.Up(db)", "x.py": "from alembic import op", "README.md": "goose up", "Makefile": "goose up:", "run.sh": "echo migrate"} {
		if found := calls(file, line); len(found) != 0 {
			t.Error(file, found)
		}
	}
}

func TestACallIsShownWithoutTheAddressInIt(t *testing.T) {
	for line, want := range map[string]string{
		`goose -dir db postgres "user=app password=hunter2" up`: "runs goose up",
		"dbmate --url=postgres://app:hunter2@host/db up":        "runs dbmate",
		"migrate -path db -database postgres://app:hunter2@h/d": "runs migrate",
		"alembic -x url=hunter2 upgrade head":                   "runs alembic upgrade",
	} {
		if found := calls("run.sh", line); len(found) != 1 || found[0].Found != want {
			t.Error(line, found)
		}
	}
}

func TestTheTablesInWhichGooseRemembersAreFound(t *testing.T) {
	folder := Folder{Table: "goose_db_version"}
	for line, want := range map[string]string{
		`goose.SetTableName("auth.versions")`: "auth.versions", "goose -dir x -table versions up": "versions", "GOOSE_TABLE=versions": "versions",
		`goose.SetTableName("goose_db_version")`: "", "goose.SetTableName(name)": "", "pg_dump --table=users": "",
	} {
		found := folder.histories("run.go", "\n"+line+"\n")
		if want == "" != (len(found) == 0) || len(found) == 1 && (found[0].Line != 2 || !strings.HasSuffix(found[0].Found, " "+want)) {
			t.Error(line, found)
		}
	}
}

func TestThePageSaysOfManyFilesOnceWhatIsWrongWithTheirNames(t *testing.T) {
	var page strings.Builder
	Report{Findings: []Finding{
		{Files, "m/1_a.sql", 1, "is no name", "rename it"}, {Files, "m/2_b.sql", 1, "is no name", "rename it"}, {Files, "m/3_c.sql", 1, "is no name", "rename it"},
		{Files, "m/4_d.sql", 3, "is no SQL", ""},
	}}.Write(&page)
	if want := "Migrations\n  m/1_a.sql and 2 files more: is no name: rename it\n  m/4_d.sql:3: is no SQL\n"; page.String() != want {
		t.Error(page.String())
	}
}
