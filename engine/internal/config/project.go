// Package config reads what the service says about itself: .goose.yml, .env and the environment. It opens no connection, and
// never writes a file.
//
// May import: environment, failure, migration, sqltext.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/sqltext"
)

// ProjectFile is the name of the file that describes the service.
const ProjectFile = ".goose.yml"

// Project is .goose.yml with every default filled in.
type Project struct {
	Service    string
	Author     string
	Migrations Stream
	Seed       Stream
	// Schema is the file that says what the migrations make.
	Schema string
	// OutOfOrder lets a file with a lower number than an applied one be applied late.
	OutOfOrder bool
	Database   Database
	Lock       Lock
	rules      map[environment.Environment]environment.Rules
}

// Stream is a folder of migrations with the version table that remembers which of them are applied.
type Stream struct {
	Dir             string `yaml:"dir"`
	Table           string `yaml:"table"`
	migration.Rules `yaml:",inline"`
}

// ReadDirectory lists the files.
func (s Stream) ReadDirectory() (migration.Directory, error) {
	return migration.ReadDirectory(s.Dir, s.Rules)
}

// BareTable is the version table's name without that of its schema.
func (s Stream) BareTable() string { return s.Table[strings.LastIndex(s.Table, ".")+1:] }

// Lock is how runners keep out of each other's way.
type Lock string

// The locks: one that belongs to a session of the server, and one for poolers, behind which no session lasts.
const (
	SessionLock Lock = "session"
	TableLock   Lock = "table"
)

// Database holds the defaults of DB_NAME and DB_USER.
type Database struct {
	Name string `yaml:"name"`
	User string `yaml:"user"`
}

// Rules returns what .goose.yml says about an environment.
func (p Project) Rules(e environment.Environment) environment.Rules { return p.rules[e] }

type file struct {
	Driver       string `yaml:"driver"`
	Stream       `yaml:",inline"`
	CheckFrom    string               `yaml:"check_from"`
	OutOfOrder   string               `yaml:"out_of_order"`
	Seed         Stream               `yaml:"seed"`
	Schema       string               `yaml:"schema"`
	Service      string               `yaml:"service"`
	Author       string               `yaml:"author"`
	Database     Database             `yaml:"database"`
	Lock         Lock                 `yaml:"lock"`
	Environments map[string]fileRules `yaml:"environments"`
}

type fileRules struct {
	SSLMode        string   `yaml:"ssl_mode"`
	SSLRootCert    string   `yaml:"ssl_root_cert"`
	PlaintextHosts []string `yaml:"plaintext_hosts"`
}

// ReadProject reads .goose.yml in a folder.
func ReadProject(folder string) (Project, error) {
	content, err := os.ReadFile(filepath.Join(folder, ProjectFile))
	if errors.Is(err, fs.ErrNotExist) {
		return Project{}, failure.Refused("no %s in this folder: run from the service's own folder, where %s is",
			ProjectFile, ProjectFile)
	}
	if err != nil {
		return Project{}, failure.Refused("%s cannot be read (%s): correct its permissions", ProjectFile, reason(err))
	}
	return ParseProject(content)
}

