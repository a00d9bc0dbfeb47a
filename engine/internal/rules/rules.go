// Package rules tells what of a migration is dangerous on a database that is in use: by what was measured of it, and by what
// its text says where nothing was. It never runs a statement.
//
// May import: sqlparser, tablelock, trace.
package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"avion.internal/migrate/internal/sqlparser"
	"avion.internal/migrate/internal/tablelock"
	"avion.internal/migrate/internal/trace"
)

// Finding is an objection to the statement that begins on a line.
type Finding struct {
	Line                       int
	Level, Rule, Message, Help string
	// Measured tells that it comes from what was seen, and not from the statement's text.
	Measured bool
}

// File is what goose runs on the way up.
type File struct {
	NoTransaction bool
	Units         []trace.Unit
	// Traced is what was measured, in the order of the units; nil where nothing was.
	Traced []trace.Statement
}

// Verdict is what the rules say of a file.
type Verdict struct {
	Findings []Finding
	steps    []step
}

// step is a statement, or one inside a DO block, with what is known of it.
type step struct {
	line     int // of the statement that goose sends
	last     int // line of its end
	parsed   *sqlparser.Statement
	embedded bool
	// measured is nil where the statement did not run, and in a block: the block was measured as a whole.
	measured *trace.Statement
	expected expectation
	// incomplete tells that the block puts statements together at run time.
	incomplete bool
	// concernsOwn tells that the statement is about what the file has created; plainTable that its table has no partitions,
	// which report nothing while they are not there.
	concernsOwn, plainTable bool
	// fresh are the relations of the file when the statement runs; held the locks of others' tables that the transaction has
	// after it, heldBefore before it.
	fresh            map[name]bool
	held, heldBefore map[name]tablelock.Mode
}

// reader goes through the statements of a migration from top to bottom.
type reader struct {
	file     File
	findings []Finding
	// created are the relations and types that nobody else uses yet; maybe those that IF NOT EXISTS may find there in another
	// database.
	created, maybe map[name]bool
	// recreated are the objects that come back under their name further down.
	recreated map[name]bool
	policies  map[name]bool
	// held are the tables that the transaction keeps others away from, heldAt the line of the first.
	held   map[name]bool
	heldAt int
	// changedAt is the line of the first change of rows.
	changedAt int
	// values are those that the transaction has added to enums.
	values []string
	modes  map[name]tablelock.Mode
	// seen tells that the rule at work judges by what was measured.
	seen bool
}

// Check judges a file.
func Check(file File) Verdict {
	r := &reader{file: file, created: map[name]bool{}, maybe: map[name]bool{}, recreated: map[name]bool{}, policies: map[name]bool{}, held: map[name]bool{}}
	steps := r.steps()
	for _, each := range steps {
		r.anticipate(each)
	}
	for position := range steps {
		each := &steps[position]
		each.expected = expect(each.parsed)
		each.concernsOwn, each.plainTable = r.concernsOwn(each), plainTable(each)
		each.fresh = maps.Clone(r.created)
		maps.Copy(each.fresh, r.maybe)
		r.keep(each)
		r.read(each)
	}
	slices.SortStableFunc(r.findings, func(a, b Finding) int { return a.Line - b.Line })
	return Verdict{r.findings, steps}
}

// steps are the statements in order, those of a DO block before it: what was measured of the block is what else it did.
func (r *reader) steps() []step {
	var steps []step
	for position, unit := range r.file.Units {
		own := step{line: unit.Line, last: unit.Line + strings.Count(unit.Text, "\n"), parsed: unit.Parsed}
		if position < len(r.file.Traced) && r.file.Traced[position].Measured() {
			own.measured = &r.file.Traced[position]
		}
		if unit.Parsed == nil || unit.Parsed.Kind != "DoStmt" {
			steps = append(steps, own)
			continue
		}
		embedded, complete, err := sqlparser.Body(*unit.Parsed)
		own.incomplete = !complete || err != nil
		for _, piece := range embedded {
			parsed, err := sqlparser.Parse(piece.SQL)
			if err != nil {
				continue
			}
			for inner := range parsed {
				steps = append(steps, step{line: own.line, last: own.last, parsed: &parsed[inner], embedded: true})
			}
		}
		steps = append(steps, own)
	}
	return steps
}

