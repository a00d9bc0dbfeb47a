package rules

import (
	"slices"

	"avion.internal/migrate/internal/sqlparser"
	"avion.internal/migrate/internal/tablelock"
)

// taking is a lock that a statement's text lets expect.
type taking struct {
	relation name
	mode     tablelock.Mode
	// ofIndex tells that the lock is on the table of the index that is named.
	ofIndex bool
	// referenced tells that a foreign key leads to the relation.
	referenced bool
}

// expectation is what the text of a statement tells of its locks, where nothing was measured.
type expectation struct {
	takings []taking
	// unknown is why there may be more, empty if there is not.
	unknown string
}

const (
	runsCode   = "it runs code that may lock anything"
	reachesOut = "CASCADE reaches objects that the statement does not name"
	pointsTo   = "a foreign key locks the table that it points to as well"
)

func (e *expectation) add(relation name, mode tablelock.Mode) {
	for position := range e.takings {
		if known := &e.takings[position]; known.relation == relation && !known.ofIndex {
			if mode.StrongerThan(known.mode) {
				known.mode = mode
			}
			return
		}
	}
	if relation != "" {
		e.takings = append(e.takings, taking{relation: relation, mode: mode})
	}
}

// references adds the tables that the foreign keys of new columns and constraints lead to.
func (e *expectation) references(node sqlparser.Node) {
	node.Find(func(_ string, constraint sqlparser.Node) {
		if target := constraint.Child("pktable"); target != nil {
			e.add(relationName(target), tablelock.ShareRowExclusive)
			for position := range e.takings {
				if e.takings[position].relation == relationName(target) {
					e.takings[position].referenced = true
				}
			}
		}
	}, "Constraint")
}

// expect reads a statement.
func expect(statement *sqlparser.Statement) expectation {
	var e expectation
	if statement == nil {
		e.unknown = "the statement is not among those whose locks are known"
		return e
	}
	node := statement.Node
	relation := relationName(node.Child("relation"))
	switch statement.Kind {
	case "AlterTableStmt":
		e.alter(node)
	case "IndexStmt":
		mode := tablelock.Share
		if node.Is("concurrent") {
			mode = tablelock.ShareUpdateExclusive
		}
		e.add(relation, mode)
	case "DropStmt":
		e.drop(node)
	case "RenameStmt":
		e.rename(node)
	case "AlterObjectSchemaStmt":
		e.add(relation, tablelock.AccessExclusive)
	case "CreateTrigStmt":
		e.add(relation, tablelock.ShareRowExclusive)
		e.add(relationName(node.Child("constrrel")), tablelock.ShareRowExclusive)
	case "RuleStmt":
		e.add(relation, tablelock.AccessExclusive)
	case "CreatePolicyStmt", "AlterPolicyStmt":
		e.add(relationName(node.Child("table")), tablelock.AccessExclusive)
	case "CreateStmt":
		parent := tablelock.ShareUpdateExclusive
		if node.Child("partbound") != nil {
			parent = tablelock.AccessExclusive
		}
		for _, each := range node.List("inhRelations") {
			e.add(relationName(each.Child("RangeVar")), parent)
		}
		e.references(node)
	case "CreateSchemaStmt":
		e.references(node)
	case "TruncateStmt":
		for _, each := range node.List("relations") {
			e.add(relationName(each.Child("RangeVar")), tablelock.AccessExclusive)
		}
		if node.Text("behavior") == "DROP_CASCADE" {
			e.unknown = reachesOut
		}
	case "LockStmt":
		e.unknown = "a view locks the tables beneath it"
		for _, each := range node.List("relations") {
			if modes := lockModes(); node.Number("mode") < len(modes) && modes[node.Number("mode")] != "" {
				e.add(relationName(each.Child("RangeVar")), modes[node.Number("mode")])
			}
		}
	case "ClusterStmt":
		e.add(relation, tablelock.AccessExclusive)
		if relation == "" {
			e.unknown = "it locks every table that was clustered before"
		}
	case "VacuumStmt":
		mode := tablelock.ShareUpdateExclusive
		if node.Option("options", "full") {
			mode = tablelock.AccessExclusive
		}
		for _, each := range node.List("rels") {
			e.add(relationName(each.Child("VacuumRelation").Child("relation")), mode)
		}
		if len(e.takings) == 0 {
			e.unknown = "it locks every table, one after the other"
		}
	case "ReindexStmt":
		e.reindex(node)
	case "RefreshMatViewStmt":
		mode := tablelock.AccessExclusive
		if node.Is("concurrent") {
			mode = tablelock.Exclusive
		}
		e.add(relation, mode)
	case "ViewStmt":
		if node.Is("replace") {
			e.add(relationName(node.Child("view")), tablelock.AccessExclusive)
		}
	case "AlterSeqStmt":
		e.add(relationName(node.Child("sequence")), tablelock.ShareRowExclusive)
	case "CommentStmt":
		e.comment(node)
	case "CreateStatsStmt":
		for _, each := range node.List("relations") {
			e.add(relationName(each.Child("RangeVar")), tablelock.ShareUpdateExclusive)
		}
	case "CreatePublicationStmt":
		node.Find(func(_ string, table sqlparser.Node) {
			e.add(relationName(table.Child("relation")), tablelock.ShareUpdateExclusive)
		}, "pubtable", "PublicationTable")
	case "CopyStmt":
		if node.Is("is_from") {
			e.add(relation, tablelock.RowExclusive)
		}
	case "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "SelectStmt", "CreateTableAsStmt", "DeclareCursorStmt":
		e.query(statement)
	case "DoStmt", "CallStmt", "ExecuteStmt":
		e.unknown = runsCode
	case "AlterDomainStmt":
		if slices.Contains([]string{"C", "O", "V"}, node.Text("subtype")) {
			e.unknown = "it checks every table that has a column of the domain"
		}
	case "ImportForeignSchemaStmt", "SecLabelStmt", "AlterTableMoveAllStmt", "ReassignOwnedStmt", "DropOwnedStmt":
		e.unknown = "the statement does not name what it locks"
	}
	return e
}

