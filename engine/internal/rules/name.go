package rules

import (
	"strings"

	"avion.internal/migrate/internal/sqlparser"
)

// name is a relation or a type in one form, however it is written: without quotes, and without the schema public, which is
// what most search paths begin with.
type name string

func nameOf(schema, bare string) name {
	if schema == "" || schema == "public" {
		return name(bare)
	}
	return name(schema + "." + bare)
}

// relationName reads a RangeVar.
func relationName(node sqlparser.Node) name {
	if node == nil {
		return ""
	}
	return nameOf(node.Text("schemaname"), node.Text("relname"))
}

// partsName reads a name that is a list of its parts.
func partsName(parts []string) name {
	switch len(parts) {
	case 0:
		return ""
	case 1:
		return name(parts[0])
	default:
		return nameOf(parts[len(parts)-2], parts[len(parts)-1])
	}
}

// storedName reads a name as the server writes it.
func storedName(written string) name {
	var parts []string
	var part strings.Builder
	quoted := false
	for position := 0; position < len(written); position++ {
		switch c := written[position]; {
		case c == '"' && quoted && position+1 < len(written) && written[position+1] == '"':
			part.WriteByte(c)
			position++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			parts = append(parts, part.String())
			part.Reset()
		default:
			part.WriteByte(c)
		}
	}
	return partsName(append(parts, part.String()))
}

// BareName is a relation's name as the catalog has it, without its schema.
func BareName(written string) string {
	stored := string(storedName(written))
	return stored[strings.LastIndexByte(stored, '.')+1:]
}

// SameName tells that two names are written for one relation, be it with the schema public or without.
func SameName(a, b string) bool { return storedName(a) == storedName(b) }
