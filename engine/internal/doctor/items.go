package doctor

import "avion.internal/migrate/internal/copier"

// checklist are the items of the checklist for which there is evidence, by the names that stand above them in
// docs/migration-setup.md.
var checklist = []check{
	{"directories", judgeDirectories, ""},
	{"goose-yml", judgeProject, ""},
	{"targets", judgeFile("migrations.mk"), ""},
	{"env-example", judgeEnvExample, ""},
	{"compose", judgeFile("compose.migrations.yaml"), copier.Compose},
	{"first-migration", judgeFirstMigration, ""},
	{"env", judgeDotEnv, ""},
	{"gitignore", judgeGitignore, ""},
	{"own-makefile", judgeMakefile, ""},
	{"own-compose", judgeCompose, copier.Compose},

	{"workflow", judgeWorkflow, copier.GitHubActions},
	{"job", judgeJob, copier.Kubernetes},
	{"alerts", judgeAlerts, copier.Prometheus},

	{"readme", judgeDocument("README.md"), ""},
	{"contributing", judgeDocument("CONTRIBUTING.md"), ""},
	{"troubleshooting", judgeFile("docs/migration-troubleshooting.md"), ""},
	{"own-documents", judgeOwnDocuments, ""},
}

// further is what has to hold besides.
var further = []struct {
	group string
	items []furtherItem
}{
	{"Template", []furtherItem{
		{"template-version", "Version of the template", judgeTemplateVersion},
		{"template-files", "Updates are finished", judgeTemplateFiles},
		{"wiring-notes", "Files that get in each other's way", judgeNotes},
	}},
	{"Migration files", []furtherItem{
		{"validate", "Files are valid", judgeValid},
		{"squawk", "The linter is there", judgeSquawk},
		{"lint", "New migrations are safe", judgeLint},
	}},
	{"Programs and settings", []furtherItem{
		{"go", "Go", judgeGo},
		{"engine", "Engine", judgeEngine},
		{"settings", "Settings of the database", judgeSettings},
		{"environment", "Environment in force", judgeEnvironment},
		{"tls", "TLS in force", judgeTLS},
	}},
	{"Database", []furtherItem{
		{"database", "Database answers", judgeDatabase},
		{"mark", "Mark of the environment", judgeMark},
		{"history", "History matches the files", judgeHistory},
		{"pending", "Pending migrations", judgePending},
		{"indexes", "Left by failed migrations", judgeIndexes},
		{"role", "Role that migrates", judgeRole},
		{"application-role", "Role of the application", judgeApplicationRole},
	}},
}

type furtherItem struct {
	item, title string
	judge       func(Evidence) Finding
}

func furtherItems(evidence Evidence) []Item {
	var items []Item
	for _, each := range further {
		for _, one := range each.items {
			items = append(items, Item{Group: each.group, Item: one.item, Title: one.title, Finding: one.judge(evidence)})
		}
	}
	return items
}
