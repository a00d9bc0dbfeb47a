// Package doctor holds a service against the checklist in docs/migration-setup.md, and against what migrations need besides:
// each item with its evidence and the next step. It judges what others have found out, and changes nothing.
//
// May import: config, connection, copier, failure, git, manifest, wiring.
package doctor

import (
	"errors"
	"fmt"
	"strings"

	"avion.internal/migrate/internal/copier"
	"avion.internal/migrate/internal/failure"
)

// State is what is known about an item.
type State string

// The states. Fail alone makes the program fail: what must hold does not.
const (
	Pass    State = "pass"
	Fail    State = "fail"
	Todo    State = "todo"    // nothing breaks without it
	Person  State = "person"  // no evidence shows it: a person has to know
	Skipped State = "skipped" // not looked at
)

// states are in the order in which people are told how many there are.
var states = []State{Pass, Fail, Todo, Person, Skipped}

// Finding is what was found out about one item.
type Finding struct {
	State    State  `json:"state"`
	Evidence string `json:"evidence"`
	// Next is what to do about it, empty where the evidence says it, or there is nothing to do.
	Next string `json:"next,omitempty"`
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Item is one line of the report.
type Item struct {
	// Group and Title are those of the checklist, in its language; what is not in the checklist has its own.
	Group string `json:"group"`
	Item  string `json:"item"`
	Title string `json:"title"`
	// Ticked tells what the checklist claims, nil where it says nothing about the item.
	Ticked *bool `json:"ticked,omitempty"`
	Finding
}

// Report is the result.
type Report struct {
	Service string        `json:"service"`
	Result  State         `json:"result"`
	Counts  map[State]int `json:"counts"`
	Items   []Item        `json:"items"`
}

// check is one question to the evidence, asked of every service or of those that have chosen a part.
type check struct {
	item  string
	judge func(Evidence) Finding
	part  copier.Part
}

// concerns tells whether the service has what is asked about. Without answers it is asked about everything.
func (c check) concerns(e Evidence) bool {
	return c.part == "" || e.Template.Error != nil || e.Template.Answers.Chose(c.part)
}

// Examine judges every item: first those of the checklist in its own order, then what it does not list.
func Examine(evidence Evidence) Report {
	report := Report{Service: evidence.Project.Service, Result: Pass, Counts: map[State]int{}, Items: []Item{}}
	for _, state := range states {
		report.Counts[state] = 0
	}
	list, err := readChecklist(evidence.Folder)
	for _, item := range append(checklistItems(list, evidence), furtherItems(evidence)...) {
		report.add(item)
	}
	if err != nil {
		report.add(Item{Group: "Documents", Item: "checklist", Title: "The checklist", Finding: refused(err)})
	}
	return report
}

func (r *Report) add(item Item) {
	r.Items = append(r.Items, item)
	r.Counts[item.State]++
	if item.State == Fail {
		r.Result = Fail
	}
}

// Failed are the items that must hold and do not.
func (r Report) Failed() []Item {
	var failed []Item
	for _, item := range r.Items {
		if item.State == Fail {
			failed = append(failed, item)
		}
	}
	return failed
}

func pass(format string, values ...any) Finding {
	return Finding{State: Pass, Evidence: fmt.Sprintf(format, values...)}
}

func fail(next, format string, values ...any) Finding {
	return Finding{State: Fail, Evidence: fmt.Sprintf(format, values...), Next: next}
}

func todo(next, format string, values ...any) Finding {
	return Finding{State: Todo, Evidence: fmt.Sprintf(format, values...), Next: next}
}

func skipped(next, format string, values ...any) Finding {
	return Finding{State: Skipped, Evidence: fmt.Sprintf(format, values...), Next: next}
}

// refused takes over a sentence, which says the next step itself.
func refused(err error) Finding {
	found := Finding{State: Fail, Evidence: err.Error()}
	if placed, ok := errors.AsType[*failure.Error](err); ok {
		found.File, found.Line = placed.File, placed.Line
	}
	return found
}

// refusedAll is a finding about several mistakes at once, at the place of the first.
func refusedAll(problems []error) Finding {
	found := refused(problems[0])
	var sentences []string
	for _, problem := range problems {
		sentences = append(sentences, problem.Error())
	}
	found.Evidence = strings.Join(sentences, "\n")
	return found
}
