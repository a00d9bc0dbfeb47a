// Package cli binds the commands and their flags to the work; it decides nothing but which database and which Redis.
//
// May import: cli, config, connection, failure, history, redissync/agreement, redissync/outbox, redissync/sortedset,
// redissync/watch, report, terminal.
package cli

import (
	"context"
	"database/sql"
	"errors"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/cli"
	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/redissync/agreement"
	"avion.internal/migrate/internal/redissync/outbox"
	"avion.internal/migrate/internal/redissync/sortedset"
	"avion.internal/migrate/internal/report"
	"avion.internal/migrate/internal/terminal"
)

// Run does what the command line says.
func Run(ctx context.Context, outside terminal.Terminal, arguments []string) error {
	root := newRun(outside)
	root.SetArgs(arguments)
	root.SetIn(outside.In)
	root.SetOut(outside.Out)
	root.SetErr(outside.Err)
	root.AddCommand(newRebuild(outside), newCompare(outside))
	cli.Describable(root)
	err := root.ExecuteContext(ctx)
	var failed *failure.Error
	if err == nil || errors.As(err, &failed) {
		return err
	}
	if _, ok := errors.AsType[*sortedset.Error](err); ok {
		return failure.Unreachable("%w: see to Redis, then run again", err)
	}
	if ctx.Err() != nil {
		return failure.Refused("interrupted before it was done: run again")
	}
	return failure.Refused("%w: see redis-sync --help", err)
}

// sides are the two that have to agree, and what the service says about itself.
type sides struct {
	project  config.Project
	settings config.Settings
	target   connection.Target
	report   report.Reporter
	db       *sql.DB
	redis    *sortedset.Server
}

// open opens both sides under the rules of the engine: the stricter one of ENVIRONMENT and the database's mark decides how
// well Redis has to be protected too.
func open(ctx context.Context, outside terminal.Terminal) (*sides, error) {
	found := &sides{}
	var err error
	if found.project, found.settings, err = config.Read("."); err != nil {
		return nil, err
	}
	if found.report, err = report.New(outside.Err, found.settings.Typed(config.LogFormat)); err != nil {
		return nil, err
	}
	if found.target, err = connection.Resolve(found.settings, found.project); err != nil {
		return nil, err
	}
	// Before the database is asked for its mark: what is wrong anyway is told at once.
	if found.redis, err = sortedset.Resolve(found.settings, found.target.Environment); err != nil {
		return nil, err
	}
	if found.db, err = found.target.Open(ctx, found.report.Say); err != nil {
		return nil, err
	}
	if err := found.follow(ctx); err != nil {
		found.Close()
		return nil, err
	}
	found.report = found.report.About(found.target.Database, string(found.target.Environment))
	return found, nil
}

func (s *sides) follow(ctx context.Context) error {
	marker, err := history.ReadMarker(ctx, s.db, s.project.Migrations.Table)
	if err != nil {
		return failure.Unreachable("the mark of database %s cannot be read (%w): give role %q the right to read %s",
			s.target.Database, err, s.target.User, history.MarkerTable(s.project.Migrations.Table))
	}
	stricter, err := s.target.Follow(marker, s.report.Say)
	if err != nil {
		return err
	}
	if stricter {
		s.redis.Close()
		if s.redis, err = sortedset.Resolve(s.settings, s.target.Environment); err != nil {
			return err
		}
	}
	return s.redis.Check(ctx)
}

// Close ends the sessions.
func (s *sides) Close() {
	s.db.Close()
	if s.redis != nil {
		s.redis.Close()
	}
}

func (s *sides) pair() agreement.Pair {
	return agreement.Pair{DB: s.db, Redis: s.redis, Say: s.report.Say}
}

// sets returns those of the table that is meant, or, where neither a table nor a key is named, those of all tables.
func (s *sides) sets(ctx context.Context, table, key string) ([]outbox.Set, error) {
	sets, err := outbox.Find(ctx, s.db)
	if err != nil || table == "" && key == "" && len(sets) > 0 {
		return sets, err
	}
	set, err := outbox.Choose(sets, table)
	return []outbox.Set{set}, err
}

// onSets is a command that works on the sorted sets of each table with an outbox, or on the one of a key.
func onSets(outside terminal.Terminal, use, short string, do func(ctx context.Context, s *sides, sets []outbox.Set, key string) error) *cobra.Command {
	var table, key string
	command := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx := command.Context()
			s, err := open(ctx, outside)
			if err != nil {
				return err
			}
			defer s.Close()
			sets, err := s.sets(ctx, table, key)
			if err != nil {
				return err
			}
			return do(ctx, s, sets, key)
		},
	}
	command.Flags().StringVar(&key, "key", "", "the key of one sorted set, as it stands in the table")
	command.Flags().StringVar(&table, "table", "", "the table, where several have an outbox")
	return command
}
