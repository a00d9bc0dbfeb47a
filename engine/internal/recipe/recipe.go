// Package recipe writes migrations, and the jobs that go with them, from a catalog of what services need again and again. It
// never asks a database.
//
// The catalog is data: a folder for each recipe, with recipe.yml and the templates of its steps. The files of a step begin
// with its name: <step>.sql.tmpl becomes a numbered migration, <step>.backfill.sql.tmpl and <step>.maintenance.sql.tmpl
// become jobs. A template, and every text of recipe.yml that is one, knows the variables under the names under which
// people type them, and .Job; a step takes the variables that its templates use.
//
// May import: draft, failure, migration, sqltext.
package recipe

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

//go:embed catalog
var embedded embed.FS

// Recipe is one folder of the catalog.
type Recipe struct {
	Name    string `json:"name" yaml:"-"`
	Summary string `json:"summary"`
	// Japanese is the summary on the Japanese page of the reference.
	Japanese string `json:"-" yaml:"ja"`
	// Tables are what the examples are about, as a migration; empty where a service's first one has them.
	Tables string `json:"-"`
	// Consideration is the answer in copier.yml whose documents describe the recipe; empty where none does.
	Consideration string     `json:"consideration,omitempty"`
	Variables     []Variable `json:"variables"`
	Steps         []Step     `json:"steps"`
}

// Variable is what a person may, or must, type.
type Variable struct {
	Name    string `json:"name"`
	Meaning string `json:"meaning"`
	// Japanese is the meaning on the Japanese page of the reference.
	Japanese string `json:"-" yaml:"ja"`
	Kind     Kind   `json:"kind"`
	// Default is a template over the variables before this one; without one the variable has to be typed.
	Default *string `json:"-"`
	// Otherwise is the default as people read it.
	Otherwise *string `json:"default,omitempty" yaml:"-"`
	Example   string  `json:"example"`
	// Choices are the only values that a variable takes; empty leaves it to its kind.
	Choices []string `json:"choices,omitempty"`
	// Unlike names a variable before this one that must not have the same value.
	Unlike string `json:"unlike,omitempty"`
}

var inTemplate = regexp.MustCompile(`{{\.(\w+)[^}]*}}`)

// Step is one release's worth of a recipe.
type Step struct {
	Name    string `json:"name"`
	Summary string `json:"summary"`
	// Japanese is the summary on the Japanese page of the reference.
	Japanese string `json:"-" yaml:"ja"`
	// Migration and Job are templates of the names that the step's files get.
	Migration string `json:"-"`
	Job       string `json:"-"`
	// Next is a template of what to do after the file was written.
	Next string `json:"-"`
	// Example overrules the examples of variables.
	Example map[string]string `json:"example,omitempty"`
	// Takes are the names of the variables that the step uses.
	Takes []string `json:"variables" yaml:"-"`
	// Command is how the step is stamped with its examples.
	Command string `json:"command" yaml:"-"`

	files map[kindOfFile]string
}

// kindOfFile is the ending of a template's name, which decides what becomes of it.
type kindOfFile string

const (
	migrationFile   kindOfFile = ".sql.tmpl"
	backfillFile    kindOfFile = ".backfill.sql.tmpl"
	maintenanceFile kindOfFile = ".maintenance.sql.tmpl"
)

// Catalog returns every recipe that the program carries.
func Catalog() ([]Recipe, error) {
	root, err := fs.Sub(embedded, "catalog")
	if err != nil {
		return nil, err
	}
	return read(root)
}

func read(root fs.FS) ([]Recipe, error) {
	folders, err := fs.ReadDir(root, ".")
	if err != nil {
		return nil, err
	}
	var all []Recipe
	for _, folder := range folders {
		recipe, err := readRecipe(root, folder.Name())
		if err != nil {
			return nil, fmt.Errorf("the recipe %s: %w", folder.Name(), err)
		}
		all = append(all, recipe)
	}
	return all, nil
}

func readRecipe(root fs.FS, folder string) (Recipe, error) {
	content, err := fs.ReadFile(root, path.Join(folder, "recipe.yml"))
	if err != nil {
		return Recipe{}, err
	}
	recipe := Recipe{}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(&recipe); err != nil {
		return Recipe{}, err
	}
	recipe.Name = folder
	for position, variable := range recipe.Variables {
		if variable.Default != nil {
			readable := inTemplate.ReplaceAllString(*variable.Default, "<$1>")
			recipe.Variables[position].Otherwise = &readable
		}
	}
	for position := range recipe.Steps {
		if err := recipe.complete(&recipe.Steps[position], root); err != nil {
			return Recipe{}, fmt.Errorf("the step %s: %w", recipe.Steps[position].Name, err)
		}
	}
	return recipe, nil
}

// complete adds what follows from the step's templates.
func (r Recipe) complete(step *Step, root fs.FS) error {
	step.files = map[kindOfFile]string{}
	used := map[string]bool{}
	texts := []string{step.Migration, step.Job, step.Next}
	for _, kind := range []kindOfFile{migrationFile, backfillFile, maintenanceFile} {
		content, err := fs.ReadFile(root, path.Join(r.Name, step.Name+string(kind)))
		if err != nil {
			continue
		}
		step.files[kind] = string(content)
		texts = append(texts, string(content))
	}
	for _, text := range texts {
		if err := fields(text, used); err != nil {
			return err
		}
	}
	// A default is made of earlier variables, so that those are found from the end.
	for _, variable := range slices.Backward(r.Variables) {
		if used[variable.Name] && variable.Default != nil {
			if err := fields(*variable.Default, used); err != nil {
				return err
			}
		}
	}
	step.Command = "make migrate-create RECIPE=" + r.Name
	if len(r.Steps) > 1 {
		step.Command += " STEP=" + step.Name
	}
	for _, variable := range r.Variables {
		if !used[variable.Name] {
			continue
		}
		step.Takes = append(step.Takes, variable.Name)
		if _, special := step.Example[variable.Name]; variable.Default == nil || special {
			step.Command += " " + variable.Name + "=" + quoted(step.example(variable))
		}
	}
	return nil
}

// example is a value with which the step can be tried.
func (s Step) example(variable Variable) string {
	if value, special := s.Example[variable.Name]; special {
		return value
	}
	return variable.Example
}

// quoted writes a word as a shell reads it.
func quoted(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.,-/:", r)
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
