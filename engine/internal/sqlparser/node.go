package sqlparser

import (
	"maps"
	"slices"
	"strings"
)

// Node is a part of a parse tree, with PostgreSQL's names for its fields; what is false, nought or empty is left out.
type Node map[string]any

// only is the single field of a node that says which kind it is, and the node below.
func (n Node) only() (string, Node) {
	for kind, value := range n {
		below, _ := value.(map[string]any)
		return kind, below
	}
	return "", nil
}

// Child is the node below a field, nil if there is none.
func (n Node) Child(field string) Node {
	below, _ := n[field].(map[string]any)
	return below
}

// List are the nodes below a field.
func (n Node) List(field string) []Node {
	values, _ := n[field].([]any)
	nodes := make([]Node, 0, len(values))
	for _, value := range values {
		below, _ := value.(map[string]any)
		nodes = append(nodes, below)
	}
	return nodes
}

// Text is a field's string, or the name of its constant.
func (n Node) Text(field string) string {
	text, _ := n[field].(string)
	return text
}

// Is tells that a field is set.
func (n Node) Is(field string) bool {
	set, _ := n[field].(bool)
	return set
}

// Number is a field's number.
func (n Node) Number(field string) int {
	number, _ := n[field].(float64)
	return int(number)
}

// Kind is the kind of a node that stands where several kinds may.
func (n Node) Kind() string {
	kind, _ := n.only()
	return kind
}

// Strings are the values of a list of String nodes, which is how names with a schema are written.
func (n Node) Strings(field string) []string {
	var all []string
	for _, each := range n.List(field) {
		all = append(all, each.Child("String").Text("sval"))
	}
	return all
}

// Option tells that one of the options below a field is on, as it also is where its value is left out.
func (n Node) Option(field, name string) bool {
	on := false
	for _, each := range n.List(field) {
		element := each.Child("DefElem")
		if element.Text("defname") != name {
			continue
		}
		value := element.Child("arg")
		text := strings.ToLower(value.Child("String").Text("sval"))
		on = value == nil || value.Child("Boolean").Is("boolval") || value.Child("Integer").Number("ival") != 0 ||
			text != "" && !slices.Contains([]string{"false", "off", "no", "0"}, text)
	}
	return on
}

// Find calls visit with every node of one of the kinds, wherever it stands below, in the order of PostgreSQL's fields as
// far as JSON keeps it.
func (n Node) Find(visit func(kind string, node Node), kinds ...string) {
	find(map[string]any(n), visit, kinds)
}

func find(value any, visit func(string, Node), kinds []string) {
	switch value := value.(type) {
	case []any:
		for _, each := range value {
			find(each, visit, kinds)
		}
	case map[string]any:
		for _, field := range slices.Sorted(maps.Keys(value)) {
			below, isNode := value[field].(map[string]any)
			if isNode && slices.Contains(kinds, field) {
				visit(field, below)
			}
			find(value[field], visit, kinds)
		}
	}
}
