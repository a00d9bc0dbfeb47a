package metrics

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"migrate/internal/failure"
)

// WriteFile replaces a file, at once as a whole: a collector may read it at any moment.
func (r Run) WriteFile(path string) error {
	earlier, err := os.ReadFile(path)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = replace(path, r.text(string(earlier)))
	}
	if err != nil {
		var where *fs.PathError // of a file that only this package knows
		if errors.As(err, &where) {
			err = where.Err
		}
		return failure.Refused("the metrics were not written to %s (%s): let MIGRATION_METRICS_FILE name a file "+
			"in a folder that exists and may be written", path, err)
	}
	return nil
}

func replace(path, text string) error {
	// Not *.prom, which the collector would read.
	unfinished, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(unfinished.Name())
	_, err = unfinished.WriteString(text)
	// The collector runs as another user.
	err = errors.Join(err, unfinished.Chmod(0o644), unfinished.Close())
	if err != nil {
		return err
	}
	return os.Rename(unfinished.Name(), path)
}
