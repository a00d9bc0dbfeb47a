package adopt

import (
	"path"
	"regexp"
	"strings"
)

// callers are the files in which commands stand.
var callers = regexp.MustCompile(`(?i)(^|/)([^/]*dockerfile[^/]*|[^/]*\.(sh|bash|mk|go|py|rb|js|ts|ya?ml|toml)|makefile|gnumakefile|procfile|jenkinsfile|package\.json|justfile|rakefile)$`)

// called are the tools as they are called, and as programs take them in.
var called = regexp.MustCompile(`(?i)\b(goose\s+(-\S+\s+|\S+\s+)*(up|down|status|create|redo|reset|version|fix|validate)\b|goose/v3/cmd/goose|pressly/goose(/v3)?\b|goose\.(Up|Run|SetBaseFS|NewProvider)\w*` +
	`|golang-migrate/migrate|migrate/migrate\b|migrate\s+-(path|source|database)|migrate\.(New|NewWith\w+)\(` +
	`|dbmate\s|flyway(/flyway)?\b|atlas\s+(migrate|schema)\s|ariga\.io/atlas|sqlx\s+migrate|sqlx::migrate|alembic\s+(\S+\s+)*?(upgrade|downgrade|stamp|revision)|liquibase\b|manage\.py\s+migrate|(rails|rake)\s+db:\S+|prisma\s+(migrate|db)\s)`)

// calls finds who runs a migration tool today.
func calls(file, content string) []Finding {
	if !callers.MatchString(file) || path.Ext(file) == ".md" {
		return nil
	}
	var found []Finding
	for number, line := range numbered(content) {
		text := strings.TrimSpace(line)
		// What ends in a colon is the name of something, such as a target.
		if strings.HasPrefix(text, "#") || strings.HasPrefix(text, "//") || strings.HasPrefix(text, "--") || strings.HasSuffix(text, ":") {
			continue
		}
		tool := inShort(called.FindString(text))
		if tool == "" {
			continue
		}
		found = append(found, Finding{Calls, file, number, "runs " + tool,
			"take it out before the first file that only the engine applies; make migrate-up, compose or the Job take its place"})
	}
	return found
}

var command = regexp.MustCompile(`^[a-z:]+$`)

// inShort leaves out what stands between a tool and its command: an address there may hold a password.
func inShort(call string) string {
	words := strings.Fields(call)
	if len(words) == 0 {
		return ""
	}
	if last := words[len(words)-1]; len(words) > 1 && command.MatchString(last) {
		return words[0] + " " + last
	}
	return words[0]
}

var remembered = regexp.MustCompile(`(?:\.(?:Set|With)TableName\(\s*"|\bgoose\b.*\s--?table[\s=]+["']?|\bGOOSE_TABLE\s*[:=]\s*["']?)([A-Za-z_][\w.]*)`)

// histories finds the tables in which goose remembers, as far as they are named.
func (f Folder) histories(file, content string) []Finding {
	if !callers.MatchString(file) {
		return nil
	}
	var found []Finding
	for _, place := range remembered.FindAllStringSubmatchIndex(content, -1) {
		if table := content[place[2]:place[3]]; table != f.Table {
			found = append(found, Finding{Histories, file, 1 + strings.Count(content[:place[2]], "\n"), "lets goose remember in " + table,
				"name it as table in .goose.yml"})
		}
	}
	return found
}

var embedded = regexp.MustCompile(`^//go:embed\s+(.+)$`)

// embeds finds programs that carry the migrations: to move the folder breaks their build.
func embeds(file, content string) []Finding {
	if path.Ext(file) != ".go" || !strings.Contains(content, "//go:embed") {
		return nil
	}
	var found []Finding
	for number, line := range numbered(content) {
		parts := embedded.FindStringSubmatch(strings.TrimSpace(line))
		if parts == nil || !strings.Contains(parts[1], ".sql") && !strings.Contains(strings.ToLower(parts[1]), "migration") {
			continue
		}
		found = append(found, Finding{Embeds, file, number, "embeds " + parts[1],
			"leave the files where they are (--data migrations_dir= of copier), or move the files and this line in one commit"})
	}
	return found
}
