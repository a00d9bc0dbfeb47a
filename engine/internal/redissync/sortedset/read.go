package sortedset

import (
	"context"
	"crypto/rand"
	"strings"

	"github.com/redis/go-redis/v9"
)

const page = 5000

// Read returns the members of sets with their scores; what holds something other than a sorted set has none.
func (s *Server) Read(ctx context.Context, sets []string) (map[string]map[string]float64, error) {
	found := make(map[string]map[string]float64, len(sets))
	for _, set := range sets {
		found[set] = map[string]float64{}
	}
	for start := int64(0); len(sets) > 0; start += page {
		pipe := s.client.Pipeline()
		results := make(map[string]*redis.ZSliceCmd, len(sets))
		for _, set := range sets {
			results[set] = pipe.ZRangeWithScores(ctx, set, start, start+page-1)
		}
		if _, err := pipe.Exec(ctx); err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
			return nil, s.failed(err)
		}
		sets = nil
		for set, result := range results {
			if err := result.Err(); err != nil && !redis.HasErrorPrefix(err, "WRONGTYPE") {
				return nil, s.failed(err)
			}
			for _, member := range result.Val() {
				found[set][member.Member.(string)] = member.Score
			}
			if len(result.Val()) == page {
				sets = append(sets, set)
			}
		}
	}
	return found, nil
}

// Names calls each for the names of all sorted sets that begin with a prefix, some of them perhaps twice. Those that somebody
// builds, or built until he was killed, belong to them: what gives such a set its name may still be on the way.
func (s *Server) Names(ctx context.Context, prefix string, each func(name string) error) error {
	for _, pattern := range []string{escape(prefix) + "*", own + "unfinished:*:" + escape(prefix) + "*"} {
		names := s.client.ScanType(ctx, 0, pattern, page, "zset").Iterator()
		for names.Next(ctx) {
			name := names.Val()
			if built, found := strings.CutPrefix(name, own+"unfinished:"); found {
				_, name, _ = strings.Cut(built, ":")
			}
			if !strings.HasPrefix(name, prefix) {
				continue // the pattern was found in its middle
			}
			if err := each(name); err != nil {
				return err
			}
		}
		if err := names.Err(); err != nil {
			return s.failed(err)
		}
	}
	return nil
}

var escape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace

// The life of a Redis is a word that it forgets together with all its data. The mark of a prefix is the life in which all of
// its sets were built. So a loss is noticed, which nothing else shows: a set that is missing looks like one that is empty.
const life = own + "life"

func markOf(prefix string) string { return own + "mark:" + prefix }

// Life returns the word, and begins a new life where there is none.
func (s *Server) Life(ctx context.Context) (string, error) {
	if err := s.client.SetNX(ctx, life, rand.Text(), 0).Err(); err != nil {
		return "", s.failed(err)
	}
	word, err := s.client.Get(ctx, life).Result()
	return word, s.failed(err)
}

// markScript leaves the mark of another rebuild alone where this one began in an earlier life.
var markScript = redis.NewScript(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[1])
return 1`)

// Mark notes that all sets of a prefix were built in a life, unless that has ended, and tells which.
func (s *Server) Mark(ctx context.Context, prefix, since string) (bool, error) {
	marked, err := markScript.Run(ctx, s.client, []string{life, markOf(prefix)}, since).Bool()
	return marked, s.failed(err)
}

// Whole tells whether all sets of a prefix have been built since Redis last lost its data.
func (s *Server) Whole(ctx context.Context, prefix string) (bool, error) {
	words, err := s.client.MGet(ctx, life, markOf(prefix)).Result()
	return err == nil && words[0] != nil && words[0] == words[1], s.failed(err)
}
