package doctor

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/manifest"
)

// steps are the commands without which the workflow lets through what it is there for.
var steps = []string{"make migrate-validate", "make migrate-lint", "make migrate-up", "make migrate-check"}

// gate is the check that the branch rules require.
const gate = "Migrations are safe"

type workflow struct {
	Jobs map[string]struct {
		Name            string    `yaml:"name"`
		If              string    `yaml:"if"`
		Needs           yaml.Node `yaml:"needs"`
		ContinueOnError yaml.Node `yaml:"continue-on-error"`
		Steps           []struct {
			Name            string    `yaml:"name"`
			Run             string    `yaml:"run"`
			If              string    `yaml:"if"`
			ContinueOnError yaml.Node `yaml:"continue-on-error"`
		} `yaml:"steps"`
	} `yaml:"jobs"`
}

// judgeWorkflow looks for what the workflow must not lose, whatever else a service has made of it.
func judgeWorkflow(e Evidence) Finding {
	file := filepath.Join(".github/workflows", strings.TrimPrefix(e.Project.Service, e.Template.Answers.Prefix+"-")+"-migration.yml")
	next := recopy
	if e.Prefix != "" {
		// A monorepo's root holds the one workflow for all of its services.
		file = filepath.Join(strings.Repeat("../", strings.Count(e.Prefix, "/")), ".github/workflows/migrations.yml")
		next = "copier copy with layout=monorepo-root, at the root of the monorepo"
	} else if e.ProjectError != nil || e.Template.Error != nil {
		return skipped("", "the service's name is not known")
	}
	content, err := os.ReadFile(filepath.Join(e.Folder, file))
	if err != nil {
		return fail(next, "%s is not there", file)
	}
	var read workflow
	if err := yaml.Load(content, &read); err != nil {
		return fail(recopy, "%s cannot be read as YAML: %s", file, firstLine(err))
	}
	if lost := read.lost(); len(lost) > 0 {
		return in(file, fail(next, "%s %s", file, strings.Join(lost, ", ")))
	}
	return pass("%s has its steps and its gate", file)
}

func (w workflow) lost() []string {
	var lost []string
	var commands strings.Builder
	for _, each := range w.Jobs {
		if !each.ContinueOnError.IsZero() {
			lost = append(lost, "goes on after an error in "+each.Name)
		}
		for _, step := range each.Steps {
			if !step.ContinueOnError.IsZero() {
				lost = append(lost, "goes on after an error in "+step.Name)
			}
			if step.If == "" {
				commands.WriteString(step.Run + "\n")
			}
		}
	}
	for _, step := range steps {
		if !strings.Contains(commands.String(), step+"\n") {
			lost = append(lost, "never runs "+step)
		}
	}
	for name, each := range w.Jobs {
		if each.Name != gate {
			continue
		}
		if each.If != "always()" {
			lost = append(lost, fmt.Sprintf("has a gate %q that is not always reported", gate))
		}
		for other := range w.Jobs {
			if other != name && !slices.Contains(words(each.Needs), other) {
				lost = append(lost, fmt.Sprintf("has a gate %q that does not wait for %s", gate, other))
			}
		}
		slices.Sort(lost)
		return lost
	}
	slices.Sort(lost)
	return append(lost, fmt.Sprintf("has no job %q", gate))
}

type job struct {
	Spec struct {
		ActiveDeadlineSeconds int `yaml:"activeDeadlineSeconds"`
		PodFailurePolicy      struct {
			Rules []struct {
				Action      string `yaml:"action"`
				OnExitCodes struct {
					Values []int `yaml:"values"`
				} `yaml:"onExitCodes"`
			} `yaml:"rules"`
		} `yaml:"podFailurePolicy"`
		Template struct {
			Spec struct {
				RestartPolicy string `yaml:"restartPolicy"`
				Containers    []struct {
					Name string   `yaml:"name"`
					Args []string `yaml:"args"`
					Env  []struct {
						Name  string `yaml:"name"`
						Value string `yaml:"value"`
					} `yaml:"env"`
				} `yaml:"containers"`
			} `yaml:"spec"`
		} `yaml:"template"`
	} `yaml:"spec"`
}

