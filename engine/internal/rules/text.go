package rules

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"avion.internal/migrate/internal/sqlparser"
	"avion.internal/migrate/internal/tablelock"
	"avion.internal/migrate/internal/trace"
)

// alone objects to forms that are wrong wherever they stand.
func (r *reader) alone(each *step) {
	if each.parsed == nil {
		return
	}
	node := each.parsed.Node
	relation := relationName(node.Child("relation"))
	switch each.parsed.Kind {
	case "VacuumStmt":
		if node.Option("options", "full") {
			r.report(each, TableRewrite, "")
		}
	case "ClusterStmt":
		if !r.fresh(relation) {
			r.report(each, TableRewrite, "")
		}
	case "RefreshMatViewStmt":
		if !node.Is("concurrent") && !r.fresh(relation) {
			r.report(each, ConcurrentRefresh, "")
		}
	case "TruncateStmt":
		for _, table := range node.List("relations") {
			if !r.own(relationName(table.Child("RangeVar"))) {
				r.report(each, Truncate, "")
			}
		}
	case "IndexStmt":
		if len(node.List("indexParams")) > 3 && !node.Is("unique") && !r.fresh(relation) {
			r.report(each, WideIndex, "")
		}
		if each.embedded && !node.Is("concurrent") && !r.fresh(relation) {
			r.report(each, IndexConcurrently, "")
		}
	case "CreateEnumStmt":
		r.report(each, LookupTable, "")
	case "CreateStmt":
		if parents := node.List("inhRelations"); node.Child("partbound") != nil && len(parents) > 0 && !r.fresh(relationName(parents[0].Child("RangeVar"))) {
			r.report(each, PartitionLocked, "Nobody can read or write the partitioned table until the transaction ends.")
		}
	case "DropStmt":
		if node.Is("concurrent") && (len(node.List("objects")) > 1 || node.Text("behavior") == "DROP_CASCADE") {
			r.report(each, Refused, "PostgreSQL refuses DROP INDEX CONCURRENTLY of several indexes, or with CASCADE.")
		}
	case "AlterTableStmt":
		for _, command := range node.List("cmds") {
			r.action(each, node, command.Child("AlterTableCmd"))
		}
	case "AlterDomainStmt":
		adds := node.Text("subtype") == "C" && !node.Child("def").Child("Constraint").Is("skip_validation")
		if (adds || node.Text("subtype") == "O") && !r.own(partsName(node.Strings("typeName"))) {
			r.report(each, MissingNotValid, "Every table with a column of the domain is locked and read through.")
		}
	}
	if !r.file.NoTransaction && trace.OutsideOnly(trace.Unit{Parsed: each.parsed}) {
		r.report(each, OutsideTransaction, "")
	}
}

