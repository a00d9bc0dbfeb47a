package develop

import (
	"context"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/trace"
)

// patience is how long a server may take to answer before a trace does without it.
const patience = 5 * time.Second

// measured is what a trace has found of each file, by its name; why says why nothing was measured, empty if it was.
type measured struct {
	statements map[string][]trace.Statement
	why        string
}

// traceOn runs new migrations on a throw-away database beside the target, at a base. It never touches the target itself.
func traceOn(ctx context.Context, target connection.Target, before, files []trace.File) (measured, error) {
	if len(files) == 0 {
		return measured{}, nil
	}
	if err := target.Environment.CheckDisposable("measuring"); err != nil {
		return measured{why: err.Error()}, nil
	}
	if target.Pooled() {
		return measured{why: "the way to the server leads through a pooler, which keeps no session for a throw-away database"}, nil
	}
	dial := func(ctx context.Context, database string, change func(*pgx.ConnConfig)) (*pgx.Conn, error) {
		patient, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return target.Elsewhere(database).Session(patient, change)
	}
	server, err := trace.Open(ctx, dial, target.Database)
	if err != nil {
		return measured{why: err.Error()}, nil
	}
	defer server.Close(ctx)
	base, err := server.Base(ctx, before)
	if err != nil {
		return measured{why: "no throw-away database could be made: " + err.Error()}, nil
	}
	traced, err := base.TraceLast(ctx, files)
	if err != nil {
		return measured{why: "no throw-away database could be made: " + err.Error()}, nil
	}
	found := measured{statements: map[string][]trace.Statement{}}
	for _, each := range traced {
		found.statements[each.File] = each.Statements
	}
	return found, ctx.Err()
}

// traceable are migrations as a trace runs them.
func traceable(directory migration.Directory, migrations []migration.Migration) ([]trace.File, error) {
	var files []trace.File
	for _, each := range migrations {
		script, err := directory.Script(each)
		if err != nil {
			return nil, err
		}
		files = append(files, trace.File{Name: each.File, NoTransaction: script.NoTransaction, Statements: script.Up})
	}
	return files, nil
}

// seeds are the test data of a stream, nothing where there is none or it cannot be read: a base is there without them too.
func seeds(stream config.Stream) []trace.File {
	if _, err := os.Stat(stream.Dir); err != nil {
		return nil
	}
	directory, err := migration.ReadDirectory(stream.Dir, stream.Naming)
	if err != nil {
		return nil
	}
	files, err := traceable(directory, directory.Migrations)
	if err != nil {
		return nil
	}
	for position := range files {
		files[position].Name = "seed " + files[position].Name
	}
	return files
}
