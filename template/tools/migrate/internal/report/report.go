// Package report tells people, on stderr, what a run does while it does it.
package report

import (
	"fmt"
	"io"
	"time"
)

// Reporter writes one line an event.
type Reporter struct {
	Writer io.Writer
}

// Say writes a sentence.
func (r Reporter) Say(format string, values ...any) {
	fmt.Fprintf(r.Writer, format+"\n", values...)
}

// Applied reports a migration that went up.
func (r Reporter) Applied(file string, took time.Duration) {
	r.Say("ok %s (%s)", file, Milliseconds(took))
}

// RolledBack reports a migration that went down.
func (r Reporter) RolledBack(file string, took time.Duration) {
	r.Say("rolled back %s (%s)", file, Milliseconds(took))
}

// Milliseconds writes a duration the same way everywhere.
func Milliseconds(took time.Duration) string {
	return fmt.Sprintf("%d ms", took.Milliseconds())
}
