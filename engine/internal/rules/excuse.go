package rules

import (
	"slices"

	"avion.internal/migrate/internal/sqlparser"
)

// Wrong tells that squawk, which reads text only, objects in vain to what stands on a line: the relation is the file's own,
// or the measurement says otherwise.
func (v Verdict) Wrong(line int, rule string) bool {
	for position := range v.steps {
		each := &v.steps[position]
		if each.embedded || line < each.line || line > each.last || each.parsed == nil {
			continue
		}
		if each.wrong(rule) {
			return true
		}
	}
	return false
}

// aboutOthers are the rules of squawk that make no sense about what the same file has created.
var aboutOthers = []string{
	"adding-field-with-default", "adding-foreign-key-constraint", "adding-not-nullable-field", "adding-required-field", "adding-serial-primary-key-field", "ban-alter-domain-with-add-constraint",
	"ban-drop-column", "ban-drop-not-null", "ban-drop-table", "ban-truncate-cascade", "changing-column-type", "constraint-missing-not-valid", "disallowed-unique-constraint",
	"ban-drop-view", "ban-drop-function", "ban-drop-type", "ban-drop-schema", "ban-drop-sequence", "ban-drop-domain", "ban-drop-constraint", "ban-drop-default", "ban-set-schema",
	"ban-disable-trigger", "ban-replica-identity", "ban-alter-row-level-security", "renaming-column", "renaming-object", "renaming-table", "require-concurrent-index-creation", "require-concurrent-index-deletion", "require-concurrent-reindex",
}

func (s *step) wrong(rule string) bool {
	node := s.parsed.Node
	if slices.Contains(aboutOthers, rule) && s.concernsOwn {
		return true
	}
	switch rule {
	case "require-enum-value-ordering": // without BEFORE or AFTER the value comes last, where everybody looks for it
		return true
	case "renaming-object", "renaming-table": // no code names an index
		return slices.Contains([]string{"OBJECT_INDEX", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE", "OBJECT_DOMCONSTRAINT"}, node.Text("renameType"))
	case "adding-field-with-default":
		if s.measured != nil {
			return len(s.measured.Rewritten) == 0
		}
		return !volatileDefault(node)
	case "prefer-text-field": // of a column that is there squawk says that its table would be locked for long
		return s.parsed.Kind == "AlterTableStmt" && hasAction(s.parsed, "AT_AlterColumnType") && (s.concernsOwn || s.untouched())
	case "constraint-missing-not-valid": // an index cannot be NOT VALID: another rule says what to do
		return s.parsed.Kind == "AlterTableStmt" && onlyIndexConstraints(node)
	case "adding-not-nullable-field", "changing-column-type":
		return s.untouched()
	case "require-concurrent-index-creation":
		return s.parsed.Kind == "IndexStmt" && node.Child("relation") != nil && !node.Child("relation").Is("inh") // ON ONLY: it holds no rows
	}
	return false
}

// onlyIndexConstraints tells that whatever constraints the statement adds are unique ones or primary keys.
func onlyIndexConstraints(statement sqlparser.Node) bool {
	only := true
	statement.Find(func(_ string, constraint sqlparser.Node) {
		only = only && slices.Contains([]string{"CONSTR_UNIQUE", "CONSTR_PRIMARY"}, constraint.Text("contype"))
	}, "Constraint")
	return only
}

// untouched tells that no row of the table was written or read.
func (s *step) untouched() bool {
	return s.measured != nil && len(s.measured.Rewritten)+len(s.measured.Verified)+len(s.measured.Built) == 0 && s.plainTable
}

// volatileDefault tells that a new column has another value in each row, so that the table is written anew.
func volatileDefault(statement sqlparser.Node) bool {
	volatile := false
	statement.Find(func(_ string, constraint sqlparser.Node) {
		switch constraint.Text("contype") {
		case "CONSTR_GENERATED", "CONSTR_IDENTITY":
			volatile = true
		case "CONSTR_DEFAULT":
			constraint.Child("raw_expr").Find(func(_ string, call sqlparser.Node) {
				parts := call.Strings("funcname")
				last := parts[max(len(parts)-1, 0)]
				volatile = volatile || !slices.Contains(harmless, last) || slices.Contains(volatileFunctions, last)
			}, "FuncCall")
		}
	}, "Constraint")
	return volatile
}

// volatileFunctions are those of PostgreSQL whose value differs from row to row.
var volatileFunctions = []string{
	"clock_timestamp", "currval", "gen_random_uuid", "lastval", "nextval", "random", "random_normal", "setval", "timeofday", "uuidv4", "uuidv7",
}
