package doctor

func judgeGo(e Evidence) Finding {
	p := e.Programs
	if p.GoError != nil {
		return todo("install Go "+p.NeededGo, "%s", p.GoError)
	}
	return pass("%s; tools/migrate needs %s", p.Go, p.NeededGo)
}

func judgeEngine(e Evidence) Finding { return pass("built with %s", e.Programs.Engine) }

func judgeSettings(e Evidence) Finding {
	switch {
	case e.ProjectError != nil:
		return withoutProject()
	case e.Database.TargetError != nil:
		return refused(e.Database.TargetError)
	case !e.Database.Given.Present():
		return skipped("set in .env what .env.example sets", "no setting names a database")
	default:
		return pass("%s from %s, and what goes with it", e.Database.Given.Name, e.Database.Given.Source)
	}
}

func judgeEnvironment(e Evidence) Finding {
	if found, ok := e.target(); !ok {
		return found
	}
	return pass("%s, %s", e.Database.Target.Environment, e.Database.Target.EnvironmentFrom)
}

func judgeTLS(e Evidence) Finding {
	if found, ok := e.target(); !ok {
		return found
	}
	target := e.Database.Target
	return pass("sslmode %s, %s; %s demands %s", target.SSLMode, target.SSLModeFrom, target.Environment, target.DemandedSSLMode)
}

// target is what there is to say where the settings lead to no database.
func (e Evidence) target() (found Finding, ok bool) {
	switch {
	case e.ProjectError != nil:
		return withoutProject(), false
	case e.DotEnvError != nil:
		return skipped("", ".env cannot be read"), false
	case e.Database.TargetError != nil:
		return skipped("", "the settings lead to no database"), false
	default:
		return Finding{}, true
	}
}
