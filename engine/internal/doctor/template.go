package doctor

import "strings"

func judgeTemplateVersion(e Evidence) Finding {
	t := e.Template
	if t.Error != nil {
		return refused(t.Error)
	}
	if t.TagsError != nil {
		return skipped("", "%s; the newest is not known: %s", t.Answers.Commit, t.TagsError)
	}
	newest, behind := t.Answers.Behind(t.Tags)
	switch {
	case newest == "":
		return skipped("", "%s; the template's repository has no release", t.Answers.Commit)
	case behind == 0:
		return pass("%s is the newest", t.Answers.Commit)
	default:
		return todo("copier update", "%s is %d releases behind %s", t.Answers.Commit, behind, newest)
	}
}

func judgeTemplateFiles(e Evidence) Finding {
	switch {
	case e.ProjectError != nil:
		return withoutProject()
	case e.Template.Error != nil:
		return skipped("", "the answers cannot be read")
	case e.RepositoryError != nil:
		return todo("git init && git add --all && git commit", "no update works outside of a git repository")
	case len(e.Template.Problems) > 0:
		return refusedAll(e.Template.Problems)
	default:
		return pass("no conflict is left, and the answers fit the files")
	}
}

// judgeNotes tells what `migrate wire` would have people know.
func judgeNotes(e Evidence) Finding {
	var notes []string
	for _, each := range []Wired{e.Makefile, e.Compose, e.Documents} {
		for _, note := range each.Notes {
			// That a file is missing is an item of its own.
			if !strings.Contains(note, "is not there and stays so") {
				notes = append(notes, note)
			}
		}
	}
	if len(notes) > 0 {
		return todo("", "%s", strings.Join(notes, "\n"))
	}
	return pass("none")
}
