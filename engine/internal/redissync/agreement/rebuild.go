package agreement

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgerrcode"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/redissync/outbox"
	"avion.internal/migrate/internal/redissync/sortedset"
	"avion.internal/migrate/internal/sqlstate"
)

const (
	// together is how many keys are locked, and their sets exchanged, at once.
	together = 100
	// members is how many of them go to Redis in one message.
	members = 10_000
	// lockPatience is how long to ask for a lock that others hold.
	lockPatience = time.Minute
	lostTries    = 3
)

// Rebuilt counts what a rebuild did.
type Rebuilt struct {
	Sets    int `json:"sets"`
	Members int `json:"members"`
	Removed int `json:"removed"`
}

// RebuildAll builds every sorted set of a table anew and removes those that the table knows nothing of, while workers and
// the application go on.
func (p Pair) RebuildAll(ctx context.Context, set outbox.Set) (Rebuilt, error) {
	var done Rebuilt
	life, err := p.Redis.Life(ctx)
	if err != nil {
		return done, err
	}
	err = p.eachKeys(ctx, set, func(keys []string) error { return p.replace(ctx, set, keys, &done) })
	if err != nil {
		return done, err
	}
	stray, err := p.strays(ctx, set)
	if err != nil {
		return done, err
	}
	for chunk := range slices.Chunk(stray.keys, together) {
		if err := p.replace(ctx, set, chunk, &done); err != nil {
			return done, err
		}
	}
	for _, name := range stray.impossible {
		if err := p.Redis.Remove(ctx, name); err != nil {
			return done, err
		}
		done.Removed++
	}
	whole, err := p.Redis.Mark(ctx, set.Prefix, life)
	if err == nil && !whole {
		err = failure.Refused("Redis at %s lost its data during the rebuild: run it again", p.Redis.Address())
	}
	return done, err
}

// Rebuild builds the sorted set of one key anew.
func (p Pair) Rebuild(ctx context.Context, set outbox.Set, key string) (Rebuilt, error) {
	var done Rebuilt
	if err := set.CheckKey(ctx, p.DB, key); err != nil {
		return done, err
	}
	err := p.replace(ctx, set, []string{key}, &done)
	return done, err
}

// replace exchanges sets for new ones. Their keys are locked from before the rows are read until the exchange, so that an
// event that is committed meanwhile waits, and is applied to the new set. Readers see the old set until then.
func (p Pair) replace(ctx context.Context, set outbox.Set, keys []string, done *Rebuilt) error {
	for lost := 0; ; lost++ {
		var built Rebuilt
		err := patiently(func() error {
			return p.inTransaction(ctx, func(tx *sql.Tx) (err error) {
				built, err = p.exchange(ctx, tx, set, keys)
				return err
			})
		})
		if errors.Is(err, errLost) {
			if lost < lostTries {
				continue
			}
			return failure.Unreachable("Redis at %s loses sets while they are built: see to its memory, then run again", p.Redis.Address())
		}
		if err == nil && done != nil {
			done.Sets += built.Sets
			done.Members += built.Members
			done.Removed += built.Removed
		}
		return err
	}
}

// patiently asks again for locks that others hold longer than one statement waits: workers a key, a migration the table.
func patiently(do func() error) error {
	deadline := time.Now().Add(lockPatience)
	for {
		err := do()
		if !sqlstate.Is(err, pgerrcode.LockNotAvailable) || time.Now().After(deadline) {
			return err
		}
	}
}

var errLost = errors.New("a set was lost while it was built")

func (p Pair) exchange(ctx context.Context, tx *sql.Tx, set outbox.Set, keys []string) (Rebuilt, error) {
	token, err := set.Lock(ctx, tx, keys)
	if err != nil {
		return Rebuilt{}, err
	}
	sizes := make(map[string]int, len(keys))
	for _, key := range keys {
		sizes[set.Name(key)] = 0
	}
	var key string
	var waiting []sortedset.Member
	send := func() error {
		if len(waiting) == 0 {
			return nil
		}
		err := p.Redis.Build(ctx, set.Name(key), token, waiting)
		sizes[set.Name(key)] += len(waiting)
		waiting = waiting[:0]
		return err
	}
	err = set.Rows(ctx, tx, keys, func(row outbox.Change) error {
		if row.Key != key || len(waiting) == members {
			if err := send(); err != nil {
				return err
			}
		}
		key = row.Key
		waiting = append(waiting, p.member(row))
		return nil
	})
	if err == nil {
		err = send()
	}
	if err != nil {
		return Rebuilt{}, err
	}
	outcomes, err := p.Redis.Exchange(ctx, token, sizes)
	if err != nil {
		return Rebuilt{}, err
	}
	if overtaken := namesOf(outcomes, sortedset.Overtaken); len(overtaken) > 0 {
		return Rebuilt{}, p.unfence(ctx, tx, overtaken)
	}
	if len(namesOf(outcomes, sortedset.Lost)) > 0 {
		return Rebuilt{}, errLost
	}
	var built Rebuilt
	for _, size := range sizes {
		if size == 0 {
			built.Removed++
		} else {
			built.Sets++
			built.Members += size
		}
	}
	return built, nil
}

// eachKeys goes through the keys of a table.
func (p Pair) eachKeys(ctx context.Context, set outbox.Set, each func(keys []string) error) error {
	var last *string
	for {
		var keys []string
		err := patiently(func() (err error) {
			keys, err = set.Keys(ctx, p.DB, last, together)
			return err
		})
		if err != nil || len(keys) == 0 {
			return err
		}
		if err := each(keys); err != nil {
			return err
		}
		last = &keys[len(keys)-1]
	}
}

// strays are the sorted sets under a prefix whose key has no row.
type strays struct {
	keys []string
	// impossible are names that no key of the table's type has.
	impossible []string
}

func (p Pair) strays(ctx context.Context, set outbox.Set) (strays, error) {
	names := map[string]bool{}
	err := p.Redis.Names(ctx, set.Prefix, func(name string) error {
		names[name] = true
		return nil
	})
	if err != nil {
		return strays{}, err
	}
	err = p.eachKeys(ctx, set, func(keys []string) error {
		for _, key := range keys {
			delete(names, set.Name(key))
		}
		return nil
	})
	if err != nil {
		return strays{}, err
	}
	var found strays
	for name := range names {
		key := name[len(set.Prefix):]
		valid, err := set.IsKey(ctx, p.DB, key)
		switch {
		case err != nil:
			return strays{}, err
		case valid:
			found.keys = append(found.keys, key)
		default:
			found.impossible = append(found.impossible, name)
		}
	}
	slices.Sort(found.keys)
	slices.Sort(found.impossible)
	return found, nil
}
