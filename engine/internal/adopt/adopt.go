// Package adopt looks through a service for what will be in the way when it takes the template over. It reads files only, changes
// none, and repeats no secret that it finds.
//
// May import: migration, report, sqlparser.
package adopt

import (
	"cmp"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/report"
)

// Area is what a finding is about.
type Area string

// The areas, in the order in which they are shown.
const (
	Files     Area = "Migrations"
	Rollbacks Area = "Rollbacks"
	Calls     Area = "Calls of a migration tool"
	Embeds    Area = "Files in the program"
	Histories Area = "Histories and tables"
	Targets   Area = "Makefile"
	Compose   Area = "Compose"
	Branches  Area = "Branches"
	Ignored   Area = "Ignored files"
	Secrets   Area = "Secrets in git"
)

var areas = []Area{Files, Rollbacks, Calls, Embeds, Histories, Targets, Compose, Branches, Ignored, Secrets}

// Finding is one thing that will be in the way.
type Finding struct {
	Area Area   `json:"area"`
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Found is what is there, WayOut what to do about it.
	Found  string `json:"found"`
	WayOut string `json:"way_out,omitempty"`
}

// Report is the whole page.
type Report struct {
	Service  string    `json:"service,omitempty"`
	Findings []Finding `json:"findings"`
	// Unknown is what nobody could find out, and why.
	Unknown []string `json:"unknown"`
}

// most is how many findings of an area are shown; the rest is counted.
const most = 12

// Write shows the page.
func (r Report) Write(out io.Writer) {
	for _, area := range areas {
		var here []Finding
		for _, each := range r.Findings {
			if each.Area == area {
				here = append(here, each)
			}
		}
		if len(here) == 0 {
			continue
		}
		if area == Files {
			here = together(here)
		}
		fmt.Fprintf(out, "%s\n", area)
		once := len(here) > 1 && !slices.ContainsFunc(here, func(each Finding) bool { return each.WayOut != here[0].WayOut })
		for _, each := range here[:min(len(here), most)] {
			if once {
				each.WayOut = ""
			}
			fmt.Fprintf(out, "  %s\n", each)
		}
		if more := len(here) - most; more > 0 {
			fmt.Fprintf(out, "  and %d more (migrate-dev adopt --json has all)\n", more)
		}
		if once && here[0].WayOut != "" {
			fmt.Fprintf(out, "  All of them: %s\n", here[0].WayOut)
		}
	}
	for _, each := range r.Unknown {
		fmt.Fprintf(out, "Not known: %s\n", each)
	}
}

// together counts what is said of many files in the words that are said of the first.
func together(findings []Finding) []Finding {
	var all []Finding
	count := map[Finding]int{}
	said := func(f Finding) Finding { return Finding{Found: f.Found, WayOut: f.WayOut} }
	for _, each := range findings {
		if count[said(each)]++; count[said(each)] == 1 {
			all = append(all, each)
		}
	}
	for position, each := range all {
		if more := count[said(each)] - 1; more > 0 {
			all[position].File += fmt.Sprintf(" and %s more", report.Count(more, "file", "files"))
			all[position].Line = 0
		}
	}
	return all
}

// String is the finding in one line.
func (f Finding) String() string {
	var words []string
	if f.File != "" {
		place := f.File
		if f.Line > 0 {
			place = fmt.Sprintf("%s:%d", f.File, f.Line)
		}
		words = append(words, place)
	}
	words = append(words, f.Found)
	if f.WayOut != "" {
		words = append(words, f.WayOut)
	}
	return strings.Join(words, ": ")
}

// Folder is a service's checkout.
type Folder struct {
	Path string
	// Known are the folders of its migrations and seeds.
	Known []string
	// Table is where its history is.
	Table string
}

// ours are the files that the template brings: what they say of goose is right.
var ours = []string{
	"migrations.mk", ".goose.yml", ".env.example", ".copier-answers.yml", "migrations.Dockerfile", "migrations.Dockerfile.dockerignore", "compose.migrations.yaml",
	"tools/migrate/", "k8s/migrations/", "monitoring/", "docs/migration-", "scripts/migration-roles.sql",
}

// IsOurs tells that the template brings a file.
func IsOurs(path string) bool {
	workflow := strings.HasPrefix(path, ".github/workflows/") && strings.HasSuffix(path, "-migration.yml")
	return workflow || slices.ContainsFunc(ours, func(each string) bool {
		return path == each || strings.HasSuffix(each, "/") && strings.HasPrefix(path, each) || strings.HasSuffix(each, "-") && strings.HasPrefix(path, each)
	})
}

// largest is the size of a file that somebody wrote by hand.
const largest = 1 << 20

// walk reads the files that somebody wrote, by their path from the folder.
func (f Folder) walk(visit func(path, content string)) {
	_ = filepath.WalkDir(f.Path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fs.SkipDir
		}
		below, err := filepath.Rel(f.Path, path)
		below = filepath.ToSlash(below)
		if err != nil || below == "." {
			return nil //nolint:nilerr // what lies elsewhere is passed over
		}
		if entry.IsDir() {
			if name := entry.Name(); below == "tools/migrate" || name != ".github" && name != ".circleci" && name != "tools" && name != "docs" && migration.Elsewhere(name) {
				return fs.SkipDir
			}
			return nil
		}
		about, err := entry.Info()
		if err != nil || !about.Mode().IsRegular() || about.Size() > largest || IsOurs(below) {
			return nil //nolint:nilerr // so is what cannot be looked at
		}
		if content, err := os.ReadFile(path); err == nil && !slices.Contains(content, 0) {
			visit(below, string(content))
		}
		return nil
	})
}

// numbered are the lines of a file with their numbers.
func numbered(content string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		number := 0
		for line := range strings.Lines(content) {
			if number++; !yield(number, line) {
				return
			}
		}
	}
}

func (f Folder) known(folder string) bool {
	return slices.ContainsFunc(f.Known, func(each string) bool { return filepath.ToSlash(filepath.Clean(each)) == folder })
}

// Read finds everything that the files alone tell, and the folders of goose's files that are not known.
func (f Folder) Read() (findings []Finding, ofGoose []string) {
	folders := map[string]*pile{}
	f.walk(func(path, content string) {
		f.sort(folders, path, content)
		findings = append(findings, calls(path, content)...)
		findings = append(findings, embeds(path, content)...)
		findings = append(findings, f.tables(path, content)...)
		findings = append(findings, f.histories(path, content)...)
	})
	for _, each := range folders {
		findings = append(findings, each.finding())
		if each.tool == "goose" {
			ofGoose = append(ofGoose, each.folder)
		}
	}
	if len(folders) > 0 {
		findings = append(findings, f.first()...)
	}
	return findings, ofGoose
}

// Sort brings the findings into the order in which they are shown: by area, file and line.
func (r Report) Sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(areas, a.Area), slices.Index(areas, b.Area)), strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
}
