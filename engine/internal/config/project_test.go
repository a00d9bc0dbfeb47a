package config

import (
	"strings"
	"testing"

	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/migration"
)

func TestThreeLinesAreAProject(t *testing.T) {
	folder := t.TempDir()
	write(t, folder, ProjectFile, "driver: postgres\ndir: ./migrations\ntable: goose_db_version\n")
	project, err := ReadProject(folder)
	if err != nil {
		t.Fatal(err)
	}
	if project.Migrations != (Stream{"./migrations", "goose_db_version", migration.Rules{Naming: migration.Sequence}}) || project.Seed != (Stream{"./migrations-seed", "goose_seed_version", migration.Rules{Naming: migration.Sequence}}) {
		t.Errorf("%+v", project)
	}
}

func TestEveryKeyOfTheProjectIsRead(t *testing.T) {
	project, err := ParseProject([]byte(`
driver: postgres
dir: db
table: audit.versions
naming: goose
check_from: 00012
out_of_order: allow
seed: {dir: seeds, table: seeds_done}
service: avion-auth
author: "auth team"
database: {name: auth_db, user: auth}
environments:
  development: {ssl_mode: disable, plaintext_hosts: [postgres]}
  production: {ssl_mode: verify-full, ssl_root_cert: system}
`))
	if err != nil {
		t.Fatal(err)
	}
	if project.Migrations != (Stream{"db", "audit.versions", migration.Rules{Naming: migration.AsGoose, CheckFrom: 12}}) || project.Seed != (Stream{"seeds", "seeds_done", migration.Rules{Naming: migration.Sequence}}) ||
		!project.OutOfOrder || project.Service != "avion-auth" || project.Author != "auth team" || project.Database != (Database{"auth_db", "auth"}) {
		t.Errorf("%+v", project)
	}
	if rules := project.Rules(environment.Production); rules.SSLMode != environment.SSLVerifyFull || rules.SSLRootCert != "system" {
		t.Errorf("%+v", rules)
	}
	if rules := project.Rules(environment.Development); len(rules.PlaintextHosts) != 1 {
		t.Errorf("%+v", rules)
	}
}

func TestABadProjectIsRefusedInWordsAboutTheFile(t *testing.T) {
	for content, want := range map[string]string{
		"":                                    "no documents",
		"check_from: 0\n":                     `check_from is "0": write the number`,
		"check_from: new\n":                   `check_from is "new": write the number`,
		"seed: {check_from: 2}\n":             `unknown key "check_from"`,
		"drvier: postgres\n":                  `line 1: unknown key "drvier"`,
		"dir: a\nseed: {folder: b}\n":         `line 2: unknown key "folder"`,
		"dir: a\ndir: b\n":                    "line 2",
		"dir: [a]\n":                          "line 1",
		"a: [\n":                              "line",
		"driver: mysql\n":                     `driver is "mysql"`,
		"out_of_order: perhaps\n":             `out_of_order is "perhaps"`,
		"out_of_order: true\n":                "out_of_order",
		"table: a." + strings.Repeat("b", 52): "at most 51 characters",
		"table: 'a; DROP TABLE b'\n":          "table is",
		"table: Goose\n":                      "table is",
		"seed: {table: ''}\n":                 "seed.table is",
		"naming: timestamp\n":                 `naming is "timestamp"`,
		"dir: ''\n":                           "dir is empty",
		"table: goose_seed_version\n":         "a table of its own",
		"dir: migrations-seed/\n":             "a folder of their own",
		"environments: {prod: {}}\n":          "environments.prod",
		"environments: {test: {tls: on}}\n":   `unknown key "tls"`,
		"environments: {test: {ssl_mode: x}}": "environments.test.ssl_mode",
		"environments: {production: {plaintext_hosts: [db]}}\n": "only development and test",
		"dir: a\n---\ndir: b\n":                                 "single document",
	} {
		_, err := ParseProject([]byte(content))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "config.") {
			t.Errorf("%q: %v, without %q", content, err, want)
		}
	}
}

func TestAMissingProjectIsRefused(t *testing.T) {
	if _, err := ReadProject(t.TempDir()); err == nil || !strings.Contains(err.Error(), "no .goose.yml") {
		t.Error(err)
	}
}

func TestTheLockIsASessionsUnlessTheFileSaysTable(t *testing.T) {
	for text, want := range map[string]Lock{"driver: postgres\n": SessionLock, "lock: session\n": SessionLock, "lock: table\n": TableLock} {
		project, err := ParseProject([]byte(text))
		if err != nil || project.Lock != want {
			t.Errorf("%q: %q, %v", text, project.Lock, err)
		}
	}
	for _, text := range []string{"lock: none\n", "lock: Table\n", "lock: ''\n"} {
		if _, err := ParseProject([]byte(text)); err == nil || !strings.Contains(err.Error(), "lock is") {
			t.Errorf("%q: %v", text, err)
		}
	}
}