func judgeJob(e Evidence) Finding {
	file, err := manifest.Read(e.Folder)
	if err != nil {
		return refused(err)
	}
	release, err := manifest.NewRelease("0.0.0", "1")
	if err != nil {
		return refused(err)
	}
	text, err := file.Render(release)
	if err != nil {
		return refused(err)
	}
	var read job
	if err := yaml.Load([]byte(text), &read); err != nil {
		return fail(recopy, "%s is no Job: %s", file.Path, firstLine(err))
	}
	if lost := read.lost(); len(lost) > 0 {
		return in(file.Path, fail(recopy, "%s %s", file.Path, strings.Join(lost, ", ")))
	}
	return pass("%s can be rendered, and ends at the first failure", file.Path)
}

// lost is what would let a Job repeat a failed migration, or go on for ever.
func (j job) lost() []string {
	var lost []string
	var final []int
	for _, rule := range j.Spec.PodFailurePolicy.Rules {
		if rule.Action == "FailJob" {
			final = append(final, rule.OnExitCodes.Values...)
		}
	}
	for _, code := range []failure.Code{failure.CodeRefused, failure.CodeMigrationFailed, failure.CodeHistoryMismatch} {
		if !slices.Contains(final, int(code)) {
			lost = append(lost, fmt.Sprintf("tries again after exit code %d", code))
		}
	}
	if j.Spec.ActiveDeadlineSeconds <= 0 {
		lost = append(lost, "has no activeDeadlineSeconds")
	}
	pod := j.Spec.Template.Spec
	if pod.RestartPolicy != "Never" {
		lost = append(lost, fmt.Sprintf("has the restartPolicy %q, but each try needs a pod of its own", pod.RestartPolicy))
	}
	if len(pod.Containers) != 1 || !slices.Equal(pod.Containers[0].Args, []string{"up"}) {
		return append(lost, "does not run up, and that alone")
	}
	for _, variable := range pod.Containers[0].Env {
		if variable.Name == "ENVIRONMENT" && variable.Value != "" {
			return lost
		}
	}
	return append(lost, "sets no ENVIRONMENT")
}

type rules struct {
	Kind string `yaml:"kind"`
	Spec struct {
		Groups []struct {
			Rules []struct {
				Alert string `yaml:"alert"`
				Expr  string `yaml:"expr"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	} `yaml:"spec"`
}

func judgeAlerts(e Evidence) Finding {
	found, _ := filepath.Glob(filepath.Join(e.Folder, "monitoring/*-migration-alerts.yaml"))
	if len(found) == 0 {
		return fail(recopy, "there is no monitoring/*-migration-alerts.yaml")
	}
	file := path.Join("monitoring", filepath.Base(found[0]))
	content, err := os.ReadFile(found[0])
	var read rules
	if err == nil {
		err = yaml.Load(content, &read)
	}
	if err != nil {
		return fail(recopy, "%s cannot be read: %s", file, firstLine(err))
	}
	exprs := map[string]string{}
	for _, group := range read.Spec.Groups {
		for _, rule := range group.Rules {
			exprs[rule.Alert] = rule.Expr
		}
	}
	for _, alert := range []string{"MigrationFailed", "MigrationTakingTooLong"} {
		if exprs[alert] == "" {
			return in(file, fail(recopy, "%s has no alert %s", file, alert))
		}
		if e.ProjectError == nil && !strings.Contains(exprs[alert], e.Project.Service+"-migration-") {
			return in(file, fail(recopy, "%s: %s does not look at the Jobs of %s", file, alert, e.Project.Service))
		}
	}
	return pass("%s has %d alerts", file, len(exprs))
}

// in tells the file of a finding.
func in(file string, found Finding) Finding {
	found.File, found.Line = file, 1
	return found
}

// words are those of a YAML value that is one or a list of them.
func words(node yaml.Node) []string {
	if node.Kind == yaml.ScalarNode {
		return []string{node.Value}
	}
	var found []string
	for _, each := range node.Content {
		found = append(found, each.Value)
	}
	return found
}

func firstLine(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}
