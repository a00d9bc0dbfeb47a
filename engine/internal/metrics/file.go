package metrics

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"avion.internal/migrate/internal/failure"
)

// abandoned is how old a file must be that nobody is going to finish: its run was killed.
const abandoned = 10 * time.Second

// WriteFile replaces a file, at once as a whole: a collector may read it at any moment. Runs that end together take
// turns, so that none of them loses what another one has told.
func (r Run) WriteFile(path string) error {
	err := r.replace(path)
	if err != nil {
		if where, ok := errors.AsType[*fs.PathError](err); ok { // of a file that only this package knows
			err = where.Err
		}
		return failure.Refused("the metrics were not written to %s (%w): let MIGRATION_METRICS_FILE name a file "+
			"in a folder that exists and may be written", path, err)
	}
	return nil
}

func (r Run) replace(path string) error {
	unfinished, err := claim(filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".unfinished"))
	if err != nil {
		return err
	}
	earlier, err := os.ReadFile(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		_, err = unfinished.WriteString(r.text(string(earlier)))
	}
	// The collector runs as another user.
	err = errors.Join(err, unfinished.Chmod(0o644), unfinished.Close())
	if err == nil {
		err = os.Rename(unfinished.Name(), path)
	}
	if err != nil {
		os.Remove(unfinished.Name())
	}
	return err
}

// claim creates the file that is to replace another one. While it is there, it is the turn of the run that created it.
func claim(name string) (*os.File, error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if !errors.Is(err, fs.ErrExist) || time.Now().After(deadline) {
			return file, err
		}
		if left, err := os.Stat(name); err == nil && time.Since(left.ModTime()) > abandoned {
			os.Remove(name)
		}
	}
}
