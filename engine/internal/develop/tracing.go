package develop

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/trace"
)

// longestAnswer is how long a server may take to answer before a trace does without it.
const longestAnswer = 5 * time.Second

// measured is what a trace has found of each file, by its name; why says why nothing was measured, empty if it was.
type measured struct {
	statements map[string][]trace.Statement
	why        string
	// note is what people should know of how it was measured.
	note string
}

// traceOn runs new migrations on a throw-away database beside the target, at a base. It never touches the target itself. Where
// the engine's tables are named, the target has to consist of what the base does, or a copy of it takes the base's place.
func traceOn(ctx context.Context, target connection.Target, before, files []trace.File, engine ...string) (measured, error) {
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
		patient, cancel := context.WithTimeout(ctx, longestAnswer)
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
	note := ""
	if len(engine) > 0 {
		if base, note, err = likeTarget(ctx, server, base, target.Database, engine); err != nil {
			return measured{why: "no throw-away database could be made: " + err.Error()}, nil
		}
	}
	traced, err := base.TraceLast(ctx, files)
	if err != nil {
		return measured{why: "no throw-away database could be made: " + err.Error()}, nil
	}
	found := measured{statements: map[string][]trace.Statement{}, note: note}
	for _, each := range traced {
		found.statements[each.File] = each.Statements
	}
	return found, ctx.Err()
}

// likeTarget is the base, or a copy of the target where that consists of something else than its migrations make.
func likeTarget(ctx context.Context, server *trace.Server, base *trace.Base, database string, engine []string) (*trace.Base, string, error) {
	if same, err := base.Resembles(ctx, engine); same || err != nil {
		return base, "", err
	}
	original, err := server.BaseOfOriginal(ctx)
	if err != nil {
		return base, fmt.Sprintf("%s is not what its migrations make, and could not be copied (%s): what is told was measured on what they make", database, err), nil
	}
	if err := base.Drop(ctx); err != nil {
		return nil, "", err
	}
	return original, fmt.Sprintf("%s is not what its migrations make: what is told was measured on a copy of it", database), nil
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
	directory, err := stream.ReadDirectory()
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
