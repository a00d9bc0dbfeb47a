package recipe

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"avion.internal/migrate/internal/draft"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/migration"
)

// Stamp is what a step becomes for one service.
type Stamp struct {
	// Name and Script are those of the migration; empty where the step has none.
	Name, Script string
	Purpose      string
	// Files are the jobs, with their paths inside the folder of migrations.
	Files []draft.File
	Next  string
}

// Request is what was typed.
type Request struct {
	// Step is the first one where it is empty.
	Recipe, Step string
	// Names are the variables that were typed, as far as that is known.
	Names []string
	// Value returns what was typed for a variable.
	Value func(variable string) string
}

// Render makes a step of a recipe out of what was typed.
func Render(request Request) (Stamp, error) {
	catalog, err := Catalog()
	if err != nil {
		return Stamp{}, err
	}
	return renderFrom(catalog, request)
}

func renderFrom(catalog []Recipe, request Request) (Stamp, error) {
	at := slices.IndexFunc(catalog, func(r Recipe) bool { return r.Name == request.Recipe })
	if at < 0 {
		return Stamp{}, failure.Refused("RECIPE is %q: use one of %s (make migrate-recipes says what they do)",
			request.Recipe, namesOf(catalog, func(r Recipe) string { return r.Name }))
	}
	found := catalog[at]
	step := cmp.Or(request.Step, found.Steps[0].Name)
	at = slices.IndexFunc(found.Steps, func(s Step) bool { return s.Name == step })
	if at < 0 {
		return Stamp{}, failure.Refused("STEP is %q: use one of the steps of %s (%s)",
			step, found.Name, namesOf(found.Steps, func(s Step) string { return s.Name }))
	}
	for _, typed := range request.Names {
		if !slices.ContainsFunc(found.Variables, func(v Variable) bool { return v.Name == typed }) {
			return Stamp{}, failure.Refused("%s is no variable of %s: correct it, or leave it out; it knows %s",
				typed, found.Name, namesOf(found.Variables, func(v Variable) string { return v.Name }))
		}
	}
	return found.render(found.Steps[at], request.Value)
}

func (r Recipe) render(step Step, typed func(variable string) string) (Stamp, error) {
	values, err := r.values(step, typed)
	if err != nil {
		return Stamp{}, err
	}
	made := Stamp{Purpose: step.Summary}
	if err := made.addJobs(step, values); err != nil {
		return Stamp{}, err
	}
	if text, has := step.files[migrationFile]; has {
		if made.Script, err = render(text, values); err != nil {
			return Stamp{}, err
		}
		if made.Name, err = render(step.Migration, values); err != nil {
			return Stamp{}, err
		}
	}
	made.Next, err = render(step.Next, values)
	return made, err
}

// values are the step's variables, checked, by name.
func (r Recipe) values(step Step, typed func(variable string) string) (map[string]any, error) {
	values := map[string]any{}
	for _, variable := range r.Variables {
		if !slices.Contains(step.Takes, variable.Name) {
			continue
		}
		text := typed(variable.Name)
		if text == "" {
			if variable.Default == nil {
				return nil, failure.Refused("%s is missing, which says: %s: type it, as in %s", variable.Name, variable.Meaning, step.Command)
			}
			var err error
			if text, err = render(*variable.Default, values); err != nil {
				return nil, err
			}
		}
		value, err := variable.accept(text)
		if err != nil {
			return nil, err
		}
		if variable.Unlike != "" && values[variable.Unlike] == value {
			return nil, failure.Refused("%s and %s are both %q: give the new one another name", variable.Unlike, variable.Name, text)
		}
		values[variable.Name] = value
	}
	return values, nil
}

// addJobs writes the step's jobs, and lets its other templates know their name.
func (s *Stamp) addJobs(step Step, values map[string]any) error {
	if step.Job == "" {
		return nil
	}
	job, err := render(step.Job, values)
	if err != nil {
		return err
	}
	if job, err = migration.Normalise(job); err != nil {
		return err
	}
	values[jobField] = job
	for _, kind := range []kindOfFile{backfillFile, maintenanceFile} {
		text, has := step.files[kind]
		if !has {
			continue
		}
		content, err := render(text, values)
		if err != nil {
			return err
		}
		folder := strings.Split(string(kind), ".")[1]
		s.Files = append(s.Files, draft.File{Path: filepath.Join(folder, job+".sql"), Content: content})
	}
	return nil
}

func namesOf[T any](all []T, nameOf func(T) string) string {
	names := make([]string, len(all))
	for position, one := range all {
		names[position] = nameOf(one)
	}
	return strings.Join(names, ", ")
}
