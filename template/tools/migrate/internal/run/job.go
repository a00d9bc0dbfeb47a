package run

import (
	"fmt"

	"migrate/internal/manifest"
)

// Job prints the Kubernetes Job of a release. It needs no database.
func (e *Engine) Job(version, buildNumber string) error {
	release, err := manifest.NewRelease(version, buildNumber)
	if err != nil {
		return err
	}
	job, err := manifest.Read(".")
	if err != nil {
		return err
	}
	text, err := job.Render(release)
	if err == nil {
		fmt.Fprint(e.terminal.Out, text)
	}
	return err
}