// anticipate notes what the file brings back after it has dropped it.
func (r *reader) anticipate(each step) {
	if each.parsed == nil {
		return
	}
	node := each.parsed.Node
	switch each.parsed.Kind {
	case "ViewStmt":
		r.recreated[relationName(node.Child("view"))] = true
	case "CreateTableAsStmt":
		r.recreated[relationName(node.Child("into").Child("rel"))] = true
	case "CreateStmt", "CreateForeignTableStmt":
		r.recreated[relationName(node.Child("relation"))] = true
	case "CreateSeqStmt":
		r.recreated[relationName(node.Child("sequence"))] = true
	case "CreateFunctionStmt":
		r.recreated[partsName(node.Strings("funcname"))] = true
	case "CreateEnumStmt", "CreateRangeStmt":
		r.recreated[partsName(node.Strings("typeName"))] = true
	case "CompositeTypeStmt":
		r.recreated[relationName(node.Child("typevar"))] = true
	case "CreateDomainStmt":
		r.recreated[partsName(node.Strings("domainname"))] = true
	case "CreateSchemaStmt":
		r.recreated[name(node.Text("schemaname"))] = true
	case "CreatePolicyStmt":
		r.policies[relationName(node.Child("table"))] = true
	}
}

// create notes what is nobody else's.
func (r *reader) create(each *step) {
	if each.parsed == nil {
		return
	}
	node := each.parsed.Node
	add := func(created name) {
		switch {
		case !node.Is("if_not_exists"):
			r.created[created] = true
		case each.measured == nil || len(each.measured.Created) > 0:
			r.maybe[created] = true // it is new here, and may be there elsewhere
		}
	}
	switch each.parsed.Kind {
	case "CreateStmt", "CreateForeignTableStmt":
		base := node
		if below := node.Child("base"); below != nil {
			base = below
		}
		add(relationName(base.Child("relation")))
	case "CreateTableAsStmt":
		add(relationName(node.Child("into").Child("rel")))
	case "ViewStmt":
		if !node.Is("replace") {
			add(relationName(node.Child("view")))
		}
	case "CreateSeqStmt":
		add(relationName(node.Child("sequence")))
	case "CreateEnumStmt", "CreateRangeStmt":
		add(partsName(node.Strings("typeName")))
	case "CompositeTypeStmt":
		add(relationName(node.Child("typevar")))
	case "CreateDomainStmt":
		add(partsName(node.Strings("domainname")))
	case "CreateFunctionStmt":
		if !node.Is("replace") {
			add(partsName(node.Strings("funcname")))
		}
	case "CreateSchemaStmt":
		add(name(node.Text("schemaname")))
	case "IndexStmt":
		if node.Text("idxname") != "" {
			add(nameOf(node.Child("relation").Text("schemaname"), node.Text("idxname")))
		}
	case "SelectStmt":
		if into := node.Child("intoClause"); into != nil {
			add(relationName(into.Child("rel")))
		}
	case "RenameStmt":
		switch node.Text("renameType") {
		case "OBJECT_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_SEQUENCE":
			if r.own(relationName(node.Child("relation"))) {
				r.created[nameOf(node.Child("relation").Text("schemaname"), node.Text("newname"))] = true
			}
		}
	case "DropStmt":
		for _, each := range node.List("objects") {
			delete(r.created, partsName(each.Child("List").Strings("items")))
		}
	}
}

// own tells that a relation was created by the file, in whichever database it runs.
func (r *reader) own(relation name) bool { return r.created[relation] }

// fresh also counts what IF NOT EXISTS most probably created.
func (r *reader) fresh(relation name) bool { return r.created[relation] || r.maybe[relation] }

// keep remembers which locks a measured transaction has.
func (r *reader) keep(each *step) {
	each.heldBefore = r.modes
	if each.measured != nil {
		modes := maps.Clone(r.modes)
		if r.file.NoTransaction || modes == nil {
			modes = map[name]tablelock.Mode{}
		}
		for _, lock := range each.measured.Locks {
			if lock.OID == lock.Table.OID || lock.Kind == "r" || lock.Kind == "p" {
				modes[storedName(lock.Name)] = lock.Mode
			}
		}
		r.modes = modes
	}
	each.held = r.modes
	if r.file.NoTransaction {
		each.heldBefore = nil
	}
}

