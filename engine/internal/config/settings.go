package config

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/joho/godotenv"

	"avion.internal/migrate/internal/failure"
)

// Source is where a setting comes from; a greater Source is the stronger one. What is typed on make's command line
// arrives through the environment.
type Source int

// The sources, weakest first.
const (
	Nowhere Source = iota
	DotEnv
	Environment
)

// Setting is a variable with the place that it comes from.
type Setting struct {
	Name   string
	Value  string
	Source Source
}

// String is the source in words.
func (s Source) String() string {
	return map[Source]string{DotEnv: ".env", Environment: "the environment"}[s]
}

// Origin is the name of the setting with its source, as far as that is known.
func (s Setting) Origin() string {
	if s.Source == Nowhere {
		return s.Name
	}
	return s.Name + " in " + s.Source.String()
}

// Present tells whether the setting says anything: a blank one does not.
func (s Setting) Present() bool { return s.Value != "" }

// Settings are the variables of the environment and of .env. The process's own environment stays as it is, so that
// nothing from .env reaches a place that did not ask for it.
type Settings struct {
	environment map[string]string
	dotenv      map[string]string
}

// NewSettings joins the variables of the environment, as os.Environ gives them, with those of .env.
func NewSettings(environ []string, dotenv map[string]string) Settings {
	environment := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		environment[name] = value
	}
	return Settings{environment: environment, dotenv: dotenv}
}

// Process are the variables of this process alone, where no .env is at hand.
func Process() Settings { return NewSettings(os.Environ(), nil) }

// Get returns the strongest non-blank value of a variable.
func (s Settings) Get(variable Variable) Setting { return s.Named(variable.Name) }

// Named is Get for a variable that a file of the service names, and not the program.
func (s Settings) Named(name string) Setting {
	if value := s.environment[name]; value != "" {
		return Setting{name, value, Environment}
	}
	if value := s.dotenv[name]; value != "" {
		return Setting{name, value, DotEnv}
	}
	return Setting{Name: name}
}

// Lookup returns the strongest value of a variable for which blank is a value too.
func (s Settings) Lookup(variable Variable) Setting {
	name := variable.Name
	if value, set := s.environment[name]; set {
		return Setting{name, value, Environment}
	}
	if value, set := s.dotenv[name]; set {
		return Setting{name, value, DotEnv}
	}
	return Setting{Name: name}
}

// Typed returns a value that somebody gave for this one run: .env, which stays, is not asked.
func (s Settings) Typed(variable TypedVariable) string { return s.TypedNamed(variable.Name) }

// TypedNamed is Typed for a variable that a file of the service names, and not the program.
func (s Settings) TypedNamed(name string) string { return s.environment[name] }

// Read is what the service says about itself in a folder: .goose.yml, and .env, which may be missing, with the environment.
func Read(folder string) (Project, Settings, error) {
	project, err := ReadProject(folder)
	if err != nil {
		return Project{}, Settings{}, err
	}
	dotenv, _, err := ReadEnvFile(folder, ".env")
	return project, NewSettings(os.Environ(), dotenv), err
}

// ReadEnvFile reads a file of the form of .env, and tells whether it is there at all.
func ReadEnvFile(folder, name string) (map[string]string, bool, error) {
	content, err := os.ReadFile(filepath.Join(folder, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, true, failure.Refused("%s cannot be read (%s): correct its permissions, or remove it", name, reason(err))
	}
	values, err := godotenv.UnmarshalBytes(content)
	if err != nil {
		// The parser's own words quote the file, and the file holds a password.
		return nil, true, failure.Refused("%s line %d cannot be read: write NAME=value, "+
			"and put a value with special characters between single quotes", name, malformedLine(content))
	}
	return values, true, nil
}

// malformedLine finds the line after the longest beginning of the file that can be read.
func malformedLine(content []byte) int {
	lines := bytes.SplitAfter(content, []byte("\n"))
	for count := len(lines) - 1; count > 0; count-- {
		if _, err := godotenv.UnmarshalBytes(bytes.Join(lines[:count], nil)); err == nil {
			return count + 1
		}
	}
	return 1
}

// reason is the operating system's word for an error, without the path that the sentence around it names already.
func reason(err error) string {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		return pathError.Err.Error()
	}
	return err.Error()
}
