// Package develop does what the commands of developers say: it writes files, tries migrations on databases of its own, drops
// and creates databases, and holds a service's checkout against its checklist. It stands on operate, and nothing that runs in
// production may import it.
//
// May import: adopt, child, config, connection, copier, doctor, draft, dropdb, environment, failure, foreign, git, history,
// indexes, lint, migration, operate, patience, recipe, report, rules, runlock, schema, sqlscan, sqlstate, sqltext, tablelock,
// terminal, trace, wiring.
package develop

import (
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/terminal"
)

// Engine is what every operation of a developer starts from. It can do all that an operator's can.
type Engine struct{ *operate.Engine }

// New reads .goose.yml and .env in the current folder.
func New(outside terminal.Terminal) (*Engine, error) {
	engine, err := operate.New(outside)
	if err != nil {
		return nil, err
	}
	return &Engine{engine}, nil
}
