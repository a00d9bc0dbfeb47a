package develop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"avion.internal/migrate/internal/adopt"
	"avion.internal/migrate/internal/child"
	"avion.internal/migrate/internal/wiring"
)

// resolved is what Compose makes of its files: anchors, extends, several files and profiles are no more.
type resolved struct {
	Services map[string]struct {
		Image string `json:"image"`
		Ports []struct {
			Published string `json:"published"`
		} `json:"ports"`
	} `json:"services"`
}

// compose holds what Compose itself reads from the service's files against what the template's file brings.
func (s *surveyor) compose(ctx context.Context) {
	theirs := slices.DeleteFunc(slices.Clone(wiring.ComposeFiles), absent)
	if len(theirs) == 0 || absent(wiring.TemplateCompose) || s.untracked(ctx, theirs[0]) {
		return
	}
	whole, err := composed(ctx)
	if err != nil {
		s.unknown("what Compose makes of "+theirs[0]+", so that its services and ports were read as they stand there", err)
		return
	}
	own, err := composed(ctx, "--file="+wiring.TemplateCompose)
	if err != nil {
		s.unknown("what Compose makes of "+wiring.TemplateCompose, err)
		return
	}
	content, _ := os.ReadFile(theirs[0])
	wired := strings.Contains(string(content), wiring.TemplateCompose)
	// What the file as it stands there has shown has its line already.
	shown := slices.Clone(s.Findings)
	told := func(words string) bool {
		return slices.ContainsFunc(shown, func(each adopt.Finding) bool {
			return each.Area == adopt.Compose && strings.Contains(each.Found, words)
		})
	}
	ports := map[string]string{}
	for name, service := range own.Services {
		for _, port := range service.Ports {
			ports[port.Published] = name
		}
	}
	for name, service := range whole.Services {
		mine, both := own.Services[name]
		if both && (!wired || mine.Image != service.Image) && !told(fmt.Sprintf("%q", name)) {
			s.add(adopt.Compose, theirs[0], 0, "Compose finds a service "+name+", which "+wiring.TemplateCompose+" brings too",
				"rename it, or answer compose_server with its name so that the template uses it")
		}
		for _, port := range service.Ports {
			if taken := ports[port.Published]; taken != "" && taken != name && !told("port "+port.Published) {
				s.add(adopt.Compose, theirs[0], 0, fmt.Sprintf("Compose lets %s publish port %s, on which %s listens too", name, port.Published, taken),
					"set another DB_PORT in .env and .env.example, or answer compose_port")
			}
		}
	}
}

// untracked tells that a file came with the copy.
func (s *surveyor) untracked(ctx context.Context, path string) bool {
	output, err := child.Git(ctx, "ls-files", "--others", "--", path).Output()
	return err == nil && len(output) > 0
}

func absent(path string) bool {
	_, err := os.Stat(path)
	return err != nil
}

func composed(ctx context.Context, arguments ...string) (resolved, error) {
	var project resolved
	command := child.Command(ctx, "docker", append(append([]string{"compose"}, arguments...), "--profile=*", "config", "--format=json")...)
	output, err := command.Output()
	if err != nil {
		return project, errors.New("docker compose config cannot be run here")
	}
	return project, json.Unmarshal(output, &project)
}
