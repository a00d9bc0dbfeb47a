package develop

import (
	"context"
	"slices"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/lint"
	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/operate"
	"avion.internal/migrate/internal/rules"
	"avion.internal/migrate/internal/trace"
)

// Plan prints the SQL that Up would run now, what PostgreSQL does with it on a throw-away database, and what there is
// against it.
func (e *Engine) Plan(ctx context.Context, asJSON bool) error {
	session, current, steps, plan, err := e.PreparePlan(ctx)
	if err != nil {
		return err
	}
	target := session.Target
	session.Close() // a database that somebody is connected to cannot be copied
	pending := func(m migration.Migration) bool { return slices.Contains(steps, m) }
	before, err := traceable(current.Directory, slices.DeleteFunc(slices.Clone(current.Directory.Migrations), pending))
	if err != nil {
		return err
	}
	files, err := traceable(current.Directory, steps)
	if err != nil {
		return err
	}
	found, err := traceOn(ctx, target, append(before, seeds(e.Project.Seed)...), files, e.Project.Migrations.BareTable(), e.Project.Seed.BareTable())
	if err != nil {
		return err
	}
	plan.Unmeasured = found.why
	if found.note != "" {
		e.Report.Say("%s", found.note)
	}
	if session, err = e.OpenTarget(ctx, target); err != nil {
		return err
	}
	defer session.Close()
	for position, step := range steps {
		source, err := current.Directory.Source(step)
		if err != nil {
			return err
		}
		review, err := e.review(ctx, source, found.statements[step.File])
		if err != nil {
			return err
		}
		if !current.Directory.Judged(step) {
			review.Findings = nil
		}
		fill(&plan.Migrations[position], review, found.statements[step.File])
		if err := addSizes(ctx, session, &plan.Migrations[position]); err != nil {
			return err
		}
	}
	return e.ShowPlan(plan, asJSON)
}

// review judges a migration, with squawk where it is there.
func (e *Engine) review(ctx context.Context, source migration.Source, traced []trace.Statement) (lint.Review, error) {
	squawk, err := lint.FindSquawk(e.Settings.Get(config.Squawk).Value)
	if err != nil {
		return lint.Judge(source, nil, traced)
	}
	return squawk.Lint(ctx, source, traced)
}

// fill writes what is known of each statement beside it.
func fill(planned *operate.PlannedMigration, review lint.Review, traced []trace.Statement) {
	for part := range planned.Statements {
		statement := &planned.Statements[part]
		var parts []operate.PlannedStatement
		for position, unit := range review.Units {
			if unit.Part == part {
				parts = append(parts, describe(unit, review.Verdict, position, traced))
			}
		}
		for _, each := range parts {
			merge(statement, each)
		}
		if len(parts) > 1 {
			statement.Parts = parts
		}
	}
	for _, finding := range review.Findings {
		planned.Findings = append(planned.Findings, operate.PlannedFinding{Line: finding.Line, Level: finding.Level, Rule: finding.Rule, Message: finding.Message, Help: finding.Help})
	}
}

func describe(unit trace.Unit, verdict rules.Verdict, position int, traced []trace.Statement) operate.PlannedStatement {
	described := operate.PlannedStatement{Line: unit.Line, SQL: unit.Text, Locks: []operate.PlannedLock{}}
	held, unknown := verdict.Locks(position)
	for _, lock := range held {
		described.Locks = append(described.Locks, operate.PlannedLock{Lock: lock.Lock, Blocks: lock.Mode.Blocks(), Until: lock.Until})
	}
	described.Unknown = unknown
	if position >= len(traced) {
		return described
	}
	found := traced[position]
	if !found.Measured() {
		described.Unknown = "not measured: " + found.Unmeasured
		return described
	}
	described.Measured = true
	names := func(relations []trace.Relation) []string {
		var all []string
		for _, each := range relations {
			all = append(all, each.Name)
		}
		return all
	}
	described.Rewrites, described.Verifies, described.Validates, described.Invalid = names(found.Rewritten), names(found.Verified), found.Validated, found.Invalid
	for _, index := range found.Built {
		described.Builds = append(described.Builds, operate.PlannedIndex{Index: index.Name.Name, Table: index.Table.Name})
	}
	for _, rows := range found.Rows {
		described.Rows = append(described.Rows, operate.PlannedRows{Relation: rows.Name, Inserted: rows.Inserted, Updated: rows.Updated, Deleted: rows.Deleted})
	}
	described.Created, described.Dropped = objects(found.Created), objects(found.Dropped)
	return described
}

func objects(found []trace.Object) []operate.PlannedObject {
	var all []operate.PlannedObject
	for _, each := range found {
		all = append(all, operate.PlannedObject(each))
	}
	return all
}

// merge adds what one statement of a block does to what the block does.
func merge(whole *operate.PlannedStatement, part operate.PlannedStatement) {
	for _, lock := range part.Locks {
		position := slices.IndexFunc(whole.Locks, func(known operate.PlannedLock) bool {
			return known.Relation == lock.Relation && known.OfIndex == lock.OfIndex
		})
		switch {
		case position < 0:
			whole.Locks = append(whole.Locks, lock)
		case lock.Mode.StrongerThan(whole.Locks[position].Mode):
			whole.Locks[position] = lock
		}
	}
	if part.Unknown != "" {
		whole.Unknown = part.Unknown
	}
	whole.Measured = part.Measured
	whole.Rewrites = append(whole.Rewrites, part.Rewrites...)
	whole.Verifies = append(whole.Verifies, part.Verifies...)
	whole.Builds = append(whole.Builds, part.Builds...)
	whole.Validates = append(whole.Validates, part.Validates...)
	whole.Rows = append(whole.Rows, part.Rows...)
	whole.Created = append(whole.Created, part.Created...)
	whole.Dropped = append(whole.Dropped, part.Dropped...)
	whole.Invalid = append(whole.Invalid, part.Invalid...)
}

// addSizes tells how large the relations are that a migration locks, in the database that it is for.
func addSizes(ctx context.Context, session *operate.Session, planned *operate.PlannedMigration) error {
	var names []string
	each := func(visit func(*operate.PlannedLock)) {
		for position := range planned.Statements {
			statement := &planned.Statements[position]
			for lock := range statement.Locks {
				visit(&statement.Locks[lock])
			}
			for part := range statement.Parts {
				for lock := range statement.Parts[part].Locks {
					visit(&statement.Parts[part].Locks[lock])
				}
			}
		}
	}
	each(func(lock *operate.PlannedLock) { names = append(names, rules.BareName(lock.Relation)) })
	if len(names) == 0 {
		return nil
	}
	sizes, err := session.Sizes(ctx, names)
	if err != nil {
		return err
	}
	each(func(lock *operate.PlannedLock) {
		for position, size := range sizes {
			if rules.SameName(size.Relation, lock.Relation) {
				lock.Size = &sizes[position]
			}
		}
	})
	return nil
}