func lockModes() []tablelock.Mode {
	return []tablelock.Mode{"", "", tablelock.RowShare, tablelock.RowExclusive, tablelock.ShareUpdateExclusive, tablelock.Share, tablelock.ShareRowExclusive, tablelock.Exclusive, tablelock.AccessExclusive}
}

// query adds what a query writes to, wherever in it it does.
func (e *expectation) query(statement *sqlparser.Statement) {
	whole := statement.Tree()
	whole.Find(func(kind string, node sqlparser.Node) {
		if kind != "SelectStmt" {
			e.add(relationName(node.Child("relation")), tablelock.RowExclusive)
			return
		}
		for _, clause := range node.List("lockingClause") {
			named := clause.Child("LockingClause").List("lockedRels")
			for _, each := range named {
				e.add(aliased(node, each.Child("RangeVar").Text("relname")), tablelock.RowShare)
			}
			if len(named) == 0 {
				node.Find(func(_ string, table sqlparser.Node) { e.add(relationName(table), tablelock.RowShare) }, "RangeVar")
			}
		}
	}, "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt", "SelectStmt")
	if len(calls(whole)) > 0 {
		e.unknown = "a function that it calls may lock more"
	}
}

// aliased is the relation of a query that goes by a name.
func aliased(query sqlparser.Node, known string) name {
	found := name(known)
	query.Find(func(_ string, table sqlparser.Node) {
		if table.Child("alias").Text("aliasname") == known {
			found = relationName(table)
		}
	}, "RangeVar")
	return found
}

func (e *expectation) drop(node sqlparser.Node) {
	for _, each := range node.List("objects") {
		parts := each.Child("List").Strings("items")
		switch node.Text("removeType") {
		case "OBJECT_TABLE", "OBJECT_FOREIGN_TABLE":
			e.add(partsName(parts), tablelock.AccessExclusive)
			e.unknown = pointsTo
		case "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE":
			e.add(partsName(parts), tablelock.AccessExclusive)
		case "OBJECT_INDEX":
			mode := tablelock.AccessExclusive
			if node.Is("concurrent") {
				mode = tablelock.ShareUpdateExclusive
			} else {
				e.add(partsName(parts), mode)
			}
			e.takings = append(e.takings, taking{relation: partsName(parts), mode: mode, ofIndex: true})
		case "OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE":
			e.add(partsName(parts[:max(len(parts)-1, 0)]), tablelock.AccessExclusive)
		}
	}
	if node.Text("behavior") == "DROP_CASCADE" {
		e.unknown = reachesOut
	}
}

