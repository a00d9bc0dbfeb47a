package copier

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// shorthands are Copier's own for the addresses of the template's repository.
var shorthands = map[string]string{"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}

// URL is the address of the template's repository as git takes it, empty where it could hold a password.
func (a Answers) URL() string {
	if !source.MatchString(a.Source) {
		return ""
	}
	for short, long := range shorthands {
		if path, found := strings.CutPrefix(a.Source, short); found {
			return long + strings.TrimSuffix(path, ".git") + ".git"
		}
	}
	return strings.TrimPrefix(a.Source, "git+")
}

// Behind is the newest of the releases among some tags, empty if there is none, and how many are newer than the one that
// the files come from.
func (a Answers) Behind(tags []string) (newest string, behind int) {
	releases := slices.DeleteFunc(slices.Clone(tags), func(tag string) bool { return !release.MatchString(tag) })
	slices.SortFunc(releases, compareReleases)
	for _, tag := range releases {
		if compareReleases(tag, a.Commit) > 0 {
			behind++
		}
		newest = tag
	}
	return newest, behind
}

var digits = regexp.MustCompile(`[0-9]+`)

func compareReleases(a, b string) int {
	return slices.Compare(numbers(a), numbers(b))
}

func numbers(tag string) []int {
	var found []int
	for _, text := range digits.FindAllString(tag, 3) {
		number, _ := strconv.Atoi(text)
		found = append(found, number)
	}
	return found
}
