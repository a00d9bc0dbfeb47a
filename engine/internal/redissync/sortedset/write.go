package sortedset

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Member is a member of a sorted set; without a score it does not belong there.
type Member struct {
	Name   string
	Score  float64
	Absent bool
}

// Outcome is what became of a write.
type Outcome int

// The outcomes: Overtaken is a write whose token is lower than one that the set has seen; Lost is a set that was being built
// and is not whole; Foreign is a key that holds something other than a sorted set.
const (
	Done Outcome = iota
	Overtaken
	Lost
	Foreign
)

const (
	// Everything of the worker's own stands under this name.
	own = "redis-sync:"
	// fenceLife is longer than a write can be on its way: an hour of it is spent in no network and no queue.
	fenceLife = time.Hour
	// unfinishedLife is how long a set that is being built outlives whoever builds it.
	unfinishedLife = time.Hour
	// chunk is how many arguments one command inside a script takes.
	chunk = 2000
)

// A write may reach Redis long after its worker was killed and another one has taken its place. So each carries a token that
// grows from one holder of the set's lock to the next, and the set's fence remembers the greatest.
const fence = `
local fence = redis.call('GET', KEYS[2])
if fence and tonumber(fence) > tonumber(ARGV[1]) then return 1 end
`

var applyScript = redis.NewScript(fence + `
if redis.call('EXISTS', KEYS[1]) == 1 and redis.call('TYPE', KEYS[1]).ok ~= 'zset' then return 3 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
local chunk = ` + strconv.Itoa(chunk) + `
local last = 3 + 2 * ARGV[3]
for i = 4, last, chunk do redis.call('ZADD', KEYS[1], unpack(ARGV, i, math.min(i + chunk - 1, last))) end
for i = last + 1, #ARGV, chunk do redis.call('ZREM', KEYS[1], unpack(ARGV, i, math.min(i + chunk - 1, #ARGV))) end
return 0`)

var exchangeScript = redis.NewScript(fence + `
local size = redis.call('ZCARD', KEYS[3])
if size ~= tonumber(ARGV[3]) then return 2 end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
if size == 0 then
	redis.call('DEL', KEYS[1])
else
	redis.call('PERSIST', KEYS[3])
	redis.call('RENAME', KEYS[3], KEYS[1])
end
return 0`)

func fenceOf(set string) string { return own + "fence:" + set }

func unfinished(set string, token int64) string {
	return own + "unfinished:" + strconv.FormatInt(token, 10) + ":" + set
}

// Apply puts members into their sets, or takes them out, and says what became of each set.
func (s *Server) Apply(ctx context.Context, token int64, sets map[string][]Member) (map[string]Outcome, error) {
	return s.runAll(ctx, applyScript, func(run func(string, []string, ...any)) {
		for set, members := range sets {
			run(set, []string{set, fenceOf(set)}, applyArguments(token, members)...)
		}
	})
}

func applyArguments(token int64, members []Member) []any {
	var present, absent []any
	for _, member := range members {
		if member.Absent {
			absent = append(absent, member.Name)
		} else {
			present = append(present, number(member.Score), member.Name)
		}
	}
	arguments := append([]any{token, fenceLife.Milliseconds(), len(present) / 2}, present...)
	return append(arguments, absent...)
}

// number is a score that Redis reads as the same score.
func number(score float64) string {
	if math.IsInf(score, 0) {
		return map[bool]string{true: "+inf", false: "-inf"}[score > 0]
	}
	return strconv.FormatFloat(score, 'g', -1, 64)
}

// Build puts members into a set that nobody reads until it is exchanged.
func (s *Server) Build(ctx context.Context, set string, token int64, members []Member) error {
	name := unfinished(set, token)
	pipe := s.client.Pipeline()
	for len(members) > 0 {
		count := min(len(members), chunk)
		arguments := make([]any, 0, 2+2*count)
		arguments = append(arguments, "ZADD", name)
		for _, member := range members[:count] {
			arguments = append(arguments, number(member.Score), member.Name)
		}
		pipe.Do(ctx, arguments...)
		members = members[count:]
	}
	pipe.PExpire(ctx, name, unfinishedLife)
	_, err := pipe.Exec(ctx)
	return s.failed(err)
}

// Exchange replaces sets by those that were built, each at once, or removes those that are to be empty. The sizes say how
// many members each has to have.
func (s *Server) Exchange(ctx context.Context, token int64, sizes map[string]int) (map[string]Outcome, error) {
	return s.runAll(ctx, exchangeScript, func(run func(string, []string, ...any)) {
		for set, size := range sizes {
			run(set, []string{set, fenceOf(set), unfinished(set, token)}, token, fenceLife.Milliseconds(), size)
		}
	})
}

// Remove deletes a set that no row can belong to.
func (s *Server) Remove(ctx context.Context, set string) error {
	return s.failed(s.client.Del(ctx, set).Err())
}

// Unfence forgets what tokens sets have seen.
func (s *Server) Unfence(ctx context.Context, sets []string) error {
	pipe := s.client.Pipeline()
	for _, set := range sets {
		pipe.Del(ctx, fenceOf(set))
	}
	_, err := pipe.Exec(ctx)
	return s.failed(err)
}

// runAll runs a script once a set in one pipeline. A server that has forgotten the script learns it again, and all of them
// run again, which changes nothing where they ran before.
func (s *Server) runAll(ctx context.Context, script *redis.Script,
	each func(run func(set string, keys []string, arguments ...any))) (map[string]Outcome, error) {
	for again := false; ; again = true {
		pipe, results := s.client.Pipeline(), map[string]*redis.Cmd{}
		each(func(set string, keys []string, arguments ...any) {
			results[set] = script.EvalSha(ctx, pipe, keys, arguments...)
		})
		_, err := pipe.Exec(ctx)
		if err != nil && !again && redis.HasErrorPrefix(err, "NOSCRIPT") {
			if err := script.Load(ctx, s.client).Err(); err != nil {
				return nil, s.failed(err)
			}
			continue
		}
		if err != nil {
			return nil, s.failed(err)
		}
		outcomes := map[string]Outcome{}
		for set, result := range results {
			outcome, err := result.Int()
			if err != nil {
				return nil, s.failed(err)
			}
			outcomes[set] = Outcome(outcome)
		}
		return outcomes, nil
	}
}
