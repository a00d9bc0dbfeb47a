package doctor

import (
	"fmt"
	"io"
	"strings"
	"unicode"

	"golang.org/x/text/width"
)

// labels are the states for people; colours are those of ECMA-48.
var (
	labels  = map[State]string{Pass: "pass", Fail: "FAIL", Todo: "to do", Person: "person", Skipped: "-"}
	counted = map[State]string{Pass: "pass", Fail: "fail", Todo: "to do", Person: "for a person", Skipped: "not looked at"}
	colours = map[State]string{Pass: "32", Fail: "1;31", Todo: "33", Person: "36", Skipped: "2"}
)

// columns that a title may take, before what follows it begins on a line of its own.
const columns = 40

// Write prints the report for people, an item a line: what is not as it should be, or all of it. It ends with how many there
// are of each kind.
func (r Report) Write(out io.Writer, colour, all bool) {
	group, hidden := "", 0
	for _, item := range r.Items {
		if !all && item.State != Fail && item.State != Todo {
			hidden++
			continue
		}
		item = item.inEnglish()
		if item.Group != group {
			if group != "" {
				fmt.Fprintln(out)
			}
			group = item.Group
			fmt.Fprintln(out, group)
		}
		label := padded(labels[item.State], 6)
		if colour {
			label = "\x1b[" + colours[item.State] + "m" + label + "\x1b[0m"
		}
		fmt.Fprintf(out, "  %s %s ", label, item.box())
		item.writeRest(out)
	}
	var counts []string
	unticked := 0
	for _, state := range states {
		if r.Counts[state] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", r.Counts[state], counted[state]))
		}
	}
	for _, item := range r.Items {
		if item.State == Pass && item.Ticked != nil && !*item.Ticked {
			unticked++
		}
	}
	if group != "" {
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, strings.Join(counts, ", "))
	if hidden > 0 {
		fmt.Fprintln(out, "make migrate-doctor ALL=1 shows every item with its evidence")
	}
	if unticked > 0 {
		fmt.Fprintf(out, "%d items are done but not ticked yet: tick them in %s\n", unticked, checklistFile)
	}
}

// box is the item's tick in the checklist.
func (i Item) box() string {
	switch {
	case i.Ticked == nil:
		return "   "
	case *i.Ticked:
		return "[x]"
	default:
		return "[ ]"
	}
}

// writeRest puts the evidence beside the title, or below one that is too long for that, and below both what is to be done.
func (i Item) writeRest(out io.Writer) {
	const indent = 2 + 6 + 1 + 3 + 1
	below := "\n" + strings.Repeat(" ", indent+columns+1)
	evidence := strings.ReplaceAll(i.Evidence, "\n", below)
	if cells(i.Title) <= columns {
		fmt.Fprint(out, padded(i.Title, columns), " ", evidence)
	} else {
		fmt.Fprint(out, i.Title, below, evidence)
	}
	if i.Next != "" {
		fmt.Fprint(out, below, "next: ", i.Next)
	}
	fmt.Fprintln(out)
}

func padded(text string, columns int) string {
	return text + strings.Repeat(" ", max(columns-cells(text), 0))
}

// cells are the columns that a text takes on a terminal: two for each letter of the width of a Chinese one.
func cells(text string) int {
	number := 0
	for _, letter := range text {
		switch kind := width.LookupRune(letter).Kind(); {
		case unicode.In(letter, unicode.Mn, unicode.Me, unicode.Cf):
		case kind == width.EastAsianWide || kind == width.EastAsianFullwidth:
			number += 2
		default:
			number++
		}
	}
	return number
}
