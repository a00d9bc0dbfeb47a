package develop

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"avion.internal/migrate/internal/adopt"
	"avion.internal/migrate/internal/child"
	"avion.internal/migrate/internal/connection"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/foreign"
	"avion.internal/migrate/internal/git"
	"avion.internal/migrate/internal/history"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/wiring"
)

// AdoptOptions choose the form of the answer.
type AdoptOptions struct{ JSON bool }

// surveyor collects what will be in the way.
type surveyor struct {
	*Engine
	adopt.Report
}

func (s *surveyor) add(area adopt.Area, file string, line int, found, wayOut string) {
	s.Findings = append(s.Findings, adopt.Finding{Area: area, File: file, Line: line, Found: found, WayOut: wayOut})
}

// refused adds what another operation would refuse: its sentence says what to do.
func (s *surveyor) refused(area adopt.Area, err error) {
	if said, ok := errors.AsType[*failure.Error](err); ok {
		s.add(area, said.File, said.Line, strings.TrimPrefix(said.Sentence, said.File+" "), "")
		return
	}
	s.add(area, "", 0, err.Error(), "")
}

func (s *surveyor) unknown(what string, err error) {
	s.Unknown = append(s.Unknown, what+": "+err.Error())
}

// Adopt shows on one page what will be in the way when the service takes the template over, each with its place and the way
// out. It changes nothing; rollbacks are tried on a throw-away database.
func (e *Engine) Adopt(ctx context.Context, options AdoptOptions) error {
	looking := *e
	looking.Engine = new(*e.Engine)
	s := &surveyor{&looking, adopt.Report{Service: e.Project.Service, Findings: []adopt.Finding{}, Unknown: []string{}}}
	found, ofGoose := adopt.Folder{Path: ".", Known: []string{e.Project.Migrations.Dir, e.Project.Seed.Dir}, Table: e.Project.Migrations.Table}.Read()
	s.Findings = append(s.Findings, found...)
	s.look(ofGoose)
	s.files(ctx)
	s.wiring(ctx)
	s.compose(ctx)
	s.repository(ctx)
	s.database(ctx)
	s.Sort()
	if options.JSON {
		return e.PrintJSON(s.Report)
	}
	s.Write(e.Terminal.Out)
	if len(s.Findings) == 0 {
		e.Report.Say("nothing is in the way")
		return nil
	}
	e.Report.Say("%s in the way; nothing was changed", things(len(s.Findings)))
	return nil
}

// look chooses the folder whose files are judged and tried: that of .goose.yml, or the only other one that holds any.
func (s *surveyor) look(ofGoose []string) {
	directory, err := s.directory(s.Project.Migrations.Rules)
	brought := func(m migration.Migration) bool { return m.File == adopt.FirstMigration }
	if err == nil && len(ofGoose) == 1 && !slices.ContainsFunc(directory.Migrations, func(m migration.Migration) bool { return !brought(m) }) {
		s.Project.Migrations.Dir = ofGoose[0]
	}
}

// directory is the folder without what migrate-import writes anew.
func (s *surveyor) directory(rules migration.Rules) (migration.Directory, error) {
	directory, err := migration.ReadDirectory(s.Project.Migrations.Dir, rules)
	foreigner := func(name string) bool { return foreign.ToolOf(filepath.Join(directory.Path, name)) != "" }
	directory.Migrations = slices.DeleteFunc(directory.Migrations, func(m migration.Migration) bool { return foreigner(m.File) })
	directory.Misnamed = slices.DeleteFunc(directory.Misnamed, foreigner)
	return directory, err
}

const leave = "or leave it as it is, with check_from in .goose.yml above its number"

// files are the migrations as the rules judge them.
func (s *surveyor) files(ctx context.Context) {
	problems := func(rules migration.Rules) []error {
		directory, err := s.directory(rules)
		if err != nil {
			return []error{err}
		}
		found := migration.Validate(directory)
		broken, err := s.unparsable(ctx, []migration.Directory{directory})
		if err != nil {
			s.unknown("syntax", err)
		}
		return append(found, notYet(found, broken)...)
	}
	unjudged := s.Project.Migrations.Rules
	unjudged.CheckFrom = math.MaxInt64
	var stay []string
	for _, problem := range problems(unjudged) {
		stay = append(stay, problem.Error())
	}
	for _, problem := range problems(s.Project.Migrations.Rules) {
		s.refused(adopt.Files, problem)
		if !slices.Contains(stay, problem.Error()) {
			s.Findings[len(s.Findings)-1].WayOut = leave
		}
	}
}

