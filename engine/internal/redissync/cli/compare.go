package cli

import (
	"encoding/json"
	"strconv"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/redissync/agreement"
	"avion.internal/migrate/internal/terminal"
)

func newCompare(outside terminal.Terminal) *cobra.Command {
	var table, key string
	var asJSON bool
	command := &cobra.Command{
		Use:   "compare",
		Short: "Compare every member of the sorted sets with the rows, while the worker and the application go on",
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
			different := 0
			for _, set := range sets {
				var found agreement.Comparison
				if key != "" {
					found, err = sides.pair().Compare(ctx, set, key)
				} else {
					found, err = sides.pair().CompareAll(ctx, set)
				}
				if err != nil {
					return err
				}
				different += found.Different
				if asJSON {
					if err := json.NewEncoder(outside.Out).Encode(found); err != nil {
						return err
					}
				}
				for _, each := range found.Differences {
					sides.report.Say("%s, member %s: %s in the table, %s in Redis", each.Set, each.Member, told(each.Table), told(each.Redis))
				}
				sides.report.Say("%s: %d sorted sets with %d members compared, %d differ, %d wait in the outbox",
					set.Table, found.Sets, found.Members, found.Different, found.Pending)
			}
			if different > 0 {
				return failure.Refused("%d members differ between %s and Redis at %s: build the sets anew with make migrate-redis-rebuild",
					different, sides.target.Database, sides.redis.Address())
			}
			return nil
		},
	}
	flags := command.Flags()
	flags.StringVar(&key, "key", "", "the key of one sorted set, as it stands in the table")
	flags.StringVar(&table, "table", "", "the table, where several have an outbox")
	flags.BoolVar(&asJSON, "json", false, "print one line of JSON for each table")
	return command
}

func told(score *float64) string {
	if score == nil {
		return "nothing"
	}
	return strconv.FormatFloat(*score, 'f', -1, 64)
}