func (e *expectation) rename(node sqlparser.Node) {
	mode := tablelock.AccessExclusive
	switch node.Text("renameType") {
	case "OBJECT_INDEX":
		mode = tablelock.ShareUpdateExclusive
	case "OBJECT_TABLE", "OBJECT_COLUMN", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE", "OBJECT_FOREIGN_TABLE", "OBJECT_TABCONSTRAINT",
		"OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE":
	default:
		return
	}
	e.add(relationName(node.Child("relation")), mode)
}

func (e *expectation) reindex(node sqlparser.Node) {
	relation := relationName(node.Child("relation"))
	concurrent := node.Option("params", "concurrently")
	switch node.Text("kind") {
	case "REINDEX_OBJECT_INDEX":
		if concurrent {
			e.takings = append(e.takings, taking{relation: relation, mode: tablelock.ShareUpdateExclusive, ofIndex: true})
			return
		}
		e.add(relation, tablelock.AccessExclusive)
		e.takings = append(e.takings, taking{relation: relation, mode: tablelock.Share, ofIndex: true})
	case "REINDEX_OBJECT_TABLE":
		if concurrent {
			e.add(relation, tablelock.ShareUpdateExclusive)
			return
		}
		e.add(relation, tablelock.Share)
		e.unknown = "each index of the table is locked ACCESS EXCLUSIVE"
	default:
		e.unknown = "it locks every table with an index there"
	}
}

func (e *expectation) comment(node sqlparser.Node) {
	parts := node.Child("object").Child("List").Strings("items")
	switch node.Text("objtype") {
	case "OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_FOREIGN_TABLE", "OBJECT_SEQUENCE", "OBJECT_INDEX":
		e.add(partsName(parts), tablelock.ShareUpdateExclusive)
	case "OBJECT_COLUMN", "OBJECT_TABCONSTRAINT", "OBJECT_TRIGGER", "OBJECT_POLICY", "OBJECT_RULE":
		e.add(partsName(parts[:max(len(parts)-1, 0)]), tablelock.ShareUpdateExclusive)
	}
}

// The actions of ALTER TABLE whose lock is weaker than ACCESS EXCLUSIVE.
var weaker = map[string]tablelock.Mode{
	"AT_SetStatistics": tablelock.ShareUpdateExclusive, "AT_SetOptions": tablelock.ShareUpdateExclusive, "AT_ResetOptions": tablelock.ShareUpdateExclusive,
	"AT_ValidateConstraint": tablelock.ShareUpdateExclusive, "AT_ClusterOn": tablelock.ShareUpdateExclusive, "AT_DropCluster": tablelock.ShareUpdateExclusive,
	"AT_AttachPartition": tablelock.ShareUpdateExclusive, "AT_DetachPartitionFinalize": tablelock.ShareUpdateExclusive,
	"AT_EnableTrig": tablelock.ShareRowExclusive, "AT_EnableAlwaysTrig": tablelock.ShareRowExclusive, "AT_EnableReplicaTrig": tablelock.ShareRowExclusive,
	"AT_EnableTrigAll": tablelock.ShareRowExclusive, "AT_EnableTrigUser": tablelock.ShareRowExclusive, "AT_DisableTrig": tablelock.ShareRowExclusive,
	"AT_DisableTrigAll": tablelock.ShareRowExclusive, "AT_DisableTrigUser": tablelock.ShareRowExclusive,
}

