package manifest

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"

	"avion.internal/migrate/internal/failure"
)

// Run is what a Job does instead of applying every migration to production.
type Run struct {
	// Component is what tells its name, and its label, from those of a release's Job, as in status; empty for that Job itself.
	Component string
	// Arguments are those of the engine.
	Arguments []string
	// Environment is that of the database; empty leaves what the file says, as Deadline does, in seconds.
	Environment, Deadline string
	// Confirm is the name of the database where the command asks for it.
	Confirm string
}

// Backfill is the run of a backfill, which may take seven days. What it has done by then is kept.
func Backfill(job string) Run {
	return Run{Component: "backfill", Arguments: []string{"backfill", job}, Deadline: "604800"}
}

// RenderRun returns the Job of a release that does something else: the same pod, with another name and other arguments.
func (j Job) RenderRun(release Release, run Run) (string, error) {
	text, err := j.Render(release)
	if err != nil || run.Component == "" && run.Environment == "" {
		return text, err
	}
	document, err := j.parse(text)
	if err != nil {
		return "", err
	}
	root := document.Content[0]
	if run.Component != "" {
		if err := j.rename(root, release, run.Component); err != nil {
			return "", err
		}
		arguments := field(root, "spec", "template", "spec", "containers", "0", "args")
		if arguments == nil {
			return "", failure.Refused("%s has no args of its first container, which say what the Job does: bring them back", j.Path)
		}
		arguments.Content = nil
		for _, argument := range run.Arguments {
			arguments.Content = append(arguments.Content, scalar(argument))
		}
	}
	if run.Deadline != "" {
		deadline := field(root, "spec", "activeDeadlineSeconds")
		if deadline == nil {
			return "", failure.Refused("%s has no activeDeadlineSeconds, which differs in the Job of a backfill: bring it back", j.Path)
		}
		deadline.Value = run.Deadline
		withoutComment(field(root, "spec"), "activeDeadlineSeconds")
	}
	if err := j.setVariables(root, run); err != nil {
		return "", err
	}
	var written bytes.Buffer
	encoder := yaml.NewEncoder(&written)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return "", j.malformed(err)
	}
	if err := encoder.Close(); err != nil {
		return "", j.malformed(err)
	}
	return written.String(), j.checkName(written.String())
}

func (j Job) rename(root *yaml.Node, release Release, component string) error {
	name := field(root, "metadata", "name")
	if name == nil || !strings.HasSuffix(name.Value, "-migration-"+release.BuildNumber) {
		return failure.Refused("metadata.name in %s does not end with -migration-${BUILD_NUMBER}, which becomes "+
			"-%s-${BUILD_NUMBER}: write it so", j.Path, component)
	}
	name.Value = strings.TrimSuffix(name.Value, "-migration-"+release.BuildNumber) + "-" + component + "-" + release.BuildNumber
	for _, labels := range []*yaml.Node{field(root, "metadata", "labels"), field(root, "spec", "template", "metadata", "labels")} {
		if label := field(labels, "app.kubernetes.io/component"); label != nil {
			label.Value = component
		}
	}
	return nil
}

// setVariables gives the first container the variables of a run.
func (j Job) setVariables(root *yaml.Node, run Run) error {
	variables := field(root, "spec", "template", "spec", "containers", "0", "env")
	if run.Environment != "" {
		var value *yaml.Node
		if variables != nil {
			for _, each := range variables.Content {
				if name := field(each, "name"); name != nil && name.Value == "ENVIRONMENT" {
					value = field(each, "value")
				}
			}
		}
		if value == nil {
			return failure.Refused("%s gives its first container no ENVIRONMENT, which would be %s: bring it back", j.Path, run.Environment)
		}
		value.Value = run.Environment
	}
	if run.Confirm != "" {
		if variables == nil {
			return failure.Refused("%s has no env of its first container, which CONFIRM is for: bring it back", j.Path)
		}
		variables.Content = append(variables.Content, &yaml.Node{Kind: yaml.MappingNode, Style: yaml.FlowStyle, Content: []*yaml.Node{
			scalar("name"), scalar("CONFIRM"), scalar("value"), scalar(run.Confirm),
		}})
	}
	return nil
}

func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Style: yaml.DoubleQuotedStyle, Value: text}
}

// withoutComment takes away what a comment says about a field that has another value now.
func withoutComment(mapping *yaml.Node, key string) {
	for place := 0; place+1 < len(mapping.Content); place += 2 {
		if mapping.Content[place].Value == key {
			mapping.Content[place].HeadComment = ""
		}
	}
}

// field follows keys of mappings and "0", the first of a sequence; nil is a way that does not exist.
func field(node *yaml.Node, path ...string) *yaml.Node {
	for _, key := range path {
		var next *yaml.Node
		switch {
		case node == nil:
			return nil
		case node.Kind == yaml.SequenceNode && key == "0" && len(node.Content) > 0:
			next = node.Content[0]
		case node.Kind == yaml.MappingNode:
			for place := 0; place+1 < len(node.Content); place += 2 {
				if node.Content[place].Value == key {
					next = node.Content[place+1]
				}
			}
		}
		node = next
	}
	return node
}
