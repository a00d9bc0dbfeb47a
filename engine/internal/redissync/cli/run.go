package cli

import (
	"context"
	"database/sql"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/redissync/agreement"
	"avion.internal/migrate/internal/redissync/watch"
	"avion.internal/migrate/internal/terminal"
)

func newRun(outside terminal.Terminal) *cobra.Command {
	root := &cobra.Command{
		Use:                "redis-sync",
		Short:              "Keep sorted sets of Redis in agreement with the tables that have an outbox, until a SIGTERM",
		Args:               cobra.NoArgs,
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true,
		CompletionOptions:  cobra.CompletionOptions{DisableDefaultCmd: true},
		RunE: func(command *cobra.Command, _ []string) error {
			return work(command.Context(), outside)
		},
	}
	root.AddCommand(&cobra.Command{
		Use:   "run",
		Short: root.Short,
		Args:  cobra.NoArgs,
		RunE:  root.RunE,
	})
	return root
}

func work(ctx context.Context, outside terminal.Terminal) error {
	s, err := open(ctx, outside)
	if ctx.Err() != nil {
		return nil // told to stop before it had begun
	}
	if err != nil {
		return err
	}
	defer s.redis.Close()
	state := &watch.State{Service: s.project.Service}
	if address := s.settings.Get(config.RedisSyncListen); address.Present() {
		state.Alive()
		if err := state.Serve(ctx, address.Value); err != nil {
			s.db.Close()
			return err
		}
	}
	s.report.Say("applying the events of %s to Redis at %s", s.target.Database, s.redis.Address())
	worker := &agreement.Worker{
		Open:  func(ctx context.Context) (*sql.DB, error) { return s.target.Open(ctx, s.report.Say) },
		Redis: s.redis,
		Say:   s.report.Say,
		State: state,
	}
	worker.Run(ctx, s.db)
	s.report.Say("stopped after the last batch")
	return nil
}
