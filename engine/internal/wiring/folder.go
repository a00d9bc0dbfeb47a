package wiring

import (
	"os"
	"path"
	"path/filepath"
	"regexp"

	"avion.internal/migrate/internal/failure"
)

// The files that name the folder of the migrations, besides .goose.yml: they are read by programs that do not read that.
var namesMigrations = []string{
	"migrations.Dockerfile", "migrations.Dockerfile.dockerignore", "compose.migrations.yaml", ".env.example",
}

// FolderProblems tells which files do not follow dir of .goose.yml, so that the image, compose or plain goose would run
// other migrations than the engine, or none. A file that the service does not have is no problem.
func FolderProblems(dir string) []error {
	folder := path.Clean(filepath.ToSlash(dir))
	named := regexp.MustCompile(`(^|[\s"'=:!/])(\./)?` + regexp.QuoteMeta(folder) + `/?($|[\s"':])`)
	var problems []error
	for _, file := range namesMigrations {
		content, err := os.ReadFile(file)
		if err == nil && !named.Match(content) {
			problems = append(problems, failure.Refused("%s does not name %s, but dir in .goose.yml does: write that folder there "+
				"instead of the old one, or set dir back", file, folder))
		}
	}
	return problems
}
