package migration

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits are what the line `-- migrate: lock_timeout=10s statement_timeout=1h` at the top of a file asks for; nil means
// that the file leaves the session's own.
type Limits struct {
	Lock, Statement *time.Duration
}

// longestLimit is the longest that MIGRATION_TIMEOUT may be, too.
const longestLimit = 24 * time.Hour

var (
	limitsLine  = regexp.MustCompile(`^\s*--\s*migrate:(.*)$`)
	limitAmount = regexp.MustCompile(`^(\d{1,8})(ms|s|min|h)$`)
	limitUnits  = map[string]time.Duration{"ms": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour}
)

// read adds the settings of one line.
func (l *Limits) read(settings string) error {
	words := strings.Fields(settings)
	if len(words) == 0 {
		return errors.New("'-- migrate:' says nothing: write '-- migrate: lock_timeout=10s statement_timeout=1h', or one of the two")
	}
	for _, word := range words {
		name, text, _ := strings.Cut(word, "=")
		var limit **time.Duration
		switch name {
		case "lock_timeout":
			limit = &l.Lock
		case "statement_timeout":
			limit = &l.Statement
		default:
			return fmt.Errorf("'-- migrate:' does not know %q: it knows lock_timeout=… and statement_timeout=…", word)
		}
		if *limit != nil {
			return fmt.Errorf("'-- migrate:' says %s twice: keep one", name)
		}
		value, err := parseLimit(text)
		if err != nil {
			return fmt.Errorf("'-- migrate:' says %s=%s: %w", name, text, err)
		}
		*limit = &value
	}
	return nil
}

func parseLimit(text string) (time.Duration, error) {
	parts := limitAmount.FindStringSubmatch(text)
	if parts == nil {
		return 0, errors.New("a limit is a whole number with its unit ms, s, min or h, as in 10s")
	}
	amount, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0, err
	}
	// PostgreSQL takes 0 for "no limit", which nothing may have.
	if limit := time.Duration(amount) * limitUnits[parts[2]]; limit > 0 && limit <= longestLimit {
		return limit, nil
	}
	return 0, errors.New("a limit is longer than nothing and at most 24h")
}