// wiring is where the service's own files and the template's take something from each other.
func (s *surveyor) wiring(ctx context.Context) {
	service := s.wirable()
	for area, read := range map[adopt.Area]wiring.Area{adopt.Targets: wiring.Makefile, adopt.Compose: wiring.Compose} {
		plan, err := service.ReadOnly(ctx, read)
		if err != nil {
			s.refused(area, err)
		}
		for _, clash := range plan.Clashes {
			s.refused(area, clash)
		}
		// A file that is not there stands in nobody's way.
		if len(plan.Edits)+len(plan.Wired) == 0 {
			continue
		}
		for _, note := range plan.Notes {
			s.add(area, "", 0, note, "")
		}
	}
}

// resolved is what Compose makes of its files: anchors, extends, several files and profiles are no more.
type resolved struct {
	Services map[string]struct {
		Image string `json:"image"`
		Ports []struct {
			Published string `json:"published"`
		} `json:"ports"`
	} `json:"services"`
}

const ownCompose = "compose.migrations.yaml"

// compose holds what Compose itself reads from the service's files against what the template's file brings.
func (s *surveyor) compose(ctx context.Context) {
	theirs := slices.DeleteFunc([]string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}, absent)
	if len(theirs) == 0 || absent(ownCompose) || s.untracked(ctx, theirs[0]) {
		return
	}
	whole, err := composed(ctx)
	if err != nil {
		s.unknown("what Compose makes of "+theirs[0]+", so that its services and ports were read as they stand there", err)
		return
	}
	own, err := composed(ctx, "--file="+ownCompose)
	if err != nil {
		s.unknown("what Compose makes of "+ownCompose, err)
		return
	}
	content, _ := os.ReadFile(theirs[0])
	wired := strings.Contains(string(content), ownCompose)
	// What the file as it stands there has shown has its line already.
	shown := slices.Clone(s.Findings)
	told := func(words string) bool {
		return slices.ContainsFunc(shown, func(each adopt.Finding) bool {
			return each.Area == adopt.Compose && strings.Contains(each.Found, words)
		})
	}
	ports := map[string]string{}
	for name, service := range own.Services {
		for _, port := range service.Ports {
			ports[port.Published] = name
		}
	}
	for name, service := range whole.Services {
		mine, both := own.Services[name]
		if both && (!wired || mine.Image != service.Image) && !told(fmt.Sprintf("%q", name)) {
			s.add(adopt.Compose, theirs[0], 0, "Compose finds a service "+name+", which "+ownCompose+" brings too",
				"rename it, or answer compose_server with its name so that the template uses it")
		}
		for _, port := range service.Ports {
			if taken := ports[port.Published]; taken != "" && taken != name && !told("port "+port.Published) {
				s.add(adopt.Compose, theirs[0], 0, fmt.Sprintf("Compose lets %s publish port %s, on which %s listens too", name, port.Published, taken),
					"set another DB_PORT in .env and .env.example, or answer compose_port")
			}
		}
	}
}

// untracked tells that a file came with the copy.
func (s *surveyor) untracked(ctx context.Context, path string) bool {
	output, err := child.Git(ctx, "ls-files", "--others", "--", path).Output()
	return err == nil && len(output) > 0
}

func absent(path string) bool {
	_, err := os.Stat(path)
	return err != nil
}

func composed(ctx context.Context, arguments ...string) (resolved, error) {
	var project resolved
	command := child.Command(ctx, "docker", append(append([]string{"compose"}, arguments...), "--profile=*", "config", "--format=json")...)
	output, err := command.Output()
	if err != nil {
		return project, errors.New("docker compose config cannot be run here")
	}
	return project, json.Unmarshal(output, &project)
}

