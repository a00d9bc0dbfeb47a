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