// concernsOwn tells that a statement is about what the file has created and nothing else.
func (r *reader) concernsOwn(each *step) bool {
	if each.parsed == nil {
		return false
	}
	node := each.parsed.Node
	switch each.parsed.Kind {
	case "DropStmt":
		for _, object := range node.List("objects") {
			// A table that comes back has lost its rows.
			comesBack := r.recreated[objectName(object)] && !slices.Contains([]string{"OBJECT_TABLE", "OBJECT_SEQUENCE", "OBJECT_SCHEMA"}, node.Text("removeType"))
			if !r.fresh(objectName(object)) && !comesBack {
				return false
			}
		}
		return true
	case "AlterDomainStmt":
		return r.fresh(partsName(node.Strings("typeName")))
	case "AlterTableStmt", "IndexStmt", "RenameStmt", "ReindexStmt":
		return r.fresh(relationName(node.Child("relation")))
	case "TruncateStmt":
		return len(r.expectOthers(each)) == 0
	}
	return false
}

func (r *reader) expectOthers(each *step) []name {
	var others []name
	for _, lock := range each.expected.takings {
		if !r.fresh(lock.relation) {
			others = append(others, lock.relation)
		}
	}
	return others
}

func plainTable(each *step) bool {
	return each.measured != nil && slices.ContainsFunc(each.measured.Locks, func(l trace.Lock) bool { return l.Kind == "r" }) &&
		!slices.ContainsFunc(each.measured.Locks, func(l trace.Lock) bool { return l.Kind == "p" })
}

func (r *reader) read(each *step) {
	r.alone(each)
	r.rows(each)
	r.lasting(each)
	r.limits(each)
	r.style(each)
	r.measured(each)
	if !r.file.NoTransaction {
		r.together(each)
	}
	r.create(each)
}

// report keeps a finding, once for each line.
func (r *reader) report(each *step, rule Rule, message string) {
	found := Finding{Line: each.line, Level: rule.Level, Rule: rule.Name, Message: message, Help: rule.Help, Measured: r.seen}
	if found.Message == "" {
		found.Message = rule.Why
	}
	if found.Level == "" {
		found.Level = "warning"
	}
	for _, known := range r.findings {
		if known.Line == found.Line && known.Rule == found.Rule {
			return
		}
	}
	r.findings = append(r.findings, found)
}

// strong are the tables of others that a statement keeps writers away from.
func (r *reader) strong(each *step) []name {
	tables := map[name]bool{}
	if each.measured != nil {
		for _, lock := range each.measured.Locks {
			if !slices.Contains([]string{"v", "S", "c"}, lock.Kind) && !tablelock.Share.StrongerThan(lock.Mode) {
				tables[storedName(lock.Table.Name)] = true
			}
		}
		return slices.Sorted(maps.Keys(tables))
	}
	for _, lock := range each.expected.takings {
		if tablelock.Share.StrongerThan(lock.mode) || r.fresh(lock.relation) || each.ofView() {
			continue
		}
		table := lock.relation
		if lock.ofIndex {
			table = "the table of " + table
		}
		tables[table] = true
	}
	if each.parsed != nil && each.parsed.Kind == "DropStmt" && each.parsed.Node.Text("removeType") == "OBJECT_INDEX" {
		for table := range tables { // the index and its table are one
			if !strings.HasPrefix(string(table), "the table of ") {
				delete(tables, table)
			}
		}
	}
	return slices.Sorted(maps.Keys(tables))
}

// ofView tells that a statement concerns views or sequences, which hold no rows.
func (s *step) ofView() bool {
	if s.parsed == nil {
		return false
	}
	node := s.parsed.Node
	for _, field := range []string{"removeType", "renameType", "objtype", "objectType"} {
		if slices.Contains([]string{"OBJECT_VIEW", "OBJECT_SEQUENCE", "OBJECT_TYPE"}, node.Text(field)) {
			return true
		}
	}
	return s.parsed.Kind == "ViewStmt" || s.parsed.Kind == "AlterSeqStmt"
}

