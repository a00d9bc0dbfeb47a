package migration

import (
	"strconv"

	"avion.internal/migrate/internal/failure"
)

const (
	blockSize      = 100
	highestVersion = 99999
)

// NextVersion is the number of a new file: the one after the highest, or, in a reserved block of a hundred, the next in
// that block.
func (d Directory) NextVersion(block string) (int64, error) {
	if block == "" {
		if d.Last() >= highestVersion && d.rules.Naming != AsGoose {
			return 0, failure.Refused("%s holds version %d, the highest of five digits: number a new file by hand in a free block (BLOCK=200)",
				d.Path, d.Last())
		}
		return d.Last() + 1, nil
	}
	first, err := strconv.ParseInt(block, 10, 64)
	if err != nil || first < blockSize || first > highestVersion && d.rules.Naming != AsGoose || first%blockSize != 0 {
		return 0, failure.Refused("BLOCK is %q: use a multiple of %d from %d to %d, as in BLOCK=200",
			block, blockSize, blockSize, highestVersion/blockSize*blockSize)
	}
	next := first
	for _, m := range d.Migrations {
		if m.Version >= next && m.Version < first+blockSize {
			next = m.Version + 1
		}
	}
	if next == first+blockSize {
		return 0, failure.Refused("block %d is full (%s is taken): reserve another one",
			first, FormatVersion(first+blockSize-1))
	}
	return next, nil
}
