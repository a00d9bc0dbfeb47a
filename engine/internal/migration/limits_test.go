package migration

import (
	"strings"
	"testing"
	"time"
)

func TestAFileMayAskForLimits(t *testing.T) {
	for line, want := range map[string][2]time.Duration{
		"-- migrate: lock_timeout=10s statement_timeout=1h":                 {10 * time.Second, time.Hour},
		"--migrate:   statement_timeout=90min":                              {0, 90 * time.Minute},
		"-- migrate: lock_timeout=500ms\n-- migrate: statement_timeout=24h": {500 * time.Millisecond, 24 * time.Hour},
	} {
		for _, content := range []string{line + "\n-- +goose Up\nSELECT 1;\n", "-- +goose Up\n" + line + "\nSELECT 1;\n"} {
			script, err := ParseScript(content)
			if err != nil {
				t.Errorf("%q: %s", content, err)
				continue
			}
			for position, limit := range []*time.Duration{script.Limits.Lock, script.Limits.Statement} {
				if want[position] == 0 && limit != nil || want[position] != 0 && (limit == nil || *limit != want[position]) {
					t.Errorf("%q: %v, not %s", content, limit, want[position])
				}
			}
		}
	}
}

func TestWrongLimitsAreRefused(t *testing.T) {
	for line, want := range map[string]string{
		"-- migrate:":                                            "says nothing",
		"-- migrate: work_mem=1GB":                               `does not know "work_mem=1GB"`,
		"-- migrate: LOCK_TIMEOUT=1s":                            "does not know",
		"-- migrate: lock_timeout":                               "whole number with its unit",
		"-- migrate: lock_timeout=10":                            "whole number with its unit",
		"-- migrate: lock_timeout=10m":                           "whole number with its unit",
		"-- migrate: lock_timeout=-1s":                           "whole number with its unit",
		"-- migrate: lock_timeout=0s":                            "longer than nothing",
		"-- migrate: statement_timeout=25h":                      "at most 24h",
		"-- migrate: lock_timeout=1s lock_timeout=2s":            "twice",
		"SELECT 2;\n-- migrate: lock_timeout=1s":                 "move it to the top",
		"SELECT 2;\n-- +goose Down\n-- migrate: lock_timeout=1s": "move it to the top",
	} {
		_, err := ParseScript("-- +goose Up\n" + line + "\nSELECT 1;\n")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", line, err)
		}
	}
}
