package doctor

func judgeValid(e Evidence) Finding {
	switch {
	case e.ProjectError != nil:
		return withoutProject()
	case e.Files.Error != nil:
		return refused(e.Files.Error)
	case len(e.Files.Problems) > 0:
		return refusedAll(e.Files.Problems)
	case !e.Files.Squawk:
		return pass("%d files; their syntax was not looked at", e.Files.Valid)
	default:
		return pass("%d files", e.Files.Valid)
	}
}

func judgeSquawk(e Evidence) Finding {
	if !e.Files.Squawk {
		return todo("make migrate-lint brings it", "squawk is not there")
	}
	return pass("squawk is there")
}

func judgeLint(e Evidence) Finding {
	switch {
	case e.ProjectError != nil:
		return withoutProject()
	case !e.Files.Squawk:
		return skipped("", "squawk is not there")
	case !e.Files.BaseKnown:
		return skipped("", "git knows no branch that the work is merged to")
	case e.Files.LintError != nil:
		return refused(e.Files.LintError)
	default:
		return pass("new migrations: %d", e.Files.New)
	}
}
