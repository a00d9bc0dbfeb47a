package locks

import (
	"regexp"
	"strings"
	"sync"

	"avion.internal/migrate/internal/migration"
)

// Lock is a lock that somebody may have to wait for.
type Lock struct {
	// Relation is named as the statement names it.
	Relation string `json:"relation"`
	// OfIndex tells that the lock is on the table of the index that Relation names.
	OfIndex bool `json:"table_of_index,omitempty"`
	Mode    Mode `json:"mode"`
}

// String names the relation and the mode.
func (l Lock) String() string {
	if l.OfIndex {
		return "the table of " + l.Relation + " " + string(l.Mode)
	}
	return l.Relation + " " + string(l.Mode)
}

// Expectation is what is known about a statement before it runs.
type Expectation struct {
	Locks []Lock
	// Unknown is why there may be more, empty if there is not.
	Unknown string
}

var (
	alterTable    = later(`ALTER (?:FOREIGN )?TABLE (?:IF EXISTS )?(?:ONLY )?<T>(?:\s*\*)? (?P<actions>.*)$`)
	alterAll      = later(`ALTER (?:TABLE|INDEX|MATERIALIZED VIEW) ALL IN TABLESPACE\b`)
	createTable   = later(`CREATE (?:(?:GLOBAL|LOCAL|TEMP|TEMPORARY|UNLOGGED) )*(?:TABLE|MATERIALIZED VIEW) (?:IF NOT EXISTS )?<T>`)
	further       = later(`\s*,\s*(?:ONLY )?<T>`)
	severalAtOnce = later(`(?:DROP|TRUNCATE|LOCK|VACUUM|ANALYZE)\b`)
	dropsKey      = later(`(?:DROP TABLE|ALTER TABLE .*\bDROP (?:CONSTRAINT|COLUMN)|ALTER TABLE .*\bVALIDATE CONSTRAINT)\b`)
)

// Expect tells which locks a statement takes. The text is one statement, on one line, without comments and strings.
// Relations that the same transaction has created are nobody else's; they are left out, and new ones are added to them.
func Expect(text string, created map[string]bool) Expectation {
	var found Expectation
	if parts := createTable().FindStringSubmatch(text); parts != nil {
		created[Name(parts[createTable().SubexpIndex("relation")])] = true
	}
	switch parts := alterTable().FindStringSubmatch(text); {
	case text == "":
	case alterAll().MatchString(text):
		found.Unknown = "it locks every relation of the tablespace"
	case parts != nil:
		found.alter(parts[alterTable().SubexpIndex("relation")], parts[alterTable().SubexpIndex("actions")])
	default:
		found.read(text)
	}
	if found.Unknown == "" && dropsKey().MatchString(text) {
		found.Unknown = "a foreign key locks the table that it points to as well"
	}
	var remaining []Lock
	for _, lock := range found.Locks {
		if !created[Name(lock.Relation)] {
			remaining = append(remaining, lock)
		}
	}
	found.Locks = remaining
	return found
}

// Name is a relation as pg_class has it, without its schema.
func Name(written string) string {
	parts := oneName().FindAllString(written, -1)
	last := parts[len(parts)-1]
	if strings.HasPrefix(last, `"`) {
		return strings.ReplaceAll(last[1:len(last)-1], `""`, `"`)
	}
	return strings.ToLower(last)
}

var oneName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(name) })

func (e *Expectation) add(relation string, ofIndex bool, mode Mode) {
	if strings.EqualFold(relation, "concurrently") { // a word that could be a name where it stands; another form knows better
		return
	}
	for position, lock := range e.Locks {
		if lock.Relation == relation && lock.OfIndex == ofIndex {
			if mode.StrongerThan(lock.Mode) {
				e.Locks[position].Mode = mode
			}
			return
		}
	}
	e.Locks = append(e.Locks, Lock{relation, ofIndex, mode})
}

func (e *Expectation) alter(table, actions string) {
	for _, action := range migration.Split(actions, ',') {
		for _, known := range alterations() {
			if known.written.MatchString(action) {
				e.add(table, false, known.mode)
				break
			}
		}
		e.addOthers(action)
	}
}

func (e *Expectation) addOthers(text string) {
	for _, known := range others() {
		for _, parts := range known.written.FindAllStringSubmatch(text, -1) {
			e.add(parts[known.written.SubexpIndex("relation")], false, known.mode)
		}
	}
}

func (e *Expectation) read(text string) {
	recognised := false
	for _, known := range statements() {
		place := known.written.FindStringSubmatchIndex(text)
		if place == nil {
			continue
		}
		recognised = true
		if known.unknown != "" {
			e.Unknown = known.unknown
		}
		if relation := known.written.SubexpIndex("relation"); known.mode != "" {
			end := place[2*relation+1]
			e.add(text[place[2*relation]:end], known.table, known.mode)
			for severalAtOnce().MatchString(text) {
				parts := further().FindStringSubmatchIndex(text[end:])
				if parts == nil {
					break
				}
				e.add(text[end+parts[2]:end+parts[3]], known.table, known.mode)
				end += parts[1]
			}
		}
	}
	if createTable().MatchString(text) {
		e.addOthers(text)
	}
	if !recognised {
		e.Unknown = "the statement is not among those whose locks are known"
	}
}
