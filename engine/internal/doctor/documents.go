package doctor

import (
	"path"
	"slices"
	"strings"
)

// judgeDocument looks for the link to the guides in one of the service's own documents. Nothing breaks without it, and a
// service that never had it must not find its workflow red after an update.
func judgeDocument(name string) func(Evidence) Finding {
	return func(e Evidence) Finding {
		if e.Documents.Error != nil {
			return refused(e.Documents.Error)
		}
		same := func(file string) bool { return strings.EqualFold(path.Base(file), name) }
		for _, edit := range e.Documents.Edits {
			if same(edit.Path) {
				return todo(wire, "%s leads to no guide in docs", edit.Path)
			}
		}
		if !slices.ContainsFunc(e.Documents.Wired, same) {
			return todo(recopy, "%s is not there", name)
		}
		return pass("%s leads to the guides", name)
	}
}

func judgeOwnDocuments(e Evidence) Finding {
	if found, ok := e.Documents.problem(todo); !ok {
		return found
	}
	if len(e.Documents.Wired) < 2 {
		return todo(recopy, "README.md or CONTRIBUTING.md is not there")
	}
	return pass("%s lead to the guides", strings.Join(e.Documents.Wired, " and "))
}
