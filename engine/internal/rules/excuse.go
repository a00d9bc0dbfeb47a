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
	"renaming-column", "renaming-object", "renaming-table", "require-concurrent-index-creation", "require-concurrent-index-deletion", "require-concurrent-reindex",
}

func (s *step) wrong(rule string) bool {
	node := s.parsed.Node
	if slices.Contains(aboutOthers, rule) && s.concernsOwn {
		return true
	}
	switch rule {
	case "prefer-robust-stmts":
		return s.again
	case "require-enum-value-ordering": // without BEFORE or AFTER the value comes last, where everybody looks for it
		return true
	case "renaming-object", "renaming-table": // no code names an index
		return slices.Contains([]string{"OBJECT_INDEX", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE", "OBJECT_DOMCONSTRAINT"}, node.Text("renameType"))
	case "adding-field-with-default":
		if s.measured != nil {
			return len(s.measured.Rewritten) == 0
		}
		return !volatileDefault(node)
	case "adding-not-nullable-field", "changing-column-type":
		return s.measured != nil && len(s.measured.Rewritten)+len(s.measured.Verified)+len(s.measured.Built) == 0 && s.plainTable
	case "require-concurrent-index-creation":
		return s.parsed.Kind == "IndexStmt" && node.Child("relation") != nil && !node.Child("relation").Is("inh") // ON ONLY: it holds no rows
	}
	return false
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
			if constraint.Child("raw_expr").Child("FuncCall") != nil {
				parts := constraint.Child("raw_expr").Child("FuncCall").Strings("funcname")
				last := parts[max(len(parts)-1, 0)]
				volatile = volatile || !slices.Contains(harmless, last) || slices.Contains(volatileFunctions, last)
			}
		}
	}, "Constraint")
	return volatile
}

// volatileFunctions are those of PostgreSQL whose value differs from row to row.
var volatileFunctions = []string{
	"clock_timestamp", "currval", "gen_random_uuid", "lastval", "nextval", "random", "random_normal", "setval", "timeofday", "uuidv4", "uuidv7",
}

// repeatable are the actions of ALTER TABLE that do no harm a second time, though they say no IF EXISTS.
var repeatable = []string{
	"AT_ColumnDefault", "AT_SetNotNull", "AT_DropNotNull", "AT_ValidateConstraint", "AT_SetStatistics", "AT_SetStorage", "AT_SetCompression", "AT_SetOptions", "AT_ResetOptions",
	"AT_SetRelOptions", "AT_ResetRelOptions", "AT_EnableTrig", "AT_DisableTrig", "AT_EnableTrigAll", "AT_DisableTrigAll", "AT_EnableTrigUser", "AT_DisableTrigUser",
	"AT_EnableRowSecurity", "AT_DisableRowSecurity", "AT_ForceRowSecurity", "AT_NoForceRowSecurity", "AT_ReplicaIdentity", "AT_ChangeOwner",
}

// again tells that a statement may run a second time, because one after it failed: it says so itself, or an earlier one has
// dropped, if it was there, what it creates. DETACH PARTITION … CONCURRENTLY has no IF EXISTS.
func (r *reader) again(each *step) bool {
	if each.parsed == nil {
		return false
	}
	node := each.parsed.Node
	switch each.parsed.Kind {
	case "DropStmt":
		for _, object := range node.List("objects") {
			if node.Is("missing_ok") {
				r.gone[node.Text("removeType")+" "+string(objectName(object))] = true
			}
		}
		return node.Is("missing_ok")
	case "IndexStmt":
		return node.Is("if_not_exists") || r.gone["OBJECT_INDEX "+string(nameOf(node.Child("relation").Text("schemaname"), node.Text("idxname")))]
	case "AlterTableStmt":
		table := string(relationName(node.Child("relation")))
		here := map[string]bool{}
		all := true
		for _, item := range node.List("cmds") {
			command := item.Child("AlterTableCmd")
			subtype := command.Text("subtype")
			constraint := "CONSTRAINT " + table + " " + command.Text("name")
			switch subtype {
			case "AT_DropConstraint":
				here[constraint] = true
				if command.Is("missing_ok") {
					r.gone[constraint] = true
				} else {
					all = all && hasAction(each.parsed, "AT_AddConstraint")
				}
			case "AT_AddConstraint":
				constraint = "CONSTRAINT " + table + " " + command.Child("def").Child("Constraint").Text("conname")
				all = all && (r.gone[constraint] || here[constraint])
			case "AT_AddColumn", "AT_DropColumn":
				all = all && command.Is("missing_ok")
			case "AT_DetachPartition":
				all = all && command.Child("def").Child("PartitionCmd").Is("concurrent")
			default:
				all = all && slices.Contains(repeatable, subtype)
			}
		}
		return all
	}
	return false
}
