package manifest

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v4"

	"avion.internal/migrate/internal/failure"
)

// backfillDeadline is how long the Job of a backfill may take, in seconds: seven days. What it has done by then is kept.
const backfillDeadline = "604800"

// RenderBackfill returns the Job of a release that runs a backfill instead of the migrations: the same pod, with another
// name and more time.
func (j Job) RenderBackfill(release Release, job string) (string, error) {
	text, err := j.Render(release)
	if err != nil {
		return "", err
	}
	document, err := j.parse(text)
	if err != nil {
		return "", err
	}
	root := document.Content[0]
	name := field(root, "metadata", "name")
	deadline := field(root, "spec", "activeDeadlineSeconds")
	arguments := field(root, "spec", "template", "spec", "containers", "0", "args")
	switch {
	case name == nil || !strings.HasSuffix(name.Value, "-migration-"+release.BuildNumber):
		return "", failure.Refused("metadata.name in %s does not end with -migration-${BUILD_NUMBER}, which becomes "+
			"-backfill-${BUILD_NUMBER}: write it so", j.Path)
	case deadline == nil || arguments == nil:
		return "", failure.Refused("%s has no activeDeadlineSeconds or no args of its first container, which differ in the Job of a backfill: "+
			"bring them back", j.Path)
	}
	name.Value = strings.TrimSuffix(name.Value, "-migration-"+release.BuildNumber) + "-backfill-" + release.BuildNumber
	deadline.Value = backfillDeadline
	withoutComment(field(root, "spec"), "activeDeadlineSeconds")
	arguments.Content = []*yaml.Node{scalar("backfill"), scalar(job)}
	for _, labels := range []*yaml.Node{field(root, "metadata", "labels"), field(root, "spec", "template", "metadata", "labels")} {
		if component := field(labels, "app.kubernetes.io/component"); component != nil {
			component.Value = "backfill"
		}
	}
	var written bytes.Buffer
	encoder := yaml.NewEncoder(&written)
	encoder.SetIndent(2)
	if err := encoder.Encode(document); err != nil {
		return "", j.malformed(err)
	}
	return written.String(), encoder.Close()
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
