package manifest

import (
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

const whole = `apiVersion: batch/v1
kind: Job
metadata:
  name: "avion-auth-migration-${BUILD_NUMBER}"
  labels:
    app.kubernetes.io/name: avion-auth-migration
    app.kubernetes.io/component: migration
    app.kubernetes.io/version: "${VERSION}"
spec:
  # Two statements.
  activeDeadlineSeconds: 1200
  template:
    metadata:
      labels:
        app.kubernetes.io/component: migration
    spec:
      containers:
        - name: migrate
          image: "ghcr.io/avion/avion-auth-migration:${VERSION}"
          args: [up]
          env:
            - {name: ENVIRONMENT, value: production}
            - {name: DB_URL_FILE, value: /run/secrets/db/url}
`

func renderRun(t *testing.T, text string, run Run) (string, error) {
	t.Helper()
	return Job{Path: path, text: text}.RenderRun(Release{Version: "1.20", BuildNumber: "0042"}, run)
}

func TestARunOfProductionThatAppliesEverythingIsTheFileItself(t *testing.T) {
	got, err := renderRun(t, whole, Run{})
	if want := strings.NewReplacer("${VERSION}", "1.20", "${BUILD_NUMBER}", "0042").Replace(whole); err != nil || got != want {
		t.Error(got, err)
	}
}

func TestARunDiffersInWhatItDoes(t *testing.T) {
	got, err := renderRun(t, whole, Run{Component: "baseline", Arguments: []string{"baseline", "00012"}, Environment: "staging", Confirm: `a "b"`})
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`name: "avion-auth-baseline-0042"`, `args: ["baseline", "00012"]`, "{name: ENVIRONMENT, value: staging}",
		`{"name": "CONFIRM", "value": "a \"b\""}`, `app.kubernetes.io/version: "1.20"`, "activeDeadlineSeconds: 1200", "# Two statements.",
	} {
		if strings.Count(got, line) != 1 {
			t.Errorf("no %s in\n%s", line, got)
		}
	}
	if strings.Count(got, "component: baseline") != 2 || !strings.Contains(got, "name: avion-auth-migration\n") {
		t.Error(got)
	}
}

func TestABackfillHasMoreTime(t *testing.T) {
	got, err := renderRun(t, whole, Backfill("numbers"))
	if err != nil || !strings.Contains(got, "activeDeadlineSeconds: 604800") || strings.Contains(got, "Two statements") || !strings.Contains(got, `args: ["backfill", "numbers"]`) {
		t.Error(got, err)
	}
}

func TestAFileThatARunCannotBeMadeOfIsRefused(t *testing.T) {
	run := Run{Component: "status", Arguments: []string{"status"}, Environment: "staging", Confirm: "x", Deadline: "1"}
	for old, each := range map[string]struct{ new, sentence string }{
		"-migration-${BUILD_NUMBER}":             {"-${BUILD_NUMBER}", "does not end with -migration-${BUILD_NUMBER}"},
		"          args: [up]\n":                 {"", "has no args"},
		"  activeDeadlineSeconds: 1200\n":        {"", "has no activeDeadlineSeconds"},
		"{name: ENVIRONMENT, value: production}": {"{name: A, value: b}", "no ENVIRONMENT, which would be staging"},
	} {
		_, err := renderRun(t, strings.Replace(whole, old, each.new, 1), run)
		if failure.CodeOf(err) != failure.CodeRefused || err == nil || !strings.Contains(err.Error(), each.sentence) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", old, err)
		}
	}
}
