// Package patience is the one back-off of everything that waits for somebody else: for a server that starts, for a lock. What is
// worth another try, its caller says, by go-retry's RetryableError; it never decides that itself.
//
// May import: nothing of this module.
package patience

import (
	"time"

	"github.com/sethvargo/go-retry"
)

// jitter, in percent, lets those who began at the same moment go different ways.
const jitter = 50

// Backoff waits twice as long with every attempt, from the shortest pause to the longest, until the limit is over; tell is told
// when a pause begins.
func Backoff(limit, shortest, longest time.Duration, tell func(pause time.Duration)) retry.Backoff {
	backoff := retry.WithMaxDuration(limit, retry.WithJitterPercent(jitter, retry.WithCappedDuration(longest, retry.NewExponential(shortest))))
	return retry.BackoffFunc(func() (time.Duration, bool) {
		pause, over := backoff.Next()
		if !over {
			tell(pause)
		}
		return pause, over
	})
}
