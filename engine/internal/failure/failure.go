// Package failure holds the one error type of the program: a sentence for a person and an exit code for a pipeline. It never
// ends the program, and never prints.
//
// May import: nothing of this module.
package failure

import (
	"errors"
	"fmt"
)

// Code is the exit code of the program.
type Code int

// The exit codes are an interface: pipelines and Kubernetes Jobs decide by them whether to try again.
const (
	CodeDone            Code = 0
	CodeRefused         Code = 1
	CodePending         Code = 2
	CodeMigrationFailed Code = 3
	CodeUnreachable     Code = 4
	CodeHistoryMismatch Code = 5
	CodeLocked          Code = 75 // the same as EX_TEMPFAIL
)

// Description is what a program says about an exit code.
type Description struct {
	Code    Code   `json:"code"`
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
	// TryAgain tells whether the same command may succeed later although nobody has changed anything.
	TryAgain bool `json:"try_again"`
}

// Codes describes every exit code.
func Codes() []Description {
	return []Description{
		{CodeDone, "Done", "done", false},
		{CodeRefused, "Refused", "usage, configuration, or a guard said no", false},
		{CodePending, "Pending", "something is left to do: migrations that are not applied, or work of a backfill", true},
		{CodeMigrationFailed, "MigrationFailed", "the SQL of a migration failed: never worth a retry", false},
		{CodeUnreachable, "Unreachable", "no connection, no TLS, or no login", true},
		{CodeHistoryMismatch, "HistoryMismatch", "the version table and the files tell different stories", false},
		{CodeLocked, "Locked", "another runner holds the lock; the same as EX_TEMPFAIL", true},
	}
}

// Error is what went wrong, in one sentence that names the value found, the rule, and the next step. Behind the sentence is
// its cause, for errors.Is and errors.As.
type Error struct {
	Code     Code
	Sentence string
	// File and Line are where the mistake is, as far as it is in a file.
	File string
	Line int

	cause error
}

// Error returns the sentence.
func (e *Error) Error() string { return e.Sentence }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.cause }

// Refused reports a mistake in usage or configuration, or a guard that said no. Nothing was changed. Here and in the others, a
// value that is written with %w becomes the cause.
func Refused(format string, values ...any) error {
	return told(CodeRefused, fmt.Errorf(format, values...))
}

// Pending reports migrations that are not applied.
func Pending(format string, values ...any) error {
	return told(CodePending, fmt.Errorf(format, values...))
}

// MigrationFailed reports that the SQL of a migration failed.
func MigrationFailed(format string, values ...any) error {
	return told(CodeMigrationFailed, fmt.Errorf(format, values...))
}

// Unreachable reports that no session with the database could be opened or kept.
func Unreachable(format string, values ...any) error {
	return told(CodeUnreachable, fmt.Errorf(format, values...))
}

// HistoryMismatch reports that the version table and the files on disk disagree.
func HistoryMismatch(format string, values ...any) error {
	return told(CodeHistoryMismatch, fmt.Errorf(format, values...))
}

// Locked reports that another runner holds the lock.
func Locked(format string, values ...any) error {
	return told(CodeLocked, fmt.Errorf(format, values...))
}

// Because puts the cause behind an error whose sentence tells it in other words: redacted, or shortened.
func Because(cause, err error) error {
	failure, told := errors.AsType[*Error](err)
	if !told || errors.Is(cause, err) {
		return err
	}
	explained := *failure
	explained.cause = cause
	return &explained
}

// About says in front of a sentence what it is about.
func About(what string, err error) error {
	if err == nil {
		return nil
	}
	return told(CodeOf(err), fmt.Errorf("%s: %w", what, err))
}

// RefusedAt is Refused for a line of a file, with which the sentence begins.
func RefusedAt(file string, line int, format string, values ...any) error {
	return At(file, line, Refused("%s line %d %w", file, line, fmt.Errorf(format, values...)))
}

// At tells the place of a mistake, unless the error knows a closer one.
func At(file string, line int, err error) error {
	var failure *Error
	if !errors.As(err, &failure) || failure.File != "" {
		return err
	}
	placed := *failure
	placed.File, placed.Line = file, line
	return &placed
}

// CodeOf returns the exit code of err; an error of another kind counts as refused.
func CodeOf(err error) Code {
	var failure *Error
	switch {
	case err == nil:
		return CodeDone
	case errors.As(err, &failure):
		return failure.Code
	default:
		return CodeRefused
	}
}

func told(code Code, sentence error) error {
	return &Error{Code: code, Sentence: sentence.Error(), cause: errors.Unwrap(sentence)}
}
