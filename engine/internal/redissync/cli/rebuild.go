package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/redissync/agreement"
	"avion.internal/migrate/internal/terminal"
)

func newRebuild(outside terminal.Terminal) *cobra.Command {
	var table, key string
	command := &cobra.Command{
		Use:   "rebuild",
		Short: "Build all sorted sets anew, or that of one key, while the worker and the application go on",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx := command.Context()
			sides, err := open(ctx, outside)
			if err != nil {
				return err
			}
			defer sides.Close()
			sets, err := sides.sets(ctx, table, key)
			if err != nil {
				return err
			}
			for _, set := range sets {
				var done agreement.Rebuilt
				if key == "" {
					done, err = sides.pair().RebuildAll(ctx, set)
				} else {
					done, err = sides.pair().Rebuild(ctx, set, key)
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
				sides.report.Say("%s: %d sorted sets with %d members built, %d removed", set.Table, done.Sets, done.Members, done.Removed)
			}
			return nil
		},
	}
	flags := command.Flags()
	flags.StringVar(&key, "key", "", "the key of one sorted set, as it stands in the table")
	flags.Bool("all", true, "all sorted sets, also those that the table knows nothing of, which are removed")
	command.MarkFlagsMutuallyExclusive("key", "all")
	flags.StringVar(&table, "table", "", "the table, where several have an outbox")
	return command
}
