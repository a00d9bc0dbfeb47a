package backfill

import (
	"time"
)

const (
	sliceRows     = 100
	firstBatch    = 1_000
	smallestBatch = 100
	largestBatch  = 200_000
)

// rowsFor is the size of the next batch, after one of so many rows took so long. It at most doubles, because the next
// rows may be wider, and halves at once.
func (p Pace) rowsFor(rows int, took time.Duration) int {
	factor := float64(p.Batch) / float64(max(took, time.Millisecond))
	return clamp(int(float64(rows) * min(max(factor, 0.5), 2)))
}

func clamp(rows int) int { return min(max(rows, smallestBatch), largestBatch) }

// rest is how long the job leaves the server alone after it has worked so long.
func (p Pace) rest(took time.Duration) time.Duration {
	return took * time.Duration(100-p.Load) / time.Duration(p.Load)
}