// action judges one action of ALTER TABLE.
func (r *reader) action(each *step, node, command sqlparser.Node) {
	relation := relationName(node.Child("relation"))
	if r.fresh(relation) {
		return
	}
	definition := command.Child("def")
	switch subtype := command.Text("subtype"); subtype {
	case "AT_SetLogged", "AT_SetUnLogged", "AT_SetTableSpace", "AT_SetAccessMethod":
		r.report(each, TableRewrite, "")
	case "AT_ReplicaIdentity":
		if definition.Child("ReplicaIdentityStmt").Text("identity_type") == "n" {
			r.report(each, ReplicaIdentity, "")
		}
	case "AT_ChangeOwner":
		if node.Text("objtype") != "OBJECT_INDEX" {
			r.report(each, KeepRights, "The rights that the old owner has without a GRANT are gone, for the application too if it logs in as that role.")
		}
	case "AT_EnableRowSecurity", "AT_ForceRowSecurity":
		if !r.policies[relation] {
			r.report(each, KeepRights, "Without a policy the application sees no row any more.")
		}
	case "AT_DisableTrigAll", "AT_DisableTrigUser":
		r.report(each, KeepConstraints, "")
	case "AT_AttachPartition":
		partition := relationName(definition.Child("PartitionCmd").Child("name"))
		// An index takes that of a partition without reading a row.
		ofIndex := each.parsed.Node.Text("objtype") == "OBJECT_INDEX"
		if !ofIndex && !r.fresh(partition) && (each.measured == nil || len(each.measured.Verified) > 0) {
			r.report(each, PartitionLocked, "The rows of the new partition are read through while nobody can use it.")
		}
	case "AT_AddColumn":
		for _, constraint := range definition.Child("ColumnDef").List("constraints") {
			if constraint.Child("Constraint").Text("contype") == "CONSTR_CHECK" && !constraint.Child("Constraint").Is("skip_validation") {
				r.report(each, MissingNotValid, "")
			}
		}
	case "AT_AddConstraint":
		constraint := definition.Child("Constraint")
		switch constraint.Text("contype") {
		case "CONSTR_EXCLUSION":
			r.report(each, ExclusionLocked, "")
		case "CONSTR_CHECK", "CONSTR_FOREIGN", "CONSTR_UNIQUE", "CONSTR_PRIMARY":
			if each.embedded && !constraint.Is("skip_validation") && constraint.Text("indexname") == "" {
				r.report(each, cmp.Or(map[string]Rule{"CONSTR_CHECK": MissingNotValid, "CONSTR_FOREIGN": ForeignKey}[constraint.Text("contype")], Unique), "")
			}
		}
	}
	if !each.embedded { // squawk sees it
		return
	}
	switch command.Text("subtype") {
	case "AT_DropColumn":
		r.report(each, DropColumn, "")
	case "AT_SetNotNull":
		r.report(each, NotNull, "")
	case "AT_AlterColumnType":
		r.report(each, ColumnType, "")
	}
}

// rows objects to changes of all rows of a table.
func (r *reader) rows(each *step) {
	if each.parsed == nil {
		return
	}
	whole := each.parsed.Tree()
	if slices.Contains([]string{"CreateFunctionStmt", "RuleStmt", "PrepareStmt", "CreatePolicyStmt", "ViewStmt"}, each.parsed.Kind) {
		return
	}
	whole.Find(func(kind string, node sqlparser.Node) {
		relation := relationName(node.Child("relation"))
		condition := node.Child("whereClause")
		if kind == "MergeStmt" {
			condition = node.Child("joinCondition")
		}
		if !r.own(relation) && (condition == nil || alwaysTrue(condition)) {
			r.report(each, RequireWhere, "")
		}
	}, "UpdateStmt", "DeleteStmt", "MergeStmt")
}

// alwaysTrue recognises a condition that no row can fail.
func alwaysTrue(condition sqlparser.Node) bool {
	kind := condition.Kind()
	node := condition.Child(kind)
	switch kind {
	case "A_Const":
		return node.Child("boolval").Is("boolval")
	case "TypeCast":
		value := node.Child("arg").Child("A_Const").Child("sval").Text("sval")
		return alwaysTrue(node.Child("arg")) || slices.Contains([]string{"t", "true", "yes", "on", "1"}, strings.ToLower(value))
	case "BoolExpr":
		every := true
		some := false
		for _, argument := range node.List("args") {
			every = every && alwaysTrue(argument)
			some = some || alwaysTrue(argument)
			if node.Text("boolop") == "NOT_EXPR" {
				inner := argument.Child("A_Const")
				return inner != nil && inner.Child("boolval") != nil && !inner.Child("boolval").Is("boolval")
			}
		}
		if node.Text("boolop") == "OR_EXPR" {
			return some
		}
		return every
	case "A_Expr":
		left, right := node.Child("lexpr"), node.Child("rexpr")
		if columns := left.Child("ColumnRef").Strings("fields"); len(columns) > 0 && slices.Equal(columns, right.Child("ColumnRef").Strings("fields")) {
			return slices.Contains([]string{"=", "<=", ">="}, strings.Join(node.Strings("name"), "")) // but where it is null
		}
		if node.Text("kind") != "AEXPR_OP" || left.Child("A_Const") == nil || right.Child("A_Const") == nil {
			return false
		}
		a, b := constant(left.Child("A_Const")), constant(right.Child("A_Const"))
		operator := strings.Join(node.Strings("name"), "")
		switch operator {
		case "=", "<=", ">=":
			if a == b {
				return true
			}
		}
		first, errA := strconv.ParseFloat(a, 64)
		second, errB := strconv.ParseFloat(b, 64)
		if errA != nil || errB != nil {
			return operator == "<>" && a != b
		}
		return map[string]bool{"<": first < second, ">": first > second, "<=": first <= second, ">=": first >= second, "<>": first != second, "=": first == second}[operator]
	}
	return false
}

