// Package manifest makes the Kubernetes Job of one release from the file in k8s/migrations. It never talks to Kubernetes.
//
// May import: copier, failure.
package manifest

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/failure"
)

// pattern finds the file of the Job in a service's folder.
const pattern = "k8s/migrations/*-migration-job.yaml"

// Job is the file before a release is known.
type Job struct {
	Path string
	text string
}

// Read finds the file of the Job in a service's folder.
func Read(folder string) (Job, error) {
	path, text, err := read(folder, pattern, "migration Job")
	if path == "" && err == nil {
		err = copier.RequirePart(folder, copier.Kubernetes)
	}
	if path == "" && err == nil {
		err = failure.Refused("no %s in this folder: run from the service's own folder; the image does not hold the file", pattern)
	}
	return Job{Path: path, text: text}, err
}

// read finds the one file of a pattern; there may be none.
func read(folder, pattern, what string) (path, text string, err error) {
	found, _ := filepath.Glob(filepath.Join(folder, pattern))
	switch len(found) {
	case 0:
		return "", "", nil
	case 1:
	default:
		return "", "", failure.Refused("%s are several files, but a service has one %s: remove all but one",
			strings.Join(found, " and "), what)
	}
	content, err := os.ReadFile(found[0])
	if err != nil {
		var problem *fs.PathError
		_ = errors.As(err, &problem)
		return "", "", failure.Refused("%s cannot be read (%s): correct its permissions", found[0], problem.Err)
	}
	return found[0], string(content), nil
}

var (
	placeholder = regexp.MustCompile(`\$\{[^}]*\}?`)
	// The image is the one place that a digest goes to: a label may not hold one.
	image = regexp.MustCompile(`(?m)^(\s*image: ".*):\$\{VERSION\}"`)
)

// Render returns the Job of a release, ready for `kubectl create`.
func (j Job) Render(release Release) (string, error) {
	known := map[string]string{"${VERSION}": release.Version, "${BUILD_NUMBER}": release.BuildNumber}
	used, err := j.check(known)
	if err != nil {
		return "", err
	}
	if !used["${BUILD_NUMBER}"] {
		return "", failure.Refused(`%s holds no "${BUILD_NUMBER}", so that a second Job would have the name of the first: `+
			`end metadata.name with it`, j.Path)
	}
	text, err := j.fill(release, known)
	if err != nil {
		return "", err
	}
	return text, j.checkName(text)
}

// fill puts values in the place of placeholders.
func (j Job) fill(release Release, known map[string]string) (string, error) {
	text := j.text
	if release.Digest != "" {
		if !image.MatchString(text) {
			return "", failure.Refused(`%s names no image: "…:${VERSION}" that a digest could pin: `+
				`write the image so, or give VERSION without a digest`, j.Path)
		}
		text = image.ReplaceAllString(text, "$1:$${VERSION}@"+release.Digest+`"`)
	}
	for placeholder, value := range known {
		text = strings.ReplaceAll(text, placeholder, value)
	}
	return text, nil
}

// check looks for what would go wrong without anybody seeing it: a placeholder that nothing replaces, and one that
// YAML would read as a number or a truth value once it is replaced. It tells which placeholders are there.
func (j Job) check(known map[string]string) (used map[string]bool, err error) {
	document, err := j.parse(j.text)
	if err != nil {
		return nil, err
	}
	used = map[string]bool{}
	for _, scalar := range scalars(document) {
		for _, name := range placeholder.FindAllString(scalar.Value, -1) {
			if _, replaced := known[name]; !replaced {
				return nil, failure.Refused("%s line %d: nothing replaces %s: write the value itself, or %s",
					j.Path, scalar.Line, name, strings.Join(slices.Sorted(maps.Keys(known)), " or "))
			}
			if scalar.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) == 0 {
				return nil, failure.Refused(`%s line %d: %s stands without quotes, so that YAML would read 1.20 as the number 1.2: `+
					`write "%s"`, j.Path, scalar.Line, name, scalar.Value)
			}
			used[name] = true
		}
	}
	return used, nil
}

// checkName refuses a Job whose pods could not carry its name as a label.
func (j Job) checkName(text string) error {
	var job struct {
		Kind     string `yaml:"kind"`
		Metadata struct {
			Name string `yaml:"name"`
		} `yaml:"metadata"`
	}
	if err := yaml.Load([]byte(text), &job); err != nil {
		return j.malformed(err)
	}
	if job.Kind != "Job" {
		return failure.Refused("%s holds a %q, but `kubectl create` gets the Job alone: keep other objects in files of their own",
			j.Path, job.Kind)
	}
	if name := job.Metadata.Name; len(name) > longestLabel {
		return failure.Refused("the Job would be named %q, %d characters long, but its pods carry the name as a label of at most %d: "+
			"shorten metadata.name in %s", name, len(name), longestLabel, j.Path)
	}
	return nil
}

func (j Job) parse(text string) (*yaml.Node, error) {
	var document yaml.Node
	if err := yaml.Load([]byte(text), &document); err != nil {
		return nil, j.malformed(err)
	}
	return &document, nil
}

func (j Job) malformed(err error) error {
	return failure.Refused("%s is not one YAML document (%s): `kubectl create` gets the Job alone: keep other objects in files of their own",
		j.Path, strings.Join(strings.Fields(err.Error()), " "))
}

// scalars are the values and keys of a document, without its comments.
func scalars(node *yaml.Node) []*yaml.Node {
	if node.Kind == yaml.ScalarNode {
		return []*yaml.Node{node}
	}
	var found []*yaml.Node
	for _, child := range node.Content {
		found = append(found, scalars(child)...)
	}
	return found
}
