package connection

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/sqltext"
)

// Limits are the timeouts of one migration; nil leaves the run's own.
type Limits struct {
	Lock, Statement *time.Duration
	// Patient lets a statement that nobody has to wait behind wait for its locks as long as it may take, where the file has no
	// limit for them.
	Patient bool
	// Alone tells that the statement is a transaction of its own.
	Alone bool
}

// limits are what the statements of a migration run within.
type limits struct {
	settings map[string]string
	alone    bool
	// lifted is told, once a statement has tried to lift a limit, which one and to what.
	lifted func(name, value string)
}

func (l limits) statement() time.Duration {
	limit, _ := parseSetting(l.settings["statement_timeout"])
	return limit
}

type limitsKey struct{}

// WithLimits makes what runs with the returned context run within limits that no statement can lift: after each that may have
// changed a setting they are read back, and put into force again; lifted is told which one a statement wanted to be longer.
// A shorter one stays.
func (t Target) WithLimits(ctx context.Context, file Limits, lifted func(name, value string)) context.Context {
	settings := map[string]string{"lock_timeout": milliseconds(lockTimeout), "statement_timeout": milliseconds(t.statementTimeout)}
	for name, limit := range map[string]*time.Duration{"lock_timeout": file.Lock, "statement_timeout": file.Statement} {
		if limit != nil {
			settings[name] = milliseconds(*limit)
		}
	}
	if file.Patient && file.Lock == nil {
		settings["lock_timeout"] = settings["statement_timeout"]
	}
	return context.WithValue(ctx, limitsKey{}, limits{settings, file.Alone, lifted})
}

// Own is the context of a statement of the engine's in the midst of a migration: what it does to the limits is meant.
func Own(ctx context.Context) context.Context { return context.WithValue(ctx, limitsKey{}, limits{}) }

func limitsOf(ctx context.Context) limits {
	found, _ := ctx.Value(limitsKey{}).(limits)
	return found
}

// set are the statements that put settings into force: SET for the session, SET LOCAL for the transaction. Unlike set_config
// they take no snapshot: a file may still choose the isolation of its transaction.
func set(command string, settings map[string]string) []string {
	var statements []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		statements = append(statements, command+" "+name+" = "+sqltext.Literal(settings[name]))
	}
	return statements
}

// limit puts the limits of a migration into force for a statement outside a transaction. Behind a pooler, which may give the
// statement another session of the server than the one that was told, the client alone keeps them; it cannot make longer what
// the server makes short.
func (c *conn) limit(ctx context.Context) error {
	wanted := limitsOf(ctx)
	if c.open != nil || wanted.settings == nil {
		return nil
	}
	if c.settings == nil {
		_, _, err := c.message(ctx, strings.Join(set("SET", wanted.settings), "; "))
		return err
	}
	value, err := c.show(ctx, "statement_timeout")
	if err == nil && value != "0" && isLonger(wanted.settings["statement_timeout"], value) {
		err = failure.Refused("a statement outside a transaction may take %s behind a pooler, which the role's statement_timeout says, and the file "+
			"asks for %s: run it on the server itself, or make the role's longer (ALTER ROLE … SET statement_timeout)", value, wanted.statement())
	}
	return err
}

// OwnSettings undoes every SET of a file. What the session was begun with, and what the role and the database say, stays.
const OwnSettings = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL"

// reassert puts the limits of a migration into force again that a statement has made longer, and the encoding that every file is
// sent in.
func (c *conn) reassert(ctx context.Context) error {
	wanted := limitsOf(ctx)
	names := slices.Sorted(maps.Keys(wanted.settings))
	changed := map[string]string{}
	for _, name := range names {
		value, err := c.show(ctx, name)
		if err != nil {
			return err
		}
		if isLonger(value, wanted.settings[name]) {
			changed[name] = wanted.settings[name]
			if wanted.lifted != nil {
				wanted.lifted(name, value)
			}
		}
	}
	if len(names) > 0 && c.physical.Conn().PgConn().ParameterStatus("client_encoding") != encoding {
		changed["client_encoding"] = encoding
	}
	if len(changed) == 0 {
		return nil
	}
	command := "SET" // which outlasts the transaction, as that of the statement may
	if c.settings != nil {
		command = "SET LOCAL" // the session is not ours
	}
	_, _, err := c.message(ctx, strings.Join(set(command, changed), "; "))
	return err
}

func (c *conn) show(ctx context.Context, name string) (string, error) {
	results, err := c.physical.Conn().PgConn().Exec(ctx, "SHOW "+name).ReadAll()
	if err != nil {
		return "", err
	}
	return string(results[0].Rows[0][0]), nil
}

// isLonger compares two timeouts; zero is the longest.
func isLonger(value, wanted string) bool {
	now, known := parseSetting(value)
	limit, _ := parseSetting(wanted)
	return known && limit > 0 && (now == 0 || now > limit)
}

var settingUnits = map[string]time.Duration{
	"us": time.Microsecond, "ms": time.Millisecond, "": time.Millisecond, "s": time.Second, "min": time.Minute, "h": time.Hour, "d": 24 * time.Hour,
}

// parseSetting reads a timeout as SHOW writes it.
func parseSetting(text string) (time.Duration, bool) {
	digits := strings.TrimRight(text, "abcdefghijklmnopqrstuvwxyz")
	number, err := strconv.ParseInt(digits, 10, 64)
	unit, known := settingUnits[text[len(digits):]]
	return time.Duration(number) * unit, err == nil && known
}