// ParseProject reads the content of a .goose.yml.
func ParseProject(content []byte) (Project, error) {
	sequence := migration.Rules{Naming: migration.Sequence}
	read := file{
		Driver: "postgres",
		Stream: Stream{Dir: "./migrations", Table: "goose_db_version", Rules: sequence},
		Seed:   Stream{Dir: "./migrations-seed", Table: "goose_seed_version", Rules: sequence},
		Lock:   SessionLock,
	}
	if err := yaml.Load(content, &read, yaml.WithKnownFields()); err != nil {
		return Project{}, failure.Refused("%s: %s: correct the file", ProjectFile, explainYAML(err))
	}
	project := Project{
		Service:    read.Service,
		Author:     read.Author,
		Migrations: read.Stream,
		Seed:       read.Seed,
		Schema:     cmp.Or(read.Schema, filepath.Join(filepath.Dir(filepath.Clean(read.Dir)), "schema.sql")),
		Database:   read.Database,
		Lock:       read.Lock,
		rules:      map[environment.Environment]environment.Rules{},
	}
	if read.Driver != "postgres" && read.Driver != "pgx" {
		return Project{}, failure.Refused("%s: driver is %q: the engine knows postgres only: write postgres", ProjectFile, read.Driver)
	}
	switch read.OutOfOrder {
	case "", "refuse":
	case "allow":
		project.OutOfOrder = true
	default:
		return Project{}, failure.Refused("%s: out_of_order is %q: write allow or refuse", ProjectFile, read.OutOfOrder)
	}
	if read.Lock != SessionLock && read.Lock != TableLock {
		return Project{}, failure.Refused("%s: lock is %q: write session, or table where the way leads through PgBouncer", ProjectFile, read.Lock)
	}
	if read.CheckFrom != "" {
		// As text, because YAML would take 00012 for an octal number.
		from, err := strconv.ParseInt(read.CheckFrom, 10, 64)
		if err != nil || from < 1 {
			return Project{}, failure.Refused("%s: check_from is %q: write the number of the first migration that has to keep the rules, as in 00012",
				ProjectFile, read.CheckFrom)
		}
		project.Migrations.CheckFrom = from
	}
	if err := project.checkStreams(); err != nil {
		return Project{}, err
	}
	for key, rules := range read.Environments {
		if err := project.addRules(key, rules); err != nil {
			return Project{}, err
		}
	}
	return project, nil
}

// longestName leaves room for _environment within the 63 characters of a name.
const longestName = 51

func (p Project) checkStreams() error {
	for _, each := range []struct {
		prefix string
		Stream
	}{{"", p.Migrations}, {"seed.", p.Seed}} {
		if !sqltext.IsPlainTable(each.Table) { // it goes into SQL as it is, in goose as well as here
			return failure.Refused("%s: %stable is %q: use lower-case letters, digits and _ (or schema.table), "+
				"at most 63 characters each", ProjectFile, each.prefix, each.Table)
		}
		if each.Naming != migration.Sequence && each.Naming != migration.AsGoose {
			return failure.Refused("%s: %snaming is %q: write sequence, or goose where databases have applied files under other names",
				ProjectFile, each.prefix, each.Naming)
		}
		if each.Dir == "" {
			return failure.Refused("%s: %sdir is empty: name a folder, as in ./migrations", ProjectFile, each.prefix)
		}
	}
	if len(p.Migrations.BareTable()) > longestName {
		return failure.Refused("%s: table is %q: at most %d characters, so that the names of the tables beside it are as long as "+
			"PostgreSQL's names may be: shorten it", ProjectFile, p.Migrations.Table, longestName)
	}
	if p.Migrations.Table == p.Seed.Table {
		return failure.Refused("%s: table and seed.table are both %q: give each a table of its own, "+
			"or seeds and migrations hide each other", ProjectFile, p.Seed.Table)
	}
	if filepath.Clean(p.Migrations.Dir) == filepath.Clean(p.Seed.Dir) {
		return failure.Refused("%s: dir and seed.dir are both %q: give the seeds a folder of their own", ProjectFile, p.Seed.Dir)
	}
	return nil
}

func (p Project) addRules(key string, read fileRules) error {
	name, err := environment.ParseKey(key)
	if err != nil {
		return err
	}
	rules := environment.Rules{
		SSLMode:        name.WeakestSSLMode(),
		SSLRootCert:    read.SSLRootCert,
		PlaintextHosts: read.PlaintextHosts,
	}
	if read.SSLMode != "" {
		rules.SSLMode, err = environment.ParseSSLMode(fmt.Sprintf("%s: environments.%s.ssl_mode", ProjectFile, key), read.SSLMode)
		if err != nil {
			return err
		}
	}
	p.rules[name] = rules
	return name.Check(rules)
}

var unknownField = regexp.MustCompile(`^field (\S+) not found in type .*`)

// explainYAML turns the parser's words, which name Go types, into words about the file.
func explainYAML(err error) string {
	var several *yaml.LoadErrors
	if errors.As(err, &several) && len(several.Errors) > 0 {
		err = several.Errors[0]
	}
	var problem *yaml.LoadError
	if !errors.As(err, &problem) {
		return err.Error()
	}
	message := unknownField.ReplaceAllString(strings.TrimPrefix(problem.Message, "yaml: "), `unknown key "$1"`)
	if problem.Mark.Line == 0 {
		return message
	}
	return fmt.Sprintf("line %d: %s", problem.Mark.Line, message)
}
