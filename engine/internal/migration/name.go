package migration

import (
	"regexp"
	"strings"

	"avion.internal/migrate/internal/failure"
)

const longestName = 100

var (
	acceptable    = regexp.MustCompile(`^[A-Za-z0-9 _-]+$`)
	wordBoundary  = regexp.MustCompile(`([a-z0-9])([A-Z])`)
	betweenWords  = regexp.MustCompile(`[ _-]+`)
	nameOfExample = "NAME=add_user_profile"
)

// Normalise turns what a person types into the snake_case that file names use.
func Normalise(typed string) (string, error) {
	if typed == "" {
		return "", failure.Refused("the migration has no name: run make migrate-create %s", nameOfExample)
	}
	name := wordBoundary.ReplaceAllString(typed, "${1}_${2}")
	name = strings.Trim(betweenWords.ReplaceAllString(strings.ToLower(name), "_"), "_")
	if !acceptable.MatchString(typed) || name == "" {
		return "", failure.Refused("the name %q holds other characters than letters, digits, spaces, - and _: "+
			"choose one like %s", typed, nameOfExample)
	}
	if len(name) > longestName {
		return "", failure.Refused("the name %q has %d characters, and at most %d are allowed: choose a shorter one",
			typed, len(name), longestName)
	}
	return name, nil
}
