package trace

import (
	"slices"
	"strings"

	"avion.internal/migrate/internal/sqlparser"
	"avion.internal/migrate/internal/sqltext"
)

// withoutRoles names the database's owner wherever a statement names a role.
func withoutRoles(unit Unit) string {
	if unit.Parsed == nil {
		return unit.Text
	}
	switch unit.kind() {
	case "AlterOwnerStmt", "AlterTableStmt", "GrantStmt", "CreatePolicyStmt", "AlterPolicyStmt", "CreateSchemaStmt", "AlterDefaultPrivilegesStmt":
	default:
		return unit.Text
	}
	type place struct {
		at   int
		name string
	}
	var places []place
	unit.Parsed.Node.Find(func(_ string, role sqlparser.Node) {
		if role.Text("roletype") == "ROLESPEC_CSTRING" {
			places = append(places, place{role.Number("location"), role.Text("rolename")})
		}
	}, "RoleSpec", "newowner", "authrole")
	slices.SortFunc(places, func(a, b place) int { return b.at - a.at })
	text := unit.Text
	for _, each := range places {
		// The location counts from the beginning of what goose sends.
		at := each.at - unit.Parsed.Offset
		for _, written := range []string{each.name, sqltext.Name(each.name)} {
			if at >= 0 && at+len(written) <= len(text) && strings.EqualFold(text[at:at+len(written)], written) {
				text = text[:at] + "pg_database_owner" + text[at+len(written):]
				break
			}
		}
	}
	return text
}
