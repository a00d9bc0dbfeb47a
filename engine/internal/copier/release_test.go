package copier

import "testing"

func TestTheAddressIsTheOneThatCopierFetches(t *testing.T) {
	for from, want := range map[string]string{
		"gh:org/avion-migration-template":              "https://github.com/org/avion-migration-template.git",
		"gh:org/avion-migration-template.git":          "https://github.com/org/avion-migration-template.git",
		"gl:org/group/template":                        "https://gitlab.com/org/group/template.git",
		"https://git.example.org/template":             "https://git.example.org/template",
		"git+https://git.example.org/template":         "https://git.example.org/template",
		"git@git.example.org:org/template.git":         "git@git.example.org:org/template.git",
		"https://user:secret@git.example.org/template": "",
		"../template":           "",
		"--upload-pack=touch x": "",
	} {
		if got := (Answers{Source: from}).URL(); got != want {
			t.Errorf("%q: %q, not %q", from, got, want)
		}
	}
}

func TestOnlyNewerReleasesCount(t *testing.T) {
	tags := []string{"v1.10.0", "v1.2.0", "v1.9.0", "v2.0.0-rc.1", "nightly", "1.2.1"}
	for commit, want := range map[string]int{"v1.2.0": 3, "v1.9.0": 1, "v1.10.0": 0, "v3.0.0": 0} {
		if newest, behind := (Answers{Commit: commit}).Behind(tags); newest != "v1.10.0" || behind != want {
			t.Errorf("%s: %q, %d, not %d", commit, newest, behind, want)
		}
	}
	if newest, behind := (Answers{Commit: "v1.0.0"}).Behind([]string{"nightly"}); newest != "" || behind != 0 {
		t.Error(newest, behind)
	}
}
