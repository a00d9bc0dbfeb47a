package patience

import (
	"testing"
	"time"
)

func TestPausesGrowUntilTheLimit(t *testing.T) {
	var told []time.Duration
	backoff := Backoff(time.Hour, 100*time.Millisecond, time.Second, func(pause time.Duration) { told = append(told, pause) })
	for range 10 {
		if _, over := backoff.Next(); over {
			t.Fatal("it is over")
		}
	}
	if first, last := told[0], told[9]; first < 50*time.Millisecond || first > 150*time.Millisecond || last < 500*time.Millisecond || last > 1500*time.Millisecond {
		t.Error(told)
	}
}

func TestNobodyWaitsLongerThanTheLimit(t *testing.T) {
	told := 0
	if _, over := Backoff(0, time.Second, time.Second, func(time.Duration) { told++ }).Next(); !over || told > 0 {
		t.Error("without patience there is a pause")
	}
	if pause, over := Backoff(10*time.Millisecond, time.Second, time.Second, func(time.Duration) {}).Next(); over || pause > 10*time.Millisecond {
		t.Error(pause, over)
	}
}
