package failure

import (
	"errors"
	"fmt"
	"testing"
)

func TestEachKindOfFailureHasItsExitCode(t *testing.T) {
	for code, err := range map[Code]error{
		0:  nil,
		1:  Refused("no"),
		2:  Pending("no"),
		3:  MigrationFailed("no"),
		4:  Unreachable("no"),
		5:  HistoryMismatch("no"),
		75: Locked("no"),
	} {
		if CodeOf(err) != code {
			t.Errorf("%v has exit code %d, not %d", err, CodeOf(err), code)
		}
	}
}

func TestAFailureKeepsItsCodeInsideAnotherError(t *testing.T) {
	if code := CodeOf(fmt.Errorf("around: %w", Locked("held by %d", 7))); code != CodeLocked {
		t.Errorf("got %d", code)
	}
}

func TestAnErrorOfAnotherKindCountsAsRefused(t *testing.T) {
	if code := CodeOf(errors.New("anything")); code != CodeRefused {
		t.Errorf("got %d", code)
	}
}

func TestAFailureKeepsItsCause(t *testing.T) {
	cause := errors.New("connection reset")
	for name, err := range map[string]error{
		"in its sentence":    Unreachable("no answer (%w): run again", cause),
		"in other words":     Because(cause, Unreachable("no answer: run again")),
		"with what it is of": About("the check", Because(cause, Unreachable("no answer: run again"))),
		"with its place":     At("00001_a.sql", 3, Unreachable("no answer (%w): run again", cause)),
	} {
		if !errors.Is(err, cause) || CodeOf(err) != CodeUnreachable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAFailureIsNotItsOwnCause(t *testing.T) {
	said := Refused("no")
	if err := Because(fmt.Errorf("around: %w", said), said); !errors.Is(err, said) || errors.Unwrap(err) != nil {
		t.Error(err)
	}
}
