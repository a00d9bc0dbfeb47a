package runlock

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/sethvargo/go-retry"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/patience"
)

const (
	shortestPause = 250 * time.Millisecond
	longestPause  = time.Second
)

var errHeld = errors.New("another runner has the lock")

// patiently asks for a lock until it is taken or the timeout is over, and says who has it meanwhile.
func patiently(ctx context.Context, database string, timeout time.Duration, say func(format string, values ...any),
	try func(context.Context) (taken bool, by string, err error)) error {
	var holder, told string
	backoff := patience.Backoff(timeout, shortestPause, longestPause, func(time.Duration) {
		if holder != told && holder != "" {
			say("waiting up to %s for the lock of %s: held by %s", timeout, database, holder)
			told = holder
		}
	})
	err := retry.Do(ctx, backoff, func(ctx context.Context) error {
		taken, by, err := try(ctx)
		if err != nil || taken {
			return err
		}
		holder = by
		return retry.RetryableError(errHeld)
	})
	if errors.Is(err, errHeld) {
		return failure.Locked("another runner has held the lock of %s for more than %s: %s: "+
			"wait for it to finish and run again, or raise MIGRATION_LOCK_TIMEOUT", database, timeout, cmp.Or(holder, "a session that has just ended"))
	}
	return notAsked(ctx, database, err)
}

func notAsked(ctx context.Context, database string, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return failure.Refused("interrupted while waiting for the lock of %s: nothing was changed: run again", database)
	}
	return failure.Unreachable("the lock of %s could not be asked for (%w): run again", database, err)
}