// constant is the value of a constant as text.
func constant(node sqlparser.Node) string {
	switch {
	case node.Child("sval") != nil:
		return node.Child("sval").Text("sval")
	case node.Child("fval") != nil:
		return node.Child("fval").Text("fval")
	case node.Child("boolval") != nil:
		return strconv.FormatBool(node.Child("boolval").Is("boolval"))
	default:
		return strconv.Itoa(node.Child("ival").Number("ival"))
	}
}

// lasting objects to what running code may miss.
func (r *reader) lasting(each *step) {
	if each.parsed == nil {
		return
	}
	node := each.parsed.Node
	switch each.parsed.Kind {
	case "DropStmt":
		rule, applies := map[string]Rule{
			"OBJECT_VIEW": DropObject, "OBJECT_MATVIEW": DropObject, "OBJECT_SEQUENCE": DropObject, "OBJECT_TYPE": DropObject, "OBJECT_DOMAIN": DropObject,
			"OBJECT_FUNCTION": DropObject, "OBJECT_PROCEDURE": DropObject, "OBJECT_ROUTINE": DropObject, "OBJECT_AGGREGATE": DropObject, "OBJECT_SCHEMA": DropObject,
			"OBJECT_FOREIGN_TABLE": DropObject,
		}[node.Text("removeType")]
		if node.Text("removeType") == "OBJECT_TABLE" && each.embedded {
			rule, applies = DropTable, true
		}
		for _, object := range node.List("objects") {
			dropped := objectName(object)
			if applies && !r.fresh(dropped) && !r.recreated[dropped] {
				r.report(each, rule, "")
			}
		}
	case "RenameStmt":
		relation := relationName(node.Child("relation"))
		switch node.Text("renameType") {
		case "OBJECT_TABLE":
			if each.embedded && !r.fresh(relation) {
				r.report(each, RenameTable, "")
			}
		case "OBJECT_COLUMN", "OBJECT_ATTRIBUTE":
			if each.embedded && !r.fresh(relation) {
				r.report(each, RenameColumn, "")
			}
		case "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE", "OBJECT_FOREIGN_TABLE":
			if !r.fresh(relation) {
				r.report(each, RenameObject, "")
			}
		case "OBJECT_TYPE", "OBJECT_DOMAIN", "OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE", "OBJECT_SCHEMA":
			if renamed := objectName(node.Child("object")); !r.fresh(renamed) && !r.created[name(node.Text("subname"))] {
				r.report(each, RenameObject, "")
			}
		}
	case "AlterEnumStmt":
		if node.Text("oldVal") != "" && !r.own(partsName(node.Strings("typeName"))) {
			r.report(each, RenameObject, "Code that runs now knows the old value.")
		}
	case "AlterObjectSchemaStmt":
		if relation := relationName(node.Child("relation")); relation != "" && !r.fresh(relation) {
			r.report(each, RenameObject, "")
		}
	case "GrantStmt":
		if !node.Is("is_grant") && node.Text("targtype") == "ACL_TARGET_OBJECT" && !r.onlyOwn(node) {
			r.report(each, KeepRights, "")
		}
	case "AlterOwnerStmt":
		switch node.Text("objectType") {
		case "OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_SCHEMA", "OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_SEQUENCE", "OBJECT_MATVIEW":
			if owned := objectName(node.Child("object")); !r.fresh(owned) && !r.created[owned] {
				r.report(each, KeepRights, "The rights that the old owner has without a GRANT are gone, for the application too if it logs in as that role.")
			}
		}
	}
}

