package wiring

import (
	"context"
	"iter"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/failure"
)

// TemplateCompose is the compose file that the template brings.
const TemplateCompose = "compose.migrations.yaml"

// ComposeFiles are the names that docker compose looks for, in its order.
var ComposeFiles = []string{"compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"}

// overrides are those that it reads besides.
var overrides = []string{
	"compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml",
}

func (s Service) readCompose(_ context.Context, plan *Plan) error {
	if copier.RequirePart(s.Folder, copier.Compose) != nil {
		return nil //nolint:nilerr // a service without the part is right as it is
	}
	found, err := s.present(ComposeFiles...)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		plan.absent("docker-compose.yml")
		return nil
	}
	name := found[0]
	for _, other := range found[1:] {
		plan.note("%s is never read, because docker compose reads %s: remove it", other, name)
	}
	ours, there, err := s.read(TemplateCompose)
	if err != nil {
		return err
	}
	if !there {
		return failure.Refused("%s is not there: bring it back with copier recopy", TemplateCompose)
	}
	var brought yaml.Node
	if err := yaml.Load(ours, &brought); err != nil {
		return failure.Refused("%s cannot be read (%w): correct it", TemplateCompose, err)
	}
	more, err := s.present(overrides...)
	if err != nil {
		return err
	}
	for _, file := range append([]string{name}, more...) {
		content, _, err := s.read(file)
		if err != nil {
			return err
		}
		var document yaml.Node
		if err := yaml.Load(content, &document); err != nil {
			plan.clash("%s cannot be read as YAML (%s): correct it", file, err)
			continue
		}
		s.composeClashes(plan, file, mapping(&document), mapping(&brought))
		if file != name {
			continue
		}
		after, ok := includeDatabase(content, mapping(&document))
		if !ok {
			plan.clash("%s has a form to which nothing can be added without rewriting it: add %q to its list `include` by hand", file, TemplateCompose)
			continue
		}
		plan.edit(file, content, after)
	}
	return nil
}

// composeClashes compares what the service's file holds with what the included file brings.
func (s Service) composeClashes(plan *Plan, file string, own, brought *yaml.Node) {
	if version := value(own, "version"); version != nil {
		plan.note("%s:%d says `version`: docker-compose 1, which needs it, knows no `include`; "+
			"use docker compose 2.20 or newer, which ignores it", file, version.Line)
	}
	for _, section := range []string{"services", "volumes"} {
		ours := value(brought, section)
		for key, theirs := range pairs(value(own, section)) {
			kept := value(ours, key.Value)
			if has(ours, key.Value) && (section == "services" || !same(theirs, kept)) {
				wayOut := ""
				if isServer(theirs) {
					wayOut = ", or answer compose_server with it, so that the template brings none"
				}
				plan.clash("%s:%d has %q among its %s, which %s brings too: remove the service's, or give it another name%s",
					file, key.Line, key.Value, section, TemplateCompose, wayOut)
			}
		}
	}
	// Where the template brings none, the migrations go to the service's own server, and its port is the right one.
	if !bringsServer(brought) {
		return
	}
	for name, service := range pairs(value(own, "services")) {
		if has(value(brought, "services"), name.Value) {
			continue
		}
		if isServer(service) {
			plan.note("%s:%d: %s is a PostgreSQL server too; the migrations of compose go to the one that %s brings: "+
				"let the service use that one, and remove %s, or answer compose_server with it", file, name.Line, name.Value, TemplateCompose, name.Value)
		}
		for _, port := range items(value(service, "ports")) {
			if s.published(port) == s.Port {
				plan.clash("%s:%d: %s publishes port %s, on which the PostgreSQL of %s listens too: "+
					"remove that, or set another DB_PORT in .env and .env.example", file, port.Line, name.Value, s.Port, TemplateCompose)
			}
		}
	}
}

func bringsServer(brought *yaml.Node) bool {
	for _, service := range pairs(value(brought, "services")) {
		if isServer(service) {
			return true
		}
	}
	return false
}

func isServer(service *yaml.Node) bool {
	image := value(service, "image")
	return image != nil && serverImage.MatchString(image.Value)
}

var (
	serverImage = regexp.MustCompile(`^(docker\.io/)?((library/)?postgres|postgis/postgis|timescale/timescaledb|bitnami/postgresql)([:@].*)?$`)
	shortPort   = regexp.MustCompile(`^(?:.*:)?(\d+):\d+(?:/\w+)?$`)
	reference   = regexp.MustCompile(`\$\{?(\w+)(?:(:?-)([^}]*))?\}?`)
)

// published is the port of this machine that an entry of `ports` takes, empty if it takes any.
func (s Service) published(port *yaml.Node) string {
	if port.Kind == yaml.MappingNode {
		if published := value(port, "published"); published != nil {
			return s.interpolate(published.Value)
		}
		return ""
	}
	if parts := shortPort.FindStringSubmatch(s.interpolate(port.Value)); parts != nil {
		return parts[1]
	}
	return ""
}

