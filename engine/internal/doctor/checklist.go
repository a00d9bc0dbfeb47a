package doctor

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"avion.internal/migrate/internal/failure"
)

const checklistFile = "docs/migration-setup.md"

// line is an item as the service's checklist has it.
type line struct {
	group, item, title string
	ticked             bool
	number             int
}

var (
	heading  = regexp.MustCompile(`^#{2,3} (.+)$`)
	itemName = regexp.MustCompile(`^\s*<!-- ([a-z0-9-]+) -->$`)
	task     = regexp.MustCompile(`^- \[([ xX])\] (.+)$`)
)

// readChecklist finds the items by the names that stand above them, whatever their language.
func readChecklist(folder string) ([]line, error) {
	content, err := os.ReadFile(filepath.Join(folder, checklistFile))
	if err != nil {
		return nil, failure.Refused("%s cannot be read, and it holds the checklist: bring it back with copier recopy", checklistFile)
	}
	var found []line
	group, item := "", ""
	for position, text := range strings.Split(string(content), "\n") {
		text = strings.TrimRight(text, "\r")
		if parts := heading.FindStringSubmatch(text); parts != nil {
			group, item = parts[1], ""
		} else if parts := itemName.FindStringSubmatch(text); parts != nil {
			item = parts[1]
		} else if parts := task.FindStringSubmatch(text); parts != nil && item != "" {
			found = append(found, line{group, item, parts[2], parts[1] != " ", position + 1})
			item = ""
		}
	}
	if len(found) == 0 {
		return nil, failure.Refused("%s holds no checklist any more: bring it back with copier recopy", checklistFile)
	}
	return found, nil
}

// checklistItems judges the lines of the checklist in their order. What has no check, a person has to know. An item of the
// manual that the list has lost is judged all the same.
func checklistItems(list []line, evidence Evidence) []Item {
	checks := map[string]check{}
	for _, each := range checklist {
		checks[each.item] = each
	}
	var items []Item
	seen := map[string]bool{}
	for _, entry := range list {
		seen[entry.item] = true
		finding := Finding{State: Person, Evidence: "no file shows it: see " + entry.place()}
		if entry.ticked {
			finding.Evidence = "ticked by a person"
		}
		if known, checked := checks[entry.item]; checked && known.concerns(evidence) {
			finding = entry.hold(known.judge(evidence))
		} else if checked {
			finding = skipped("", "the part %s is not chosen", known.part)
		}
		items = append(items, Item{Group: entry.group, Item: entry.item, Title: entry.title, Ticked: &entry.ticked, Finding: finding})
	}
	for _, each := range checklist {
		if !seen[each.item] && each.concerns(evidence) {
			items = append(items, Item{Group: "Checklist", Item: each.item, Title: each.item, Finding: each.judge(evidence)})
		}
	}
	return items
}

// hold says where the evidence contradicts the tick.
func (l line) hold(found Finding) Finding {
	if l.ticked && (found.State == Fail || found.State == Todo) {
		found.Evidence += fmt.Sprintf(" (%s says that it is done)", l.place())
	}
	return found
}

func (l line) place() string { return fmt.Sprintf("%s:%d", checklistFile, l.number) }