// onlyOwn tells that rights are taken from everybody, which is how what was just created is closed, or on objects of the file.
func (r *reader) onlyOwn(node sqlparser.Node) bool {
	all := true
	for _, object := range node.List("objects") {
		named := relationName(object.Child("RangeVar"))
		if named == "" {
			named = objectName(object)
		}
		all = all && (r.fresh(named) || r.recreated[named])
	}
	if all {
		return true
	}
	for _, grantee := range node.List("grantees") {
		if grantee.Child("RoleSpec").Text("roletype") != "ROLESPEC_PUBLIC" {
			return false
		}
	}
	return true
}

// objectName reads the object of DROP, ALTER … RENAME or OWNER, however its kind writes it.
func objectName(object sqlparser.Node) name {
	switch object.Kind() {
	case "List":
		return partsName(object.Child("List").Strings("items"))
	case "TypeName":
		return partsName(object.Child("TypeName").Strings("names"))
	case "ObjectWithArgs":
		return partsName(object.Child("ObjectWithArgs").Strings("objname"))
	case "String":
		return name(object.Child("String").Text("sval"))
	}
	return ""
}

// The longest limits that a file may set in SQL without an objection, in milliseconds.
var longest = map[string]float64{
	"lock_timeout": 60_000, "statement_timeout": 24 * 3_600_000, "idle_in_transaction_session_timeout": 24 * 3_600_000, "transaction_timeout": 24 * 3_600_000,
}

// limits objects to what takes the session's protections away.
func (r *reader) limits(each *step) {
	if each.parsed == nil {
		return
	}
	node := each.parsed.Node
	set := func(setting, value string) {
		setting = strings.ToLower(setting)
		if limit, known := longest[setting]; known {
			if amount, ok := milliseconds(value); !ok || amount == 0 || amount > limit {
				r.report(each, KeepLimits, "")
			}
		}
		if setting == "session_replication_role" && !strings.EqualFold(value, "origin") {
			r.report(each, KeepConstraints, "")
		}
	}
	if each.parsed.Kind == "DiscardStmt" && node.Text("target") == "DISCARD_ALL" {
		r.report(each, KeepLimits, "")
	}
	whole := each.parsed.Tree()
	// The second is that of a database, a role or a function.
	whole.Find(func(_ string, setting sqlparser.Node) {
		switch setting.Text("kind") {
		case "VAR_SET_VALUE":
			value := ""
			if arguments := setting.List("args"); len(arguments) == 1 {
				value = constant(arguments[0].Child("A_Const"))
			}
			set(setting.Text("name"), value)
		case "VAR_RESET_ALL":
			r.report(each, KeepLimits, "")
		case "VAR_RESET", "VAR_SET_DEFAULT":
			if _, known := longest[strings.ToLower(setting.Text("name"))]; known {
				r.report(each, KeepLimits, "")
			}
		}
	}, "VariableSetStmt", "setstmt")
	whole.Find(func(_ string, call sqlparser.Node) {
		parts, arguments := call.Strings("funcname"), call.List("args")
		if len(parts) > 0 && parts[len(parts)-1] == "set_config" && len(arguments) > 1 {
			set(constant(arguments[0].Child("A_Const")), constant(arguments[1].Child("A_Const")))
		}
	}, "FuncCall")
}

