package tablelock

import "testing"

func TestStrength(t *testing.T) {
	for position, mode := range byStrength {
		if mode.Blocks() == "" || position > 0 && !mode.StrongerThan(byStrength[position-1]) || mode.StrongerThan(mode) || !mode.StrongerThan("") {
			t.Error(mode)
		}
	}
}
