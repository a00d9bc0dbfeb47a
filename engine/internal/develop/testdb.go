package develop

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
)

// TestdbOptions choose what the database holds, and how long it stays.
type TestdbOptions struct {
	// Seed loads the seeds, too.
	Seed bool
	// Wait stays until the standard input ends, and then drops the database.
	Wait bool
	// Keep is how long it stays where nobody drops it, as in 1h.
	Keep string
}

// longestKeep is what a database for one test may take, and how long a template lasts that nobody uses.
const longestKeep = 24 * time.Hour

func (o TestdbOptions) keep() (time.Duration, error) {
	keep, err := time.ParseDuration(o.Keep)
	if err != nil || keep < time.Second || keep > longestKeep {
		return 0, failure.Refused("--keep is %q: name a time from 1s to 24h, as in 30m or 1h", o.Keep)
	}
	return keep, nil
}

// Testdb prints the address of a fresh database with every migration applied. It is a copy of a template that is made once for
// the same files. Its name says when it may be dropped; whoever asks for the next one drops what is past that.
func (e *Engine) Testdb(ctx context.Context, options TestdbOptions) error {
	keep, err := options.keep()
	if err != nil {
		return err
	}
	target, err := e.Target()
	if err != nil {
		return err
	}
	if err := target.Environment.CheckDisposable("testdb"); err != nil {
		return err
	}
	if target.Pooled() {
		return failure.Refused("lock is table in %s: a pooler knows no database that is made for one test: name the server itself in DB_HOST, "+
			"and an own %s without lock for the tests", config.ProjectFile, config.ProjectFile)
	}
	content := sync.OnceValues(func() ([]byte, error) { return e.content(target, options.Seed) })
	go func() { _, _ = content() }() // while the session is opened
	databases := testDatabases{Engine: e, target: target, keep: keep, seed: options.Seed, content: content}
	session, name, err := databases.make(ctx)
	if err != nil {
		return err
	}
	err = e.printAddress(target.Elsewhere(name))
	if err == nil {
		databases.tidy(ctx, session)
	}
	session.Close()
	if err == nil && !options.Wait {
		return nil
	}
	if err == nil {
		awaitEnd(ctx, e.Terminal.In)
	}
	return cmp.Or(err, databases.drop(ctx, name))
}

func (e *Engine) printAddress(target connection.Target) error {
	program, err := os.Executable()
	if err != nil {
		return failure.Refused("the folder of this program cannot be found (%s): run tools/migrate/bin/migrate-dev", err)
	}
	address, err := target.URL(filepath.Dir(program))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(e.Terminal.Out, address); err != nil {
		return failure.Refused("the address cannot be printed (%s): run again with an open standard output", err)
	}
	return nil
}

// awaitEnd waits until whoever started the program closes its end of the standard input, as the system does when it dies.
func awaitEnd(ctx context.Context, input io.Reader) {
	ended := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, input)
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}
