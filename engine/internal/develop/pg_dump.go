package develop

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5/pgconn"

	"avion.internal/migrate/internal/child"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqltext"
)

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
		return dumped, nil
	}
	command := child.Command(ctx, program, arguments...)
	command.Env = append(command.Env, target.Environ()...)
	var out, said bytes.Buffer
	command.Stdout, command.Stderr = &out, &said
	if err := command.Run(); err != nil {
		return nil, failure.Refused("%s could not read the schema (%s): see to what it says and run again", program, strings.Join(strings.Fields(said.String()), " "))
	}
	return out.Bytes(), nil
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
