// Package copier reads what Copier was answered for a service, and tells whether the next update can start from it. It needs no
// database, no network and no Copier, and writes nothing.
//
// May import: failure.
package copier

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v4"

	"avion.internal/migrate/internal/failure"
)

// AnswersFile is where Copier keeps what it was answered, and the version that the files come from.
const AnswersFile = ".copier-answers.yml"

// RootLayout is the layout of a monorepo's root.
const RootLayout = "monorepo-root"

// Answers are those in the file that this program can hold against something else.
type Answers struct {
	Commit            string `yaml:"_commit"`
	Source            string `yaml:"_src_path"`
	DocsLanguage      string `yaml:"docs_language"` // ja or en
	Layout            string `yaml:"layout"`
	Prefix            string `yaml:"prefix"`
	ServiceName       string `yaml:"service_name"`
	ProductionSSLMode string `yaml:"production_ssl_mode"`
	// Parts are the parts of the template that the service has chosen; nil where a version wrote the file that did not ask.
	Parts         []string `yaml:"parts"`
	ComposeNames  string   `yaml:"compose_names"`  // plain or own
	ComposeServer string   `yaml:"compose_server"` // empty for the template's own
	ComposePort   int      `yaml:"compose_port"`   // the default of DB_PORT; 0 where the file does not say
}

// Part is what a service may do without: its files are then not there, and nothing asks for them.
type Part string

// The parts.
const (
	Compose       Part = "compose"
	GitHubActions Part = "github_actions"
	Kubernetes    Part = "kubernetes"
	Prometheus    Part = "prometheus"
)

// Chose tells whether the service has a part. Until it was asked for them, every service had all.
func (a Answers) Chose(part Part) bool {
	return a.Parts == nil || slices.Contains(a.Parts, string(part))
}

// ComposeDatabase is the service of compose that is the PostgreSQL server.
func (a Answers) ComposeDatabase() string {
	switch {
	case a.ComposeServer != "":
		return a.ComposeServer
	case a.ComposeNames == "own":
		return a.Prefix + "-" + a.ServiceName + "-postgres"
	default:
		return "postgres"
	}
}

// RequirePart refuses what needs a part that the service in a folder has not chosen. A folder without answers has all.
func RequirePart(folder string, part Part) error {
	if answers, err := ReadAnswers(folder); err == nil && !answers.Chose(part) {
		return failure.Refused("the service has not chosen the part %s: choose it with "+
			"copier update --vcs-ref=:current: --defaults --ask=parts", part)
	}
	return nil
}

// Facts are what the service's other files and its place say about the same things.
type Facts struct {
	Service           string // as in .goose.yml
	ProductionSSLMode string // as in .goose.yml
	Folder            string // the way from the top of the repository, empty at the top
}

var (
	release = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+$`)
	// What a bot can fetch: a shorthand of Copier, a URL without a password, or an address as ssh takes it.
	source = regexp.MustCompile(`^((gh|gl):[\w.-]+/[\w./-]+|(git\+)?https?://[^\s@]+|(git\+)?ssh://[^\s:@]+@?[^\s@]+|git@[\w.-]+:[\w./-]+)$`)
)

// ReadAnswers reads the answers file in a folder.
func ReadAnswers(folder string) (Answers, error) {
	var answers Answers
	file := filepath.ToSlash(filepath.Join(folder, AnswersFile))
	content, err := os.ReadFile(file)
	if err == nil {
		err = yaml.Load(content, &answers)
	}
	if err != nil {
		return Answers{}, failure.Refused("%s cannot be read (%w), and no update works without it: restore it with "+
			"git checkout HEAD -- %s", file, err, file)
	}
	return answers, nil
}

// Check holds the answers against the facts. An answer that stands in no other file cannot be checked: nothing tells
// a timeout that a person typed into the file from one that Copier wrote.
func (a Answers) Check(facts Facts) []error {
	problems := a.CheckOrigin(AnswersFile)
	refuse := func(format string, values ...any) {
		problems = append(problems, failure.Refused(AnswersFile+": "+format, values...))
	}
	if service := a.Prefix + "-" + a.ServiceName; service != facts.Service {
		refuse("the service is %q, but .goose.yml says %q, so one of them was edited by hand: restore it from git", service, facts.Service)
	}
	if a.ProductionSSLMode != facts.ProductionSSLMode {
		refuse("production_ssl_mode is %q, but .goose.yml says %q: restore both from git, then change the answer with "+
			"copier update --vcs-ref=:current: --defaults --data production_ssl_mode=MODE", a.ProductionSSLMode, facts.ProductionSSLMode)
	}
	if layout := facts.layout(); a.Layout != layout {
		refuse("layout is %q, but this folder is that of a %s: run "+
			"copier update --vcs-ref=:current: --defaults --data layout=%s", a.Layout, layout, layout)
	}
	return problems
}

// CheckOrigin tells whether updates can start from what the file says, which is called by its way from here.
func (a Answers) CheckOrigin(file string) []error {
	var problems []error
	refuse := func(format string, values ...any) {
		problems = append(problems, failure.Refused(file+": "+format, values...))
	}
	if !release.MatchString(a.Commit) {
		refuse("_commit is %q, which is no released version, and updates start from released versions only: run "+
			"copier recopy --vcs-ref=TAG with the tag of a release, such as v1.2.3", a.Commit)
	}
	if !source.MatchString(a.Source) {
		// The value is not shown: it may hold a password.
		refuse("_src_path is no address that a bot can fetch without a password from the file: write the URL of the " +
			"template's repository there; it is the one line of the file that people may edit")
	}
	return problems
}

func (f Facts) layout() string {
	if f.Folder == "" {
		return "repository"
	}
	return "monorepo-service"
}
