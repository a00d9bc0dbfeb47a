package cli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/redissync/agreement"
	"avion.internal/migrate/internal/redissync/outbox"
	"avion.internal/migrate/internal/terminal"
)

func newRebuild(outside terminal.Terminal) *cobra.Command {
	command := onSets(outside, "rebuild", "Build all sorted sets anew, or that of one key, while the worker and the application go on",
		func(ctx context.Context, s *sides, sets []outbox.Set, key string) error {
			for _, set := range sets {
				var done agreement.Rebuilt
				var err error
				if key == "" {
					done, err = s.pair().RebuildAll(ctx, set)
				} else {
					done, err = s.pair().Rebuild(ctx, set, key)
				}
				if err != nil {
					return err
				}
				result := struct {
					Table string `json:"table"`
					agreement.Rebuilt
				}{set.Table, done}
				if err := json.NewEncoder(outside.Out).Encode(result); err != nil {
					return err
				}
				s.report.Say("%s: %d sorted sets with %d members built, %d removed", set.Table, done.Sets, done.Members, done.Removed)
			}
			return nil
		})
	command.Flags().Bool("all", true, "all sorted sets, also those that the table knows nothing of, which are removed")
	command.MarkFlagsMutuallyExclusive("key", "all")
	return command
}
