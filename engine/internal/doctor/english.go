package doctor

import "cmp"

// english are the checklist's groups and items in the language of everything else that is printed; what somebody has added to the
// list keeps its words.
var english = struct{ groups, items map[string]string }{
	groups: map[string]string{
		"初期セットアップ":  "Initial set-up",
		"CI/CD設定":   "CI/CD",
		"ドキュメント":    "Documents",
		"サービス固有の作業": "Work specific to this service",
	},
	items: map[string]string{
		"directories":            "Create the directory structure",
		"goose-yml":              "Put .goose.yml in place",
		"targets":                "Add the migration tasks to the Makefile",
		"env-example":            "Create .env.example",
		"compose":                "Update docker-compose.yml",
		"first-migration":        "Create the initial migration file",
		"env":                    "Create `.env`",
		"gitignore":              "Check `.gitignore`",
		"own-makefile":           "Connect a Makefile that was there before",
		"own-compose":            "Connect a docker-compose.yml that was there before",
		"review-first-migration": "Review the initial migration",
		"workflow":               "Create the GitHub Actions workflow",
		"job":                    "Create the Kubernetes Job manifest",
		"alerts":                 "Set up the monitoring alerts",
		"required-check":         "Require the workflow's check",
		"roles":                  "Create the production database and its roles",
		"secret":                 "Create the secret and the ConfigMap",
		"ca-certificate":         "Create the ConfigMap with the CA certificate",
		"apply-access":           "Apply the Job's service account and network policy to the cluster",
		"pipeline":               "Run the Job from the deployment pipeline",
		"cronjobs":               "Apply the CronJobs of the maintenance from the deployment pipeline",
		"apply-alerts":           "Apply the alerts to the cluster",
		"readme":                 "Add the migration steps to README.md",
		"contributing":           "Add the guide to writing migrations to CONTRIBUTING.md",
		"troubleshooting":        "Create the troubleshooting guide",
		"own-documents":          "Link a README.md and a CONTRIBUTING.md that were there before",
		"considerations":         "Review the considerations specific to this service",
		"session-cleanup":        "Have expired sessions deleted",
		"password-rehash":        "Review how passwords are hashed",
		"audit-retention":        "Decide how long the audit log is kept",
		"redis-sync":             "Start keeping Redis in agreement",
		"redis-sync-alerts":      "Apply the alerts on Redis to the cluster",
		"staged-move":            "Review the staged moves that are under way",
		"index-report":           "Look at the report of the indexes once a quarter",
	},
}

// inEnglish is an item whose group and title are in the language of its evidence.
func (i Item) inEnglish() Item {
	i.Group, i.Title = cmp.Or(english.groups[i.Group], i.Group), cmp.Or(english.items[i.Item], i.Title)
	return i
}