func (s Service) interpolate(text string) string {
	return reference.ReplaceAllStringFunc(text, func(found string) string {
		parts := reference.FindStringSubmatch(found)
		if known := s.Lookup(parts[1]); known != "" {
			return known
		}
		return parts[3]
	})
}

// includeDatabase adds the file to the list `include`, as text, so that comments, order and form stay as they are.
// The result is read again: it has to say the same as before, and the one thing more.
func includeDatabase(content []byte, document *yaml.Node) (string, bool) {
	if document == nil {
		return "", false
	}
	list := value(document, "include")
	if list != nil && slices.ContainsFunc(list.Content, includes) {
		return string(content), true
	}
	var after string
	switch {
	case list == nil:
		after = appendLines(content, "include:\n  - "+TemplateCompose+"\n")
	case list.Kind != yaml.SequenceNode:
		return "", false
	case list.Style&yaml.FlowStyle != 0:
		separator := ""
		if len(list.Content) > 0 {
			separator = ", "
		}
		after = insert(content, list.Line, list.Column, TemplateCompose+separator)
	default:
		item := strings.Repeat(" ", list.Column-1) + "- " + TemplateCompose + endingOf(content)
		after = insertLine(content, lastLineOf(list), item)
	}
	return after, addsOnlyTheDatabase(content, after)
}

func includes(entry *yaml.Node) bool {
	if entry.Kind == yaml.MappingNode {
		entry = value(entry, "path")
	}
	if entry == nil {
		return false
	}
	if entry.Kind == yaml.SequenceNode {
		return slices.ContainsFunc(entry.Content, includes)
	}
	return path.Clean(entry.Value) == TemplateCompose
}

func addsOnlyTheDatabase(before []byte, after string) bool {
	var old, extended map[string]any
	if yaml.Load(before, &old) != nil || yaml.Load([]byte(after), &extended) != nil {
		return false
	}
	if old == nil {
		old = map[string]any{}
	}
	list, _ := extended["include"].([]any)
	position := slices.IndexFunc(list, func(entry any) bool { return entry == TemplateCompose })
	if position < 0 {
		return false
	}
	rest := slices.Delete(slices.Clone(list), position, position+1)
	listed, had := old["include"].([]any)
	if !had && old["include"] != nil {
		return false
	}
	delete(old, "include")
	delete(extended, "include")
	return reflect.DeepEqual(old, extended) && (len(rest) == 0 && len(listed) == 0 || reflect.DeepEqual(rest, listed))
}

// insert puts text behind the character at a place.
func insert(content []byte, line, column int, text string) string {
	lines := strings.SplitAfter(string(content), "\n")
	runes := []rune(lines[line-1])
	lines[line-1] = string(runes[:column]) + text + string(runes[column:])
	return strings.Join(lines, "")
}

// insertLine puts a line behind another.
func insertLine(content []byte, line int, added string) string {
	lines := strings.SplitAfter(string(content), "\n")
	if !strings.HasSuffix(lines[line-1], "\n") {
		lines[line-1] += endingOf(content)
	}
	return strings.Join(slices.Insert(lines, line, added), "")
}

func lastLineOf(node *yaml.Node) int {
	last := node.Line
	for _, inner := range node.Content {
		last = max(last, lastLineOf(inner))
	}
	return last
}

// mapping is the mapping that a document holds, nil if it holds something else.
func mapping(document *yaml.Node) *yaml.Node {
	if document.Kind == yaml.DocumentNode && len(document.Content) == 1 && document.Content[0].Kind == yaml.MappingNode {
		return document.Content[0]
	}
	return nil
}

// pairs are the keys of a mapping with their values.
func pairs(node *yaml.Node) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(*yaml.Node, *yaml.Node) bool) {
		if node == nil || node.Kind != yaml.MappingNode {
			return
		}
		for pair := range slices.Chunk(node.Content, 2) {
			if !yield(pair[0], resolved(pair[1])) {
				return
			}
		}
	}
}

func value(node *yaml.Node, key string) *yaml.Node {
	for name, found := range pairs(node) {
		if name.Value == key {
			return found
		}
	}
	return nil
}

func has(node *yaml.Node, key string) bool { return value(node, key) != nil }

func items(node *yaml.Node) []*yaml.Node {
	if node == nil || node.Kind != yaml.SequenceNode {
		return nil
	}
	return node.Content
}

func resolved(node *yaml.Node) *yaml.Node {
	if node.Kind == yaml.AliasNode {
		return node.Alias
	}
	return node
}

func same(a, b *yaml.Node) bool {
	var left, right any
	return a.Decode(&left) == nil && b.Decode(&right) == nil && reflect.DeepEqual(left, right)
}
