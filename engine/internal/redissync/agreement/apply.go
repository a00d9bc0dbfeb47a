// Package agreement brings the sorted sets of Redis into agreement with the tables of PostgreSQL, keeps them there, and
// proves it.
//
// Whatever writes a set holds the lock of its key in PostgreSQL from before it reads the rows until Redis has confirmed the
// write, and only then deletes the events. So the writes of one set follow each other, each shows the rows at least as new
// as the one before, and an event is gone only when Redis has what its transaction committed, or something newer. The
// order of the events, whose ids are drawn before their transactions commit, does not matter. A writer that is killed, or
// cut off, loses the lock while its write may still be on the way: that write carries a token that is lower than its
// successor's, and Redis refuses it.
//
// May import: failure, redissync/outbox, redissync/sortedset, redissync/watch, sqlstate.
package agreement

import (
	"context"
	"database/sql"
	"slices"
	"sync/atomic"
	"time"

	"avion.internal/migrate/internal/redissync/outbox"
	"avion.internal/migrate/internal/redissync/sortedset"
)

// Pair is a database and the Redis that has to agree with it.
type Pair struct {
	DB    *sql.DB
	Redis *sortedset.Server
	Say   func(format string, values ...any)
	// Alive is told again and again while work goes on.
	Alive func()
	// Rounded counts the scores that float64 could not tell from their neighbours.
	Rounded *atomic.Int64
}

// unanswered is how long one batch may take.
const unanswered = time.Minute

// batch is how many events one transaction applies, and thereby the most locks that it holds: the server has room for some
// thousands of all sessions together.
const batch = 500

// Applied is what one batch did.
type Applied struct {
	Events int
	// Full tells that more events are probably waiting.
	Full bool
}

// Apply works on the first events of an outbox that nobody else works on. A batch that is begun is finished, also when the
// context ends.
func (p Pair) Apply(ctx context.Context, set outbox.Set) (Applied, error) {
	var taken outbox.Batch
	var foreign []string
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), unanswered)
	defer cancel()
	err := p.inTransaction(whole, func(tx *sql.Tx) error {
		var err error
		if taken, err = set.Take(whole, tx, batch); err != nil || len(taken.Events) == 0 {
			return err
		}
		foreign, err = p.write(whole, tx, set, taken)
		if err != nil || len(foreign) > 0 {
			return err
		}
		return set.Delete(whole, tx, taken.Events)
	})
	if err != nil {
		return Applied{}, err
	}
	if len(foreign) > 0 {
		// Something other than a sorted set stands there. The events stay, and find a set the next time.
		return Applied{Full: true}, p.replace(ctx, set, foreign, nil)
	}
	if len(taken.Everything) > 0 {
		if err := p.everything(ctx, set, taken.Everything); err != nil {
			return Applied{}, err
		}
	}
	return Applied{
		Events: len(taken.Events) + len(taken.Everything),
		// Where every event is of a key that others work on, asking at once would not help.
		Full: len(taken.Events) > 0 && len(taken.Events)+len(taken.Everything)+taken.Busy == batch,
	}, nil
}

// write returns the keys whose sets are none.
func (p Pair) write(ctx context.Context, tx *sql.Tx, set outbox.Set, taken outbox.Batch) ([]string, error) {
	sets, keys := map[string][]sortedset.Member{}, map[string]string{}
	for _, change := range taken.Changes {
		name := set.Name(change.Key)
		keys[name] = change.Key
		sets[name] = append(sets[name], p.member(change))
	}
	outcomes, err := p.Redis.Apply(ctx, taken.Token, sets)
	if err != nil {
		return nil, err
	}
	if overtaken := namesOf(outcomes, sortedset.Overtaken); len(overtaken) > 0 {
		return nil, p.unfence(ctx, tx, overtaken)
	}
	var foreign []string
	for _, name := range namesOf(outcomes, sortedset.Foreign) {
		foreign = append(foreign, keys[name])
	}
	return foreign, nil
}

// greatestExact is the greatest whole number below which float64 holds every one.
const greatestExact = 1 << 53

func (p Pair) member(change outbox.Change) sortedset.Member {
	if score := change.Score.Float64; p.Rounded != nil && (score > greatestExact || score < -greatestExact) {
		p.Rounded.Add(1)
	}
	return sortedset.Member{Name: change.Member, Score: change.Score.Float64, Absent: !change.Score.Valid}
}

// everything rebuilds all sets of a table that was truncated. Two workers may do so at once; the second finds nothing to do.
func (p Pair) everything(ctx context.Context, set outbox.Set, events []int64) error {
	p.Say("%s was truncated: building all of its sorted sets anew", set.Table)
	if _, err := p.RebuildAll(ctx, set); err != nil {
		return err
	}
	return p.inTransaction(ctx, func(tx *sql.Tx) error { return set.Delete(ctx, tx, events) })
}

// errOvertaken is what a write meets whose token is too low although nobody else can hold the lock of its set.
type errOvertaken struct{ set string }

func (e errOvertaken) Error() string {
	return "the sorted set " + e.set + " has seen a later write than this database can have made: either an older state of the " +
		"database was restored, and make migrate-redis-rebuild is due, or another database writes the same sets: give each " +
		"its own Redis database or PREFIX"
}

// unfence lets sets forget the tokens that they have seen, if this transaction still holds their locks: then no holder can
// have drawn a greater token, and it is the sequence that went back.
func (p Pair) unfence(ctx context.Context, tx *sql.Tx, sets []string) error {
	if _, err := tx.ExecContext(ctx, "SELECT"); err != nil {
		return err
	}
	if err := p.Redis.Unfence(ctx, sets); err != nil {
		return err
	}
	return errOvertaken{sets[0]}
}

func namesOf(outcomes map[string]sortedset.Outcome, which sortedset.Outcome) []string {
	var names []string
	for name, outcome := range outcomes {
		if outcome == which {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// inTransaction runs at the level at which each statement sees what was committed before it: the locks depend on it.
func (p Pair) inTransaction(ctx context.Context, do func(*sql.Tx) error) error {
	if p.Alive != nil {
		p.Alive()
	}
	tx, err := p.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
	if err == nil {
		err = do(tx)
	}
	if err != nil {
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}
