package agreement

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"avion.internal/migrate/internal/redissync/outbox"
)

// named is how many differences are told one by one.
const named = 20

// Difference is a member that Redis has with another score than the table, or that only one of them has.
type Difference struct {
	Set    string `json:"set"`
	Member string `json:"member"`
	// Table and Redis are the scores; nil where the member is not there.
	Table *float64 `json:"table"`
	Redis *float64 `json:"redis"`
}

// Comparison is what a comparison found.
type Comparison struct {
	Table   string `json:"table"`
	Sets    int    `json:"sets"`
	Members int    `json:"members"`
	// Pending are members that have an event in the outbox, so that Redis may still have them as they were.
	Pending     int          `json:"pending"`
	Different   int          `json:"different"`
	Differences []Difference `json:"differences"`
}

// CompareAll compares every sorted set of a table, and finds those that the table knows nothing of, while workers and the
// application go on.
func (p Pair) CompareAll(ctx context.Context, set outbox.Set) (Comparison, error) {
	found := Comparison{Table: set.Table, Differences: []Difference{}}
	err := p.eachKeys(ctx, set, func(keys []string) error { return p.compare(ctx, set, keys, &found) })
	if err != nil {
		return found, err
	}
	stray, err := p.strays(ctx, set)
	if err != nil {
		return found, err
	}
	for chunk := range slices.Chunk(stray.keys, together) {
		if err := p.compare(ctx, set, chunk, &found); err != nil {
			return found, err
		}
	}
	redis, err := p.Redis.Read(ctx, stray.impossible)
	for name, scores := range redis {
		found.add(name, nil, scores, func(string) bool { return false })
	}
	return found, err
}

// Compare compares the sorted set of one key.
func (p Pair) Compare(ctx context.Context, set outbox.Set, key string) (Comparison, error) {
	found := Comparison{Table: set.Table, Differences: []Difference{}}
	if err := set.CheckKey(ctx, p.DB, key); err != nil {
		return found, err
	}
	err := p.compare(ctx, set, []string{key}, &found)
	return found, err
}

// compare holds the locks of the keys meanwhile, so that nothing reaches their sets between the two readings.
func (p Pair) compare(ctx context.Context, set outbox.Set, keys []string, found *Comparison) error {
	var wanted outbox.Wanted
	var redis map[string]map[string]float64
	read := func(tx *sql.Tx) error {
		if _, err := set.Lock(ctx, tx, keys); err != nil {
			return err
		}
		var err error
		if wanted, err = set.Wanted(ctx, tx, keys); err != nil {
			return err
		}
		var names []string
		for _, key := range keys {
			names = append(names, set.Name(key))
		}
		redis, err = p.Redis.Read(ctx, names)
		return err
	}
	if err := patiently(func() error { return p.inTransaction(ctx, read) }); err != nil {
		return err
	}
	for _, key := range keys {
		found.add(set.Name(key), wanted.Scores[key], redis[set.Name(key)], func(member string) bool {
			return wanted.Everything || wanted.Pending[key][member]
		})
	}
	return nil
}

// add compares one set.
func (c *Comparison) add(name string, table, redis map[string]float64, pending func(member string) bool) {
	if len(table) == 0 && len(redis) == 0 {
		return
	}
	c.Sets++
	c.Members += len(table)
	members := slices.Collect(maps.Keys(table))
	for member := range redis {
		if _, both := table[member]; !both {
			members = append(members, member)
		}
	}
	slices.Sort(members)
	for _, member := range members {
		wanted, inTable := table[member]
		has, inRedis := redis[member]
		switch {
		case pending(member):
			c.Pending++
		case inTable != inRedis || wanted != has:
			c.Different++
			if len(c.Differences) < named {
				c.Differences = append(c.Differences, Difference{name, member, score(wanted, inTable), score(has, inRedis)})
			}
		}
	}
}

func score(value float64, there bool) *float64 {
	if !there {
		return nil
	}
	return &value
}