// milliseconds reads a time as PostgreSQL does.
func milliseconds(value string) (float64, bool) {
	value = strings.TrimSpace(value)
	digits := strings.TrimRight(value, "abcdefghijklmnopqrstuvwxyz ")
	amount, err := strconv.ParseFloat(digits, 64)
	factor, known := map[string]float64{"": 1, "us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}[strings.TrimSpace(value[len(digits):])]
	return amount * factor, err == nil && known
}

// style objects to types that are regretted later.
func (r *reader) style(each *step) {
	if each.parsed == nil {
		return
	}
	judge := func(typeName sqlparser.Node) {
		parts := typeName.Strings("names")
		if len(parts) == 0 || len(parts) > 1 && parts[0] != "pg_catalog" {
			return
		}
		switch parts[len(parts)-1] {
		case "money":
			r.report(each, MoneyField, "")
		case "json":
			r.report(each, PreferJSONB, "")
		}
	}
	switch each.parsed.Kind {
	case "CreateStmt", "AlterTableStmt":
		each.parsed.Node.Find(func(_ string, column sqlparser.Node) { judge(column.Child("typeName")) }, "ColumnDef")
	}
}

// measured objects to what was seen and what no other rule names.
func (r *reader) measured(each *step) {
	found := each.measured
	if found == nil {
		return
	}
	r.seen = true
	defer func() { r.seen = false }()
	stops := func(table trace.Relation) bool {
		return slices.ContainsFunc(found.Locks, func(l trace.Lock) bool {
			return (l.OID == table.OID || l.Table.OID == table.OID) && !tablelock.Share.StrongerThan(l.Mode)
		}) || r.held[storedName(table.Name)]
	}
	kind := ""
	if each.parsed != nil {
		kind = each.parsed.Kind
	}
	for _, table := range found.Rewritten {
		if stops(table) && kind != "TruncateStmt" && kind != "RefreshMatViewStmt" {
			r.report(each, TableRewrite, fmt.Sprintf("PostgreSQL writes %s anew, and nobody can read or write it meanwhile.", table.Name))
		}
	}
	for _, table := range found.Verified {
		if stops(table) {
			rule := MissingNotValid
			if hasAction(each.parsed, "AT_AttachPartition") {
				rule = PartitionLocked
			} else if hasAction(each.parsed, "AT_SetNotNull") {
				rule = NotNull
			}
			r.report(each, rule, fmt.Sprintf("PostgreSQL reads every row of %s, and nobody can write to it meanwhile.", table.Name))
		}
	}
	for _, index := range found.Built {
		if stops(index.Table) && !slices.Contains(found.Rewritten, index.Table) && kind != "TruncateStmt" && kind != "ReindexStmt" {
			rule := IndexConcurrently
			if kind == "AlterTableStmt" {
				rule = Unique
			}
			r.report(each, rule, fmt.Sprintf("PostgreSQL builds %s on %s, and nobody can write to it meanwhile.", index.Name.Name, index.Table.Name))
		}
	}
	if len(found.Validated) > 0 && len(r.strong(each)) > 0 {
		r.report(each, ForeignKey, fmt.Sprintf("PostgreSQL looks up every row for %s, and nobody can write to either table meanwhile.", strings.Join(found.Validated, ", ")))
	}
	if kind == "DoStmt" || kind == "CallStmt" || kind == "SelectStmt" {
		for _, object := range found.Dropped {
			if r.recreated[storedName(object.Name)] || object.Kind == "index" {
				continue
			}
			rule := cmp.Or(map[string]Rule{"table": DropTable, "column": DropColumn}[object.Kind], DropObject)
			if object.Renamed != "" {
				rule = cmp.Or(map[string]Rule{"table": RenameTable, "column": RenameColumn}[object.Kind], RenameObject)
			}
			r.report(each, rule, fmt.Sprintf("%s %s: code that runs now may still use it.", object.Kind, object.Name))
		}
	}
}

func hasAction(statement *sqlparser.Statement, subtype string) bool {
	if statement == nil {
		return false
	}
	return slices.ContainsFunc(statement.Node.List("cmds"), func(each sqlparser.Node) bool { return each.Child("AlterTableCmd").Text("subtype") == subtype })
}
