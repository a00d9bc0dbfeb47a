package doctor

import (
	"os"
	"path/filepath"
	"strings"

	"avion.internal/migrate/internal/config"
)

const (
	recopy = "copier recopy brings it back"
	wire   = "make -f migrations.mk migrate-wire"
)

func judgeDirectories(e Evidence) Finding {
	folders := []string{e.Project.Migrations.Dir, e.Project.Seed.Dir, "scripts"}
	if e.ProjectError != nil {
		folders = []string{"scripts"}
	}
	for position, folder := range folders {
		folders[position] = filepath.Clean(folder)
		information, err := os.Stat(filepath.Join(e.Folder, folder))
		if err != nil || !information.IsDir() {
			return fail("mkdir -p "+folders[position], "there is no folder %s", folders[position])
		}
	}
	return pass("%s", strings.Join(folders, ", "))
}

func judgeProject(e Evidence) Finding {
	if e.ProjectError != nil {
		return refused(e.ProjectError)
	}
	return pass("service %s, versions in %s", e.Project.Service, e.Project.Migrations.Table)
}

// judgeFile looks for a file of the template's. Its part of make and of compose is one; whether the service's own file takes it
// in is another item.
func judgeFile(file string) func(Evidence) Finding {
	return func(e Evidence) Finding {
		content, err := os.ReadFile(filepath.Join(e.Folder, file))
		if err != nil || len(content) == 0 {
			return fail(recopy, "%s is not there, or empty", file)
		}
		return pass("%s is there", file)
	}
}

func judgeEnvExample(e Evidence) Finding {
	const name = ".env.example"
	example, there, err := config.ReadEnvFile(e.Folder, name)
	if err != nil {
		return refused(err)
	}
	if !there {
		return fail(recopy, "%s is not there", name)
	}
	var missing []string
	for _, variable := range []string{
		"DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD", "DB_SSL_MODE", "MIGRATION_AUTO_RUN", "MIGRATION_TIMEOUT",
	} {
		if _, found := example[variable]; !found {
			missing = append(missing, variable)
		}
	}
	if len(missing) > 0 {
		return fail("add it again", "%s lacks %s", name, strings.Join(missing, ", "))
	}
	return pass("%s has all variables", name)
}

func judgeFirstMigration(e Evidence) Finding {
	if e.ProjectError != nil {
		return withoutProject()
	}
	if e.Files.Migrations == 0 {
		return fail("make migrate-create NAME=init_schema", "%s holds no migration", filepath.Clean(e.Project.Migrations.Dir))
	}
	return pass("migrations: %d", e.Files.Migrations)
}

func judgeDotEnv(e Evidence) Finding {
	switch {
	case e.DotEnvError != nil:
		return refused(e.DotEnvError)
	case e.DotEnv:
		return pass(".env can be read")
	case e.Database.Given.Present():
		return pass("no .env: %s comes from the environment", e.Database.Given.Name)
	default:
		return todo("cp .env.example .env", ".env is not there")
	}
}

func judgeGitignore(e Evidence) Finding {
	if found, ok := e.Gitignore.problem(fail); !ok {
		return found
	}
	// Whatever there is to be known about git's rules loses a password or an update.
	if len(e.Gitignore.Notes) > 0 {
		return fail("", "%s", strings.Join(e.Gitignore.Notes, "\n"))
	}
	return pass("git leaves .env out, and nothing of the template")
}

func judgeMakefile(e Evidence) Finding {
	if found, ok := e.Makefile.problem(fail); !ok {
		return found
	}
	if len(e.Makefile.Wired) == 0 {
		return fail(recopy, "Makefile is not there")
	}
	return pass("%s includes migrations.mk", e.Makefile.Wired[0])
}

// judgeCompose fails for a clash only: a service that does without compose must not find its workflow red after an update.
func judgeCompose(e Evidence) Finding {
	if found, ok := e.Compose.problem(todo); !ok {
		return found
	}
	if len(e.Compose.Wired) == 0 {
		return todo(recopy, "docker-compose.yml is not there")
	}
	return pass("%s includes compose.migrations.yaml", e.Compose.Wired[0])
}

// problem is what `migrate wire` would refuse or add, which is missing; ok if it would do neither.
func (w Wired) problem(missing func(next, format string, values ...any) Finding) (found Finding, ok bool) {
	switch {
	case w.Error != nil:
		return refused(w.Error), false
	case len(w.Clashes) > 0:
		return refusedAll(w.Clashes), false
	case len(w.Edits) > 0:
		return missing(wire, "%s lacks what joins it to the template", w.Edits[0].Path), false
	default:
		return Finding{}, true
	}
}

func withoutProject() Finding { return skipped("", ".goose.yml cannot be read") }
