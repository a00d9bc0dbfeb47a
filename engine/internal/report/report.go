// Package report tells people, or a log collector, on stderr what a run does while it does it. It decides nothing, and writes
// no result: those go to stdout.
//
// May import: failure.
package report

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"avion.internal/migrate/internal/failure"
)

// Reporter writes one line an event.
type Reporter struct {
	Writer io.Writer
	// JSON is the form that LOG_FORMAT=json asks for.
	JSON                  bool
	database, environment string
}

// New reads LOG_FORMAT.
func New(writer io.Writer, format string) (Reporter, error) {
	if format != "" && format != "text" && format != "json" {
		return Reporter{}, failure.Refused("LOG_FORMAT is %q: write text or json", format)
	}
	return Reporter{Writer: writer, JSON: format == "json"}, nil
}

// About names the database in every line of JSON that follows.
func (r Reporter) About(database, environment string) Reporter {
	r.database, r.environment = database, environment
	return r
}

// Say writes a sentence.
func (r Reporter) Say(format string, values ...any) {
	r.write(slog.LevelInfo, "message", fmt.Sprintf(format, values...))
}

// Applied reports a migration that went up.
func (r Reporter) Applied(file string, took time.Duration) {
	r.migration("applied", fmt.Sprintf("ok %s (%s)", file, Milliseconds(took)), file, took)
}

// RolledBack reports a migration that went down.
func (r Reporter) RolledBack(file string, took time.Duration) {
	r.migration("rolled_back", fmt.Sprintf("rolled back %s (%s)", file, Milliseconds(took)), file, took)
}

// Failed reports the sentence of a program's error, with the exit code that goes with it.
func (r Reporter) Failed(program string, err error) {
	sentence := err.Error()
	if !r.JSON {
		sentence = program + ": " + sentence
	}
	r.write(slog.LevelError, "failed", sentence, slog.Int("exit_code", int(failure.CodeOf(err))))
}

// Milliseconds writes a duration the same way everywhere.
func Milliseconds(took time.Duration) string {
	return fmt.Sprintf("%d ms", took.Milliseconds())
}

// Count writes a number with what there is one of, or many, as in "1 file" and "2 files".
func Count(number int, one, many string) string {
	if number != 1 {
		one = many
	}
	return fmt.Sprintf("%d %s", number, one)
}

// Migrations counts them.
func Migrations(number int) string { return Count(number, "migration", "migrations") }

func (r Reporter) migration(event, sentence, file string, took time.Duration) {
	attributes := []slog.Attr{slog.String("file", file), slog.Int64("duration_ms", took.Milliseconds())}
	number, _, _ := strings.Cut(file, "_")
	if version, err := strconv.ParseInt(number, 10, 64); err == nil {
		attributes = append(attributes, slog.Int64("version", version))
	}
	r.write(slog.LevelInfo, event, sentence, attributes...)
}

func (r Reporter) write(level slog.Level, event, sentence string, attributes ...slog.Attr) {
	if !r.JSON {
		fmt.Fprintln(r.Writer, sentence)
		return
	}
	attributes = append([]slog.Attr{slog.String("event", event)}, attributes...)
	if r.database != "" {
		attributes = append(attributes, slog.String("database", r.database), slog.String("environment", r.environment))
	}
	slog.New(slog.NewJSONHandler(r.Writer, nil)).LogAttrs(context.Background(), level, sentence, attributes...)
}