func (e *expectation) alter(node sqlparser.Node) {
	relation := relationName(node.Child("relation"))
	for _, each := range node.List("cmds") {
		command := each.Child("AlterTableCmd")
		subtype := command.Text("subtype")
		mode, known := weaker[subtype]
		if !known {
			mode = tablelock.AccessExclusive
		}
		partition := command.Child("def").Child("PartitionCmd")
		constraint := command.Child("def").Child("Constraint")
		switch subtype {
		case "AT_AddConstraint":
			if constraint.Text("contype") == "CONSTR_FOREIGN" {
				mode = tablelock.ShareRowExclusive
			}
		case "AT_AttachPartition":
			e.add(relation, mode)
			e.add(relationName(partition.Child("name")), tablelock.AccessExclusive)
			e.unknown = "a default partition is locked as well"
		case "AT_DetachPartition":
			if partition.Is("concurrent") {
				mode = tablelock.ShareUpdateExclusive
			}
			e.add(relation, mode)
			e.add(relationName(partition.Child("name")), tablelock.AccessExclusive)
		case "AT_AddInherit", "AT_DropInherit":
			e.add(relation, mode)
			e.add(relationName(command.Child("def").Child("RangeVar")), tablelock.ShareUpdateExclusive)
		case "AT_SetRelOptions", "AT_ResetRelOptions":
			if onlyStorage(command) {
				mode = tablelock.ShareUpdateExclusive
			}
		case "AT_DropConstraint", "AT_DropColumn", "AT_ValidateConstraint":
			e.unknown = pointsTo
		}
		if node.Text("objtype") == "OBJECT_TYPE" {
			e.unknown = "tables of the type are locked"
			continue
		}
		e.add(relation, mode)
		e.references(each)
	}
}

// onlyStorage tells that the options of ALTER TABLE … SET ( ) are those that readers and writers do not wait for.
func onlyStorage(command sqlparser.Node) bool {
	for _, each := range command.Child("def").Child("List").List("items") {
		option := each.Child("DefElem").Text("defname")
		if option == "user_catalog_table" || option == "security_barrier" || option == "check_option" || option == "security_invoker" {
			return false
		}
	}
	return true
}

// calls are the functions that a statement calls and that are not known to leave every table alone.
func calls(node sqlparser.Node) []string {
	var all []string
	node.Find(func(_ string, call sqlparser.Node) {
		parts := call.Strings("funcname")
		if len(parts) == 0 || parts[0] == "pg_catalog" && len(parts) > 1 || slices.Contains(harmless, parts[len(parts)-1]) {
			return
		}
		all = append(all, parts[len(parts)-1])
	}, "FuncCall")
	return all
}

// harmless are the functions of PostgreSQL that migrations call most, and that change no row of any table.
var harmless = []string{
	"abs", "array_agg", "array_append", "array_length", "array_remove", "array_to_string", "avg", "btrim", "ceil", "char_length", "clock_timestamp", "coalesce", "concat", "concat_ws",
	"count", "current_database", "current_schema", "current_setting", "currval", "date_part", "date_trunc", "decode", "digest", "encode", "extract", "floor", "format", "format_type",
	"gen_random_uuid", "generate_series", "greatest", "has_table_privilege", "json_agg", "json_build_object", "jsonb_agg", "jsonb_array_elements", "jsonb_build_array",
	"jsonb_build_object", "jsonb_set", "jsonb_strip_nulls", "jsonb_object_agg", "lastval", "left", "length", "lower", "lpad", "ltrim", "make_date", "make_interval", "max", "md5", "min", "mod",
	"nextval", "now", "nullif", "obj_description", "octet_length", "pg_advisory_lock", "pg_advisory_unlock", "pg_advisory_xact_lock", "pg_get_constraintdef", "pg_get_serial_sequence",
	"pg_get_viewdef", "pg_notify", "pg_relation_size", "pg_size_pretty", "pg_sleep", "pg_total_relation_size", "pg_try_advisory_lock", "position", "power", "quote_ident", "quote_literal",
	"random", "regexp_match", "regexp_matches", "regexp_replace", "repeat", "replace", "reverse", "right", "round", "row_number", "row_to_json", "rpad", "rtrim", "set_config", "setval", "sha256",
	"split_part", "sqrt", "starts_with", "statement_timestamp", "string_agg", "string_to_array", "strpos", "substr", "substring", "sum", "timeofday", "timezone", "to_char", "to_date", "to_json",
	"to_jsonb", "to_number", "to_regclass", "to_timestamp", "to_tsquery", "to_tsvector", "transaction_timestamp", "translate", "trim", "trunc", "unnest", "upper", "uuidv4", "uuidv7", "version",
}
