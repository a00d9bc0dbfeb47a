package git

import (
	"context"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// Top is the way from the current folder to the top of the repository, empty at the top and outside of one.
func (r Repository) Top(ctx context.Context) string {
	top, _ := r.ask(ctx, "rev-parse", "--show-cdup")
	return strings.TrimSpace(top)
}

// Require refuses a folder outside of every repository.
func (r Repository) Require(ctx context.Context) error {
	if _, err := r.ask(ctx, "rev-parse", "--show-prefix"); err != nil {
		return failure.Refused("git knows no repository around this folder (%w): run it in a checkout of the service", err)
	}
	return nil
}
