package develop

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/child"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqltext"
)

// SchemaOptions choose what is done with the schema.
type SchemaOptions struct {
	// Check compares the file with the schema instead of writing it.
	Check bool
}

// SchemaFile writes what the migrations make into the file beside their folder, as pg_dump puts it, or says that the file is not
// that.
func (e *Engine) SchemaFile(ctx context.Context, options SchemaOptions) error {
	path := e.Project.Schema
	before, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && options.Check:
		e.Report.Say("%s is not there: nothing to compare", path)
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return failure.Refused("%s cannot be read: correct its permissions", path)
	}
	target, err := e.Target()
	if err != nil {
		return err
	}
	if err := target.Environment.CheckDisposable("schema"); err != nil {
		return err
	}
	dumped, major, err := e.dumpSchema(ctx, target)
	if err != nil {
		return err
	}
	if options.Check {
		if written := writtenOn.FindSubmatch(before); written != nil && string(written[1]) != major {
			e.Report.Say("%s was written on PostgreSQL %s, and this server is %s: not compared", path, written[1], major)
			return nil
		}
		if !bytes.Equal(before, dumped) {
			return failure.Refused("%s is not what the migrations make: write it anew with make migrate-schema, and commit it with them", path)
		}
		e.Report.Say("%s is what the migrations make", path)
		return nil
	}
	if bytes.Equal(before, dumped) {
		e.Report.Say("%s is what the migrations make already", path)
		return nil
	}
	if err := os.WriteFile(path, dumped, 0o644); err != nil {
		return failure.Refused("%s cannot be written (%s): make room for it, or correct its permissions", path, err)
	}
	e.Report.Say("wrote %s", path)
	return nil
}

// dumpSchema is the schema of a copy as testdb makes one, and the server's major version.
func (e *Engine) dumpSchema(ctx context.Context, target connection.Target) ([]byte, string, error) {
	databases := testDatabases{
		Engine: e, target: target, keep: time.Hour, content: sync.OnceValues(func() ([]byte, error) { return e.content(target, false) }),
	}
	session, name, err := databases.make(ctx)
	if err != nil {
		return nil, "", err
	}
	major, err := session.major(ctx)
	var text []byte
	if err == nil {
		text, err = e.pgDump(ctx, session, target.Elsewhere(name), major)
	}
	databases.tidy(ctx, session)
	session.Close()
	return text, major, cmp.Or(err, databases.drop(ctx, name))
}

// pgDump asks the pg_dump of this machine, or else that of the server, for the schema of a database.
func (e *Engine) pgDump(ctx context.Context, session *maintenanceSession, target connection.Target, major string) ([]byte, error) {
	arguments := []string{"--schema-only", "--no-owner", "--no-privileges"}
	for _, table := range []string{e.Project.Migrations.Table, e.Project.Seed.Table} {
		arguments = append(arguments, "--exclude-table="+sqltext.Name(strings.Split(table, ".")...)+"*")
	}
	program := findPgDump(ctx, major)
	if program == "" {
		dumped, reason := session.dump(ctx, target.Database, arguments)
		if reason != "" {
			return nil, failure.Refused("no pg_dump of PostgreSQL %s, which the server is, was found on the PATH or in /usr/lib/postgresql/%s/bin, and the server's own "+
				"cannot be used (%s): install it, as with apt-get install postgresql-client-%s", major, major, reason, major)
		}
		return normalised(dumped, major), nil
	}
	command := child.Command(ctx, program, arguments...)
	command.Env = append(command.Env, target.Environ()...)
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		return nil, failure.Refused("%s could not read the schema (%s): see to what it says and run again", program, strings.Join(strings.Fields(said.String()), " "))
	}
	return normalised(out.Bytes(), major), nil
}

var pgDumpVersion = regexp.MustCompile(`\(PostgreSQL\) ([0-9]+)`)

// findPgDump looks for the one of the server's major version: another one writes the same schema in other words.
func findPgDump(ctx context.Context, major string) string {
	for _, candidate := range []string{"pg_dump", "/usr/lib/postgresql/" + major + "/bin/pg_dump", "/usr/pgsql-" + major + "/bin/pg_dump"} {
		path, err := exec.LookPath(candidate)
		if err != nil {
			continue
		}
		output, err := child.Command(ctx, path, "--version").Output()
		if version := pgDumpVersion.FindSubmatch(output); err == nil && version != nil && string(version[1]) == major {
			return filepath.Clean(path)
		}
	}
	return ""
}

const programsQuery = `
SELECT setting, split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), session_user
FROM pg_config WHERE name = 'BINDIR'`

// dump lets the server run its own pg_dump, as only a superuser may. No password goes there: that of a container asks for none. It
// also tells why it cannot.
func (s *maintenanceSession) dump(ctx context.Context, database string, arguments []string) ([]byte, string) {
	var programs, socket, port, user string
	if err := s.QueryRowContext(ctx, programsQuery).Scan(&programs, &socket, &port, &user); err != nil {
		return nil, said(err)
	}
	words := slices.Concat([]string{programs + "/pg_dump", "--no-password", "--host=" + socket, "--port=" + port, "--username=" + user}, arguments, []string{database})
	for i, word := range words {
		words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	transaction, err := s.BeginTx(ctx, nil)
	if err != nil {
		return nil, said(err)
	}
	defer func() { _ = transaction.Rollback() }()
	// As digits on one line, because COPY would take some lines of SQL for its own.
	script := "out=$(" + strings.Join(words, " ") + `) && printf '%s\n' "$out" | od -An -v -tx1 | tr -d ' \n'`
	for _, statement := range []string{"CREATE TEMPORARY TABLE dumped (text text)", "COPY dumped FROM PROGRAM " + sqltext.Literal(script)} {
		if _, err := transaction.ExecContext(ctx, statement); err != nil {
			return nil, said(err)
		}
	}
	var dumped []byte
	if err := transaction.QueryRowContext(ctx, "SELECT decode(text, 'hex') FROM dumped").Scan(&dumped); err != nil {
		return nil, said(err)
	}
	return dumped, ""
}

// said is what the server said, without the program that it was given.
func said(err error) string {
	server, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok:
		return err.Error()
	case server.Code == pgerrcode.ExternalRoutineException:
		return "it fails, and the server's log says why"
	default:
		return server.Message
	}
}

var (
	writtenOn = regexp.MustCompile(`(?m)^-- What the migrations make on PostgreSQL ([0-9]+);`)
	// Of a minor release, of the run, or of psql alone.
	passing = regexp.MustCompile(`(?m)^(-- Dumped (from|by) .*|\\(un)?restrict .*|-- PostgreSQL database dump( complete)?|--)\n`)
	blanks  = regexp.MustCompile(`\n{3,}`)
)

// normalised is the same text for the same schema, whatever the minor releases of server and pg_dump are.
func normalised(dump []byte, major string) []byte {
	text := passing.ReplaceAll(dump, nil)
	text = bytes.TrimSpace(blanks.ReplaceAll(text, []byte("\n\n")))
	return fmt.Appendf(nil, "-- What the migrations make on PostgreSQL %s; make migrate-schema writes this file.\n\n%s\n", major, text)
}