// together finds what is wrong because the whole file is one transaction.
func (r *reader) together(each *step) {
	r.enums(each)
	strong := r.strong(each)
	data := r.changesRows(each)
	if data && len(r.held) > 0 {
		r.report(each, DataApart, fmt.Sprintf("The table of line %d stays locked until all rows are done.", r.heldAt))
	}
	if r.changedAt > 0 && len(strong) > 0 {
		r.report(each, DataApart, fmt.Sprintf("The rows of line %d stay locked until the table can be altered.", r.changedAt))
	}
	referenced := map[name]bool{}
	for _, lock := range each.expected.takings {
		if lock.referenced && !r.fresh(lock.relation) {
			referenced[lock.relation] = true
		}
	}
	for _, table := range strong {
		if len(r.held) > 0 && !r.held[table] {
			r.report(each, OneTable, fmt.Sprintf("The table of line %d stays locked until this one can be locked as well.", r.heldAt))
		}
	}
	if len(referenced) > 1 {
		r.report(each, OneTable, "Each foreign key locks the table that it points to, and one waits while the other is locked.")
	}
	for _, table := range strong {
		r.hold(each, table)
	}
	if data && r.changedAt == 0 {
		r.changedAt = each.line
	}
}

func (r *reader) hold(each *step, table name) {
	if len(r.held) == 0 {
		r.heldAt = each.line
	}
	r.held[table] = true
}

// changesRows tells that a statement changes rows of others, as many as there are.
func (r *reader) changesRows(each *step) bool {
	if each.parsed == nil {
		return false
	}
	whole := each.parsed.Tree()
	changes := false
	whole.Find(func(kind string, node sqlparser.Node) {
		target := relationName(node.Child("relation"))
		switch kind {
		case "InsertStmt":
			changes = changes || readsTables(node.Child("selectStmt"))
		case "CreateTableAsStmt":
			changes = changes || readsTables(node.Child("query")) && !node.Child("into").Is("skipData")
		case "MergeStmt":
			changes = true
		default:
			changes = changes || !r.own(target)
		}
	}, "UpdateStmt", "DeleteStmt", "MergeStmt", "InsertStmt", "CreateTableAsStmt")
	if changes {
		return true
	}
	measured := each.measured
	switch each.parsed.Kind {
	case "SelectStmt", "CallStmt":
		if len(calls(whole)) == 0 {
			return false
		}
		if measured == nil {
			// Without a measurement: what reads a table is asked for its rows, and what reads none is called for its effect.
			return each.parsed.Kind == "CallStmt" || !readsTables(whole)
		}
		writes := slices.ContainsFunc(measured.Locks, func(l trace.Lock) bool { return l.Mode == tablelock.RowExclusive && l.Kind != "S" && l.Kind != "i" })
		return writes || len(measured.Rows) > 0 || len(measured.Scanned) > 0
	case "DoStmt":
		return measured != nil && each.incomplete && slices.ContainsFunc(measured.Rows, func(rows trace.Rows) bool { return rows.Old })
	}
	return false
}

// readsTables tells that a query reads a relation.
func readsTables(query sqlparser.Node) bool {
	reads := false
	query.Find(func(string, sqlparser.Node) { reads = true }, "RangeVar")
	return reads
}

func (r *reader) enums(each *step) {
	if each.parsed == nil {
		return
	}
	node := each.parsed.Node
	if each.parsed.Kind == "AlterEnumStmt" {
		if !r.own(partsName(node.Strings("typeName"))) && node.Text("oldVal") == "" {
			r.values = append(r.values, node.Text("newVal"))
		}
		return
	}
	for _, value := range r.values {
		used := false
		node.Find(func(_ string, constant sqlparser.Node) { used = used || constant.Child("sval").Text("sval") == value }, "A_Const")
		if used {
			r.report(each, ValueApart, fmt.Sprintf("PostgreSQL refuses '%s' in the transaction that adds it to its type.", value))
		}
	}
}