var (
	branchesKey = regexp.MustCompile(`(?m)^\s+branches: \[(.*)\]`)
	// secretFile is a file that nobody commits, and address one with a password in it.
	secretFile = regexp.MustCompile(`(^|/)([^/]*\.env(\.(local|production|prod|staging))?|id_(rsa|ed25519|ecdsa)|[^/]*\.(pem|key|p12|pfx))$`)
	borrowed   = regexp.MustCompile(`(^|/)(vendor|node_modules)/`)
	specimen   = regexp.MustCompile(`(?i)(example|sample|template|default|dist|test)[^/]*$`)
	address    = regexp.MustCompile(`postgres(?:ql)?://[^:@/\s"'$<{]+:([^/\s"'$<{%]+)@([^@:/\s"'?]+)`)
	harmless   = regexp.MustCompile(`(?i)^(localhost|127\.0\.0\.1|postgres|db|database|host|example.*|.*\.example(\.com)?)$`)
)

// repository is what git knows: the branch that work is merged to, files that it does not take, and secrets that it has.
func (s *surveyor) repository(ctx context.Context) {
	repository := git.Repository{}
	if err := repository.Require(ctx); err != nil {
		s.unknown("branches, ignored files and secrets", err)
		return
	}
	s.branches(ctx)
	output, err := child.Git(ctx, "ls-files", "--others", "--ignored", "--exclude-standard", "-z").Output()
	for path := range strings.SplitSeq(strings.TrimSuffix(string(output), "\x00"), "\x00") {
		mine := adopt.IsOurs(path) || filepath.Dir(path) == filepath.Clean(s.Project.Migrations.Dir) || filepath.Dir(path) == filepath.Clean(s.Project.Seed.Dir)
		if err == nil && mine && !strings.HasPrefix(path, "tools/migrate/bin/") && !strings.HasPrefix(path, "tools/migrate/vendor/") {
			s.add(adopt.Ignored, path, 0, "git ignores it"+ignoredBy(ctx, path), "let git take it (! and its path in .gitignore)")
		}
	}
	output, err = child.Git(ctx, "ls-files", "-z").Output()
	if err != nil {
		s.unknown("secrets", err)
	}
	for path := range strings.SplitSeq(strings.TrimSuffix(string(output), "\x00"), "\x00") {
		if !borrowed.MatchString(path) {
			s.secrets(path)
		}
	}
}

// ignoredBy names the line that makes git ignore a file.
func ignoredBy(ctx context.Context, path string) string {
	output, _ := child.Git(ctx, "check-ignore", "--verbose", path).Output()
	source, _, found := strings.Cut(string(output), "\t")
	if !found {
		return ""
	}
	return ", because of " + source
}

func (s *surveyor) branches(ctx context.Context) {
	branch := git.Repository{}.DefaultBranch(ctx)
	workflows, _ := filepath.Glob(".github/workflows/*-migration.yml")
	for _, workflow := range workflows {
		content, err := os.ReadFile(workflow)
		named := branchesKey.FindSubmatch(content)
		if err != nil || named == nil || branch == "" || slices.Contains(strings.Split(string(named[1]), ", "), branch) {
			continue
		}
		line := 1 + strings.Count(string(content[:branchesKey.FindIndex(content)[0]]), "\n")
		s.add(adopt.Branches, workflow, line, fmt.Sprintf("runs for %s, and work is merged to %s here", named[1], branch), "add "+branch+" to branches")
	}
}

// secrets finds what must not be in git, and never repeats it.
func (s *surveyor) secrets(path string) {
	if secretFile.MatchString(path) && !specimen.MatchString(path) {
		s.add(adopt.Secrets, path, 0, "is in git", "take it out (git rm --cached), and change what it holds: the history keeps it")
		return
	}
	about, err := os.Stat(path)
	if err != nil || !about.Mode().IsRegular() || about.Size() > 1<<20 || adopt.IsOurs(path) {
		return
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return
	}
	number := 0
	for line := range strings.Lines(string(content)) {
		number++
		if found := address.FindStringSubmatch(line); found != nil && !harmless.MatchString(found[2]) {
			s.add(adopt.Secrets, path, number, "holds an address of PostgreSQL with a password", "read it from DB_URL or DB_PASSWORD, and change the password: the history keeps it")
		}
	}
}

