package trace

import (
	"errors"
	"slices"
	"strings"

	"avion.internal/migrate/internal/migration"
	"avion.internal/migrate/internal/sqlparser"
)

// Unit is one statement of PostgreSQL's grammar within what goose sends at once.
type Unit struct {
	Line, Part int
	Text       string
	// Parsed is nil where this parser does not know a form that the server may know.
	Parsed *sqlparser.Statement
}

// Units splits what goose sends as the server would. Where the parser does not understand it, it stays whole; an error
// means that there is no parser.
func Units(statements []migration.Statement) ([]Unit, error) {
	var units []Unit
	for part, statement := range statements {
		parsed, err := sqlparser.Parse(statement.Text)
		var syntax *sqlparser.SyntaxError
		switch {
		case errors.As(err, &syntax):
			units = append(units, Unit{Line: statement.Line, Part: part, Text: statement.Text})
		case err != nil:
			return nil, err
		}
		for position := range parsed {
			each := &parsed[position]
			line := statement.Line + strings.Count(statement.Text[:each.Offset], "\n")
			units = append(units, Unit{line, part, each.Text, each})
		}
	}
	return units, nil
}

// kind is the node of the grammar, empty where it is not known.
func (u Unit) kind() string {
	if u.Parsed == nil {
		return ""
	}
	return u.Parsed.Kind
}

// refused is why a statement does not run in a trace, empty if it does: it concerns more than one database, or would wait
// for data that nobody sends.
func (u Unit) refused() string {
	switch u.kind() {
	case "CreatedbStmt", "DropdbStmt", "AlterDatabaseStmt", "AlterDatabaseSetStmt", "AlterDatabaseRefreshCollStmt":
		return "it concerns databases, which are not the throw-away one's business"
	case "CreateTableSpaceStmt", "DropTableSpaceStmt", "AlterTableSpaceOptionsStmt", "AlterSystemStmt", "CheckPointStmt":
		return "it concerns the whole server"
	case "CreateRoleStmt", "AlterRoleStmt", "AlterRoleSetStmt", "DropRoleStmt", "GrantRoleStmt", "ReassignOwnedStmt", "DropOwnedStmt":
		return "it concerns roles, which all databases of the server share"
	case "CreateSubscriptionStmt", "AlterSubscriptionStmt", "DropSubscriptionStmt":
		return "it connects to another server"
	case "CopyStmt":
		if !u.Parsed.Node.Is("is_program") && u.Parsed.Node.Text("filename") == "" {
			return "it waits for data that a migration does not send"
		}
		return "it reads or writes the files of the server's machine"
	case "TransactionStmt":
		switch u.Parsed.Node.Text("kind") {
		case "TRANS_STMT_SAVEPOINT", "TRANS_STMT_RELEASE", "TRANS_STMT_ROLLBACK_TO":
			return ""
		}
		return "it begins or ends a transaction by itself"
	}
	return ""
}

// OutsideOnly tells that PostgreSQL refuses a statement inside a transaction, whatever it is about.
func OutsideOnly(unit Unit) bool {
	if unit.Parsed == nil {
		return false
	}
	switch unit.kind() {
	case "CreatedbStmt", "DropdbStmt", "CreateTableSpaceStmt", "DropTableSpaceStmt", "AlterSystemStmt", "DropSubscriptionStmt", "CreateSubscriptionStmt":
		return true
	case "AlterDatabaseStmt":
		return slices.ContainsFunc(unit.Parsed.Node.List("options"), func(each sqlparser.Node) bool {
			return each.Child("DefElem").Text("defname") == "tablespace"
		})
	case "AlterSubscriptionStmt":
		kind := unit.Parsed.Node.Text("kind")
		return kind == "ALTER_SUBSCRIPTION_REFRESH" || strings.HasSuffix(kind, "_PUBLICATION")
	case "DiscardStmt":
		return unit.Parsed.Node.Text("target") == "DISCARD_ALL"
	}
	_, outside := outsideForm(unit)
	return outside
}
