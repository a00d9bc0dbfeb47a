package migration

import (
	"path/filepath"

	"avion.internal/migrate/internal/failure"
)

// Validate returns everything that is wrong with a folder.
func Validate(directory Directory) []error {
	problems := directory.Problems()
	for _, m := range directory.Migrations {
		if err := directory.validateFile(m); err != nil {
			problems = append(problems, failure.At(filepath.Join(directory.Path, m.File), 1, err))
		}
	}
	return problems
}

func (d Directory) validateFile(m Migration) error {
	if err := d.CheckUp(m); err != nil {
		return err
	}
	script, err := d.Script(m)
	if err != nil || !d.Judged(m) {
		return err
	}
	if !script.HasDown {
		return failure.Refused("%s has no '-- +goose Down' line: add it with what undoes the change, "+
			"or with SELECT 1; where the schema stays as it is", filepath.Join(d.Path, m.File))
	}
	return d.checkSection(m, script, script.Down)
}

// CheckUp refuses a migration that cannot be applied, before anything is.
func (d Directory) CheckUp(m Migration) error {
	script, err := d.Script(m)
	if err != nil {
		return err
	}
	if len(script.Up) == 0 {
		return failure.Refused("%s has no statement in its Up section: it would be recorded as applied and do nothing: "+
			"write the change, or remove the file", filepath.Join(d.Path, m.File))
	}
	return d.checkSection(m, script, script.Up)
}

// CheckDown refuses a migration that cannot be undone: goose would forget that it is applied and leave its objects.
func (d Directory) CheckDown(m Migration) error {
	script, err := d.Script(m)
	if err != nil {
		return err
	}
	if len(script.Down) == 0 {
		return failure.Refused("%s has no statement in its Down section and cannot be rolled back: "+
			"undo its change with a new migration (make migrate-create)", filepath.Join(d.Path, m.File))
	}
	return d.checkSection(m, script, script.Down)
}

// checkSection refuses what a transaction, or the lack of one, does not go with.
func (d Directory) checkSection(m Migration, script Script, statements []Statement) error {
	file, noTransaction := filepath.Join(d.Path, m.File), script.NoTransaction
	if script.Substitutes > 0 {
		return failure.RefusedAt(file, script.Substitutes, "puts variables of the environment into the SQL (ENVSUB ON) after its checksum, its plan and its checks "+
			"have seen the text, and takes one that is not set for nothing: write the values themselves, or read them from a table")
	}
	for _, statement := range statements {
		if err := checkForm(file, statement); err != nil {
			return err
		}
		if index, found := statement.concurrentIndex(); noTransaction && found && index.Name == "" {
			return failure.RefusedAt(file, statement.Line, "builds an index without a name: give it one (CREATE INDEX CONCURRENTLY name ON …), "+
				"so that what a failure leaves of it can be found")
		}
		if !statement.ControlsTransaction() && (noTransaction || !statement.OutsideOnly()) {
			continue
		}
		for _, single := range statement.Singles() {
			if err := CheckTransaction(file, single, noTransaction); err != nil {
				return err
			}
		}
	}
	return nil
}

// RefusedInside says that a statement needs a file without a transaction.
func RefusedInside(file string, line int) error {
	return failure.RefusedAt(file, line, "holds a statement that PostgreSQL refuses inside a transaction: "+
		"give it a file of its own that begins with '-- +goose NO TRANSACTION'")
}

// CheckTransaction refuses a single statement that does not go with the transaction of its file, or with the lack of one.
func CheckTransaction(file string, statement Statement, noTransaction bool) error {
	switch {
	case !noTransaction && statement.OutsideOnly():
		return RefusedInside(file, statement.Line)
	case noTransaction && statement.ControlsTransaction():
		return failure.RefusedAt(file, statement.Line, "begins or ends a transaction, and each statement of this file has one of its own: "+
			"remove BEGIN and COMMIT, and give what belongs together a file with a transaction")
	case statement.ControlsTransaction():
		return failure.RefusedAt(file, statement.Line, "begins or ends a transaction, and the file has one already, "+
			"which has to end with its line in the version table: remove BEGIN and COMMIT")
	}
	return nil
}
