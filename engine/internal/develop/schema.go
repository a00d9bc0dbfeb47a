package develop

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"sync"
	"time"

	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
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
	return normalised(text, major), major, cmp.Or(err, databases.drop(ctx, name))
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
