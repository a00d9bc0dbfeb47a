package run

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"migrate/internal/migration"
)

// Create writes a new migration file and prints its path. Without a name it asks for one, if somebody is there.
func (e *Engine) Create(ctx context.Context, name, block string) error {
	directory, err := migration.ReadDirectory(e.project.Migrations.Dir, e.project.Migrations.Naming)
	if err != nil {
		return err
	}
	if name == "" && e.terminal.Interactive {
		name = e.terminal.Ask(ctx, "Name of the migration (as in add_user_profile): ")
	}
	path, err := directory.Create(migration.Draft{
		Name: name, Block: block, Author: e.author(ctx), Date: time.Now(),
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(e.terminal.Out, path)
	e.report.Say("write the change into it, then run make migrate-up")
	return nil
}

// author prefers the person at the keyboard to the team that owns the service.
func (e *Engine) author(ctx context.Context) string {
	name, _ := exec.CommandContext(ctx, "git", "config", "user.name").Output()
	return cmp.Or(strings.TrimSpace(string(name)), e.project.Author, "unknown")
}
