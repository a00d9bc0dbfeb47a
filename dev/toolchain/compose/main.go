// Command compose prints what Compose makes of the compose file that its arguments name, in this folder and with its
// .env: the project as `docker compose config` prints it, and the variables that secrets are taken from. The code is
// Compose's own.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if err := resolve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func resolve(files []string) error {
	// In the order in which Compose asks for them.
	options, err := cli.NewProjectOptions(files, cli.WithOsEnv, cli.WithEnvFiles(), cli.WithDotEnv,
		cli.WithConfigFileEnv, cli.WithDefaultConfigPath, cli.WithDefaultProfiles())
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"project":     project.WithoutUnnecessaryResources(),
		"environment": project.Environment,
	})
}