// database is what only a server can tell: the histories in the database of the settings, and which rollbacks fail.
func (s *surveyor) database(ctx context.Context) {
	target, err := s.Target()
	if err != nil {
		s.unknown("histories in the database, and rollbacks", err)
		return
	}
	if session, err := s.OpenTarget(ctx, target); err == nil {
		others, err := history.Elsewhere(ctx, session.DB, s.Project.Migrations.Table, s.Project.Seed.Table)
		session.Close()
		if err != nil {
			s.unknown("histories in the database", err)
		}
		for _, other := range others {
			wayOut := "record what it has done with make migrate-baseline"
			if other.OfGoose() {
				wayOut = "name it as table in .goose.yml if it is this service's"
			}
			s.add(adopt.Histories, "", 0, target.Database+" has a history in "+other.String(), wayOut)
		}
	}
	if err := target.Environment.CheckDisposable("adopt"); err != nil {
		s.unknown("rollbacks", err)
		return
	}
	if err := s.rollbacks(ctx, target); err != nil {
		s.unknown("rollbacks, which are tried on a throw-away database", err)
	}
}

// rollbacks tries each Down section after everything up to its migration was applied.
func (s *surveyor) rollbacks(ctx context.Context, target connection.Target) (err error) {
	// Names are among the findings already.
	tolerant := silent(s.Engine.Engine)
	tolerant.Project.Migrations.Naming = migration.AsGoose
	directory, err := s.directory(tolerant.Project.Migrations.Rules)
	if err != nil || len(directory.Migrations) == 0 {
		return nil
	}
	if err := directory.Check(); err != nil {
		return err
	}
	maintenance, err := s.openMaintenance(ctx, target)
	if err != nil {
		return err
	}
	defer maintenance.Close()
	databases := &scratches{maintenanceSession: maintenance, target: target}
	defer func() { err = cmp.Or(err, databases.drop(ctx)) }()
	trial := &trial{surveyor: s, engine: tolerant, databases: databases, directory: directory}
	defer trial.close()
	first := len(directory.Migrations) - len(directory.FromJudged(directory.Migrations))
	for position := first; position < len(directory.Migrations); position++ {
		if next, err := trial.step(ctx, position); err != nil || !next {
			return err
		}
	}
	return nil
}

// trial is a throw-away database with the migrations before a position in it; another takes its place when a rollback has left
// it as it never was.
type trial struct {
	*surveyor
	engine    *operate.Engine
	databases *scratches
	directory migration.Directory
	checker   *checker
	applied   int
}

func (t *trial) close() {
	if t.checker != nil {
		t.checker.Close()
	}
	t.checker, t.applied = nil, 0
}

// step applies everything up to a migration, and tries its rollback. It is over where a migration cannot be applied.
func (t *trial) step(ctx context.Context, position int) (goOn bool, err error) {
	if t.checker == nil {
		scratch, err := t.databases.create(ctx)
		if err != nil {
			return false, err
		}
		session, err := t.engine.OpenTarget(ctx, scratch)
		if err != nil {
			return false, err
		}
		t.checker = &checker{Session: session, directory: t.directory, result: &checkResult{}, say: func(string, ...any) {}}
	}
	for ; t.applied < position; t.applied++ {
		if err := t.checker.apply(ctx, t.directory.Migrations[t.applied], operate.Up); err != nil {
			t.refusedStep(t.directory.Migrations[t.applied], err, "")
			return false, nil
		}
	}
	before, err := readSchema(ctx, t.checker.Session)
	if err != nil {
		return false, err
	}
	m := t.directory.Migrations[position]
	if err := t.checker.apply(ctx, m, operate.Up); err != nil {
		t.refusedStep(m, err, "")
		return false, nil
	}
	t.applied++
	if script, err := t.directory.Script(m); err != nil || len(script.Down) == 0 {
		return true, nil //nolint:nilerr // a file without Down is among the findings
	}
	if err := t.checker.apply(ctx, m, operate.Down); err != nil {
		t.refusedStep(m, err, leave)
		t.close()
		return true, nil
	}
	t.applied--
	refusal := failure.MigrationFailed("%s does not undo in Down what it does in Up: correct its Down section", filepath.Join(t.directory.Path, m.File))
	if err := t.checker.hold(ctx, t.checker.Session, before, refusal); err != nil {
		t.refusedStep(m, err, leave)
		t.close()
	}
	return true, nil
}

func (t *trial) refusedStep(m migration.Migration, err error, wayOut string) {
	sentence := strings.TrimPrefix(err.Error(), filepath.Join(t.directory.Path, m.File)+" ")
	t.add(adopt.Rollbacks, filepath.Join(t.directory.Path, m.File), 0, sentence, wayOut)
}
