package recipe

import (
	"strings"
	"text/template"
	"text/template/parse"
)

// jobField is the one field of a template that is no variable.
const jobField = "Job"

func parseTemplate(text string) (*template.Template, error) {
	return template.New("").Option("missingkey=error").Parse(text)
}

func render(text string, values map[string]any) (string, error) {
	parsed, err := parseTemplate(text)
	if err != nil {
		return "", err
	}
	var rendered strings.Builder
	err = parsed.Execute(&rendered, values)
	return rendered.String(), err
}

// fields adds the names of the variables that a template uses.
func fields(text string, used map[string]bool) error {
	parsed, err := parseTemplate(text)
	if err == nil && parsed.Tree != nil {
		visit(parsed.Root, used)
	}
	return err
}

func visit(node parse.Node, used map[string]bool) {
	switch node := node.(type) {
	case *parse.ListNode:
		if node != nil {
			for _, child := range node.Nodes {
				visit(child, used)
			}
		}
	case *parse.IfNode:
		visit(node.Pipe, used)
		visit(node.List, used)
		visit(node.ElseList, used)
	case *parse.ActionNode:
		visit(node.Pipe, used)
	case *parse.PipeNode:
		for _, command := range node.Cmds {
			visit(command, used)
		}
	case *parse.CommandNode:
		for _, argument := range node.Args {
			visit(argument, used)
		}
	case *parse.FieldNode:
		if node.Ident[0] != jobField {
			used[node.Ident[0]] = true
		}
	}
}
