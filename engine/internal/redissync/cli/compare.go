package cli

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/spf13/cobra"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/redissync/agreement"
	"avion.internal/migrate/internal/redissync/outbox"
	"avion.internal/migrate/internal/terminal"
)

func newCompare(outside terminal.Terminal) *cobra.Command {
	var asJSON bool
	command := onSets(outside, "compare", "Compare every member of the sorted sets with the rows, while the worker and the application go on",
		func(ctx context.Context, s *sides, sets []outbox.Set, key string) error {
			different := 0
			for _, set := range sets {
				var found agreement.Comparison
				var err error
				if key != "" {
					found, err = s.pair().Compare(ctx, set, key)
				} else {
					found, err = s.pair().CompareAll(ctx, set)
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
					s.report.Say("%s, member %s: %s in the table, %s in Redis", each.Set, each.Member, told(each.Table), told(each.Redis))
				}
				s.report.Say("%s: %d sorted sets with %d members compared, %d differ, %d wait in the outbox",
					set.Table, found.Sets, found.Members, found.Different, found.Pending)
			}
			if different > 0 {
				return failure.Refused("%d members differ between %s and Redis at %s: build the sets anew with make migrate-redis-rebuild",
					different, s.target.Database, s.redis.Address())
			}
			return nil
		})
	command.Flags().BoolVar(&asJSON, "json", false, "print one line of JSON for each table")
	return command
}

func told(score *float64) string {
	if score == nil {
		return "nothing"
	}
	return strconv.FormatFloat(*score, 'f', -1, 64)
}
