package develop

import (
	"cmp"
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"avion.internal/migrate/internal/adopt"
	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/foreign"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/report"
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
	e.Report.Say("%s in the way; nothing was changed", report.Count(len(s.Findings), "thing is", "things are"))
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
	directory, err := s.directory(s.Project.Migrations.Rules)
	if err != nil {
		s.refused(adopt.Files, err)
		return
	}
	found := migration.Validate(directory)
	broken, err := s.unparsable(ctx, []migration.Directory{directory})
	if err != nil {
		s.unknown("syntax", err)
	}
	stay := s.objectionsToAll(directory, broken)
	for _, problem := range append(found, notYet(found, broken)...) {
		s.refused(adopt.Files, problem)
		if !slices.Contains(stay, problem.Error()) {
			s.Findings[len(s.Findings)-1].WayOut = leave
		}
	}
}

// objectionsToAll are those that check_from spares no file: whatever keeps one from being applied.
func (s *surveyor) objectionsToAll(directory migration.Directory, broken []error) []string {
	var stay []string
	rules := s.Project.Migrations.Rules
	rules.CheckFrom = math.MaxInt64
	if unjudged, err := s.directory(rules); err == nil {
		for _, problem := range migration.Validate(unjudged) {
			stay = append(stay, problem.Error())
		}
	}
	rollbacks := map[string]int{}
	for _, m := range directory.Migrations {
		if script, err := directory.Script(m); err == nil && len(script.Down) > 0 {
			rollbacks[filepath.Join(directory.Path, m.File)] = script.Down[0].Line
		}
	}
	for _, problem := range broken {
		if placed, ok := errors.AsType[*failure.Error](problem); ok && placed.Line < cmp.Or(rollbacks[placed.File], math.MaxInt) {
			stay = append(stay, problem.Error())
		}
	}
	return stay
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
