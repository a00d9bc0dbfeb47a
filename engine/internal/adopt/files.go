package adopt

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/sqlparser"
)

// kind is how the files of a tool are recognised, and what to do with them.
type kind struct {
	tool    string
	name    *regexp.Regexp
	content *regexp.Regexp
	wayOut  string
}

const byHand = "write its SQL down as migrations, and record them with make migrate-baseline (docs/how-to/another-tool.md of the template)"

// The service's own Makefile may know no target of the template yet.
const imported = "make -f migrations.mk migrate-import FROM=%s writes them as goose's"

// kinds are the tools; the first that fits a file counts.
var kinds = []kind{
	{"golang-migrate", regexp.MustCompile(`^\d+_.*\.(up|down)\.sql$`), nil, imported},
	{"dbmate", regexp.MustCompile(`^\d+.*\.sql$`), regexp.MustCompile(`(?m)^--\s*migrate:up`), imported},
	{"goose", regexp.MustCompile(`\.sql$`), regexp.MustCompile(`(?mi)^--\s*\+goose up`), "copy again with --data migrations_dir=%s, or move the files to the folder that .goose.yml names"},
	{"goose, in Go", regexp.MustCompile(`^\d+_.*\.go$`), regexp.MustCompile(`goose\.AddMigration`), "replace each with an SQL file of the same version"},
	{"Flyway", regexp.MustCompile(`^[VUR][0-9._]*__.*\.sql$`), nil, byHand},
	{"Alembic", regexp.MustCompile(`\.py$`), regexp.MustCompile(`(?m)^from alembic import op|^down_revision\b`), byHand},
	{"Django", regexp.MustCompile(`^\d{4}_.*\.py$`), regexp.MustCompile(`migrations\.Migration`), byHand},
	{"Rails", regexp.MustCompile(`^\d+_.*\.rb$`), regexp.MustCompile(`ActiveRecord::Migration`), byHand},
	{"Prisma", regexp.MustCompile(`^migration\.sql$`), nil, byHand},
	{"Atlas", regexp.MustCompile(`^atlas\.sum$`), nil, byHand},
	{"Liquibase", regexp.MustCompile(`\.(xml|ya?ml|json|sql)$`), regexp.MustCompile(`databaseChangeLog|(?m)^--\s*liquibase formatted sql`), byHand},
	{"sqlx, or of no tool that is known,", regexp.MustCompile(`^\d+_.*\.sql$`), nil, byHand},
}

// pile is a folder with the files of one tool.
type pile struct {
	kind
	folder, first string
	files         int
}

// sort puts a migration to the others of its folder.
func (f Folder) sort(folders map[string]*pile, file, content string) {
	folder, name := path.Dir(file), path.Base(file)
	for _, each := range kinds {
		if !each.name.MatchString(name) || each.content != nil && !each.content.MatchString(content) {
			continue
		}
		if each.tool == "goose" && f.known(folder) {
			return
		}
		if each.tool == "Prisma" && !strings.Contains(folder, "migrations/") {
			return
		}
		if each.tool == "Prisma" { // a folder for each
			folder = path.Dir(folder)
		}
		key := each.tool + " " + folder
		if folders[key] == nil {
			folders[key] = &pile{kind: each, folder: folder, first: file}
		}
		folders[key].files++
		return
	}
}

func (p pile) finding() Finding {
	wayOut := p.wayOut
	if strings.Contains(wayOut, "%s") {
		wayOut = fmt.Sprintf(wayOut, p.folder)
	}
	return Finding{Files, p.first, 1, fmt.Sprintf("%s of %s in %s", report.Count(p.files, "file", "files"), p.tool, p.folder), wayOut}
}

// FirstMigration is the file that the template brings where a service has no migration yet.
const FirstMigration = "00001_init_schema.sql"

// first finds the migration that the template brings where it sees no other, beside those that lie elsewhere.
func (f Folder) first() []Finding {
	var found []Finding
	for _, known := range f.Known {
		file := path.Join(filepath.ToSlash(known), FirstMigration)
		if content, err := os.ReadFile(filepath.Join(f.Path, file)); err == nil && strings.Contains(string(content), "schema_metadata") {
			found = append(found, Finding{Files, file, 1, "is the template's first migration, and the service has others",
				"remove it, and with it the seed 00001_test_data.sql, which writes into its table"})
		}
	}
	return found
}

// reserved is how the engine's own tables begin, and schema_metadata is that of the template's first migration.
var reserved = regexp.MustCompile(`^(goose_db_version|goose_seed_version)|^schema_metadata$`)

var creates = regexp.MustCompile(`(?i)create\s+table`)

// tables finds SQL of the service's own that makes a table which the engine or the template makes too.
func (f Folder) tables(file, content string) []Finding {
	if !strings.HasSuffix(file, ".sql") || strings.HasSuffix(file, FirstMigration) || !creates.MatchString(content) {
		return nil
	}
	parsed, err := sqlparser.Parse(content)
	if err != nil {
		return nil
	}
	var found []Finding
	for _, statement := range parsed {
		table := statement.Node.Child("relation").Text("relname")
		if statement.Kind != "CreateStmt" || !reserved.MatchString(table) {
			continue
		}
		found = append(found, Finding{Histories, file, 1 + strings.Count(content[:statement.Offset], "\n"), "creates " + table + ", which is a table of the template's",
			"give it another name, or name another table in .goose.yml; schema_metadata goes with migrations/" + FirstMigration})
	}
	return found
}
