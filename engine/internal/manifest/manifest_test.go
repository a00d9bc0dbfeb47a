package manifest

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
)

const (
	file = `# A comment may say ${ANYTHING}.
apiVersion: batch/v1
kind: Job
metadata:
  name: "avion-auth-migration-${BUILD_NUMBER}"
  labels:
    app.kubernetes.io/version: "${VERSION}"
spec:
  template:
    spec:
      containers:
        - name: migrate
          image: "ghcr.io/avion/avion-auth-migration:${VERSION}"
          args: [up]
`
	path = "k8s/migrations/auth-migration-job.yaml"
	pin  = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
)

func render(t *testing.T, text, version, buildNumber string) (string, error) {
	t.Helper()
	release, err := NewRelease(version, buildNumber)
	if err != nil {
		return "", err
	}
	return Job{Path: path, text: text}.Render(release)
}

func TestOnlyThePlaceholdersChange(t *testing.T) {
	got, err := render(t, file, "1.20", "0042")
	want := strings.NewReplacer("${VERSION}", "1.20", "${BUILD_NUMBER}", "0042").Replace(file)
	if err != nil || got != want {
		t.Error(got, err)
	}
}

func TestADigestPinsTheImageAndStaysOutOfTheLabel(t *testing.T) {
	got, err := render(t, file, "1.2.3@"+pin, "42")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`image: "ghcr.io/avion/avion-auth-migration:1.2.3@` + pin + `"`,
		`app.kubernetes.io/version: "1.2.3"`,
	} {
		if !strings.Contains(got, line) {
			t.Errorf("no %s in:\n%s", line, got)
		}
	}
}

func TestAValueThatKubernetesWouldRefuseIsRefusedHere(t *testing.T) {
	long := strings.Repeat("a", 64)
	for name, each := range map[string]struct{ version, build, sentence string }{
		"no version":              {"", "42", "VERSION is missing"},
		"build metadata":          {"1.2.3+b5", "42", `tag the image "1.2.3_b5"`},
		"a slash":                 {"feature/abc", "42", `"/" may stand neither`},
		"a blank":                 {"1.2.3 ", "42", `" " may stand neither`},
		"a quote":                 {`1.2"`, "42", "may stand neither"},
		"a line break":            {"1.2.3\n", "42", `"\n" may stand neither`},
		"a letter of elsewhere":   {"１.2.3", "42", "may stand neither"},
		"an invalid byte":         {"1.2\xff", "42", "may stand neither"},
		"a placeholder":           {"${VERSION}", "42", `"$" may stand neither`},
		"a dot at the beginning":  {".1.2.3", "42", "begins and ends with"},
		"a hyphen at the end":     {"1.2.3-", "42", "begins and ends with"},
		"an underscore alone":     {"_", "42", "begins and ends with"},
		"64 characters":           {long, "42", "64 characters long"},
		"129 characters":          {strings.Repeat("a", 129), "42", "129 characters long"},
		"a digest alone":          {pin, "42", "write both"},
		"a digest without a tag":  {"@" + pin, "42", "VERSION is missing"},
		"a digest that is short":  {"1.2.3@sha256:abc", "42", "64 digits"},
		"an empty digest":         {"1.2.3@", "42", "64 digits"},
		"no build number":         {"1.2.3", "", "BUILD_NUMBER is missing"},
		"a word as build number":  {"1.2.3", "latest", "digits only"},
		"a sign":                  {"1.2.3", "-1", "digits only"},
		"digits of elsewhere":     {"1.2.3", "４２", "digits only"},
		"a build number's end":    {"1.2.3", "42\n", "digits only"},
		"an id as a build number": {"1.2.3", "12345678901", "room for 10 digits"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := render(t, file, each.version, each.build)
			if got != "" || failure.CodeOf(err) != failure.CodeRefused || err == nil || !strings.Contains(err.Error(), each.sentence) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestTheLongestValuesPass(t *testing.T) {
	for _, version := range []string{strings.Repeat("a", 63), "1", "v1.2.3-rc.1_x"} {
		if _, err := render(t, file, version, "1234567890"); err != nil {
			t.Error(err)
		}
	}
}

func TestAFileThatWouldGoWrongUnseenIsRefused(t *testing.T) {
	for name, each := range map[string]struct{ old, new, sentence string }{
		"another placeholder": {`args: [up]`, `args: [up, "${REGION}"]`, "line 14: nothing replaces ${REGION}"},
		"a placeholder cut":   {`args: [up]`, `args: [up, "${VERSION"]`, "nothing replaces ${VERSION"},
		"as a key":            {`args: [up]`, `"${REGION}": [up]`, "nothing replaces ${REGION}"},
		"no quotes":           {`version: "${VERSION}"`, `version: ${VERSION}`, `line 7: ${VERSION} stands without quotes`},
		"no build number":     {`-${BUILD_NUMBER}`, ``, `holds no "${BUILD_NUMBER}"`},
		"a long name":         {`avion-auth-migration`, strings.Repeat("a", 61), "64 characters long"},
		"another document":    {`apiVersion: batch/v1`, "kind: ServiceAccount\n---\napiVersion: batch/v1", "is not one YAML document"},
		"another kind":        {`kind: Job`, `kind: CronJob`, `holds a "CronJob"`},
		"no YAML":             {`args: [up]`, `args: [up`, "is not one YAML document"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(file, each.old, each.new, 1)
			if text == file {
				t.Fatal("nothing was replaced")
			}
			_, err := render(t, text, "1.2.3", "42")
			if failure.CodeOf(err) != failure.CodeRefused || err == nil || !strings.Contains(err.Error(), each.sentence) {
				t.Error(err)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestADigestNeedsAnImageToPin(t *testing.T) {
	text := strings.Replace(file, ":${VERSION}", ":1.2.3", 1)
	if _, err := render(t, text, "1.2.3@"+pin, "42"); err == nil || !strings.Contains(err.Error(), "names no image") {
		t.Error(err)
	}
}

func TestTheFileIsFoundWhereTheServiceHasIt(t *testing.T) {
	folder := t.TempDir()
	if _, err := Read(folder); err == nil || !strings.Contains(err.Error(), "run from the service's own folder") {
		t.Error(err)
	}
	write := func(name string) {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(file), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(folder, "k8s/migrations"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(path)
	if job, err := Read(folder); err != nil || job.text != file {
		t.Error(job, err)
	}
	write("k8s/migrations/user-migration-job.yaml")
	if _, err := Read(folder); err == nil || !strings.Contains(err.Error(), "several files") {
		t.Error(err)
	}
}

func TestAFileThatCannotBeReadIsOneSentence(t *testing.T) {
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, path), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(folder); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
}

// The rules as the registry and Kubernetes write them, apart from the code above.
var (
	imageTag      = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	labelValue    = regexp.MustCompile(`^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`)
	kubernetesJob = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

func FuzzWhatPassesIsATagAndALabelAndAName(f *testing.F) {
	f.Add("1.2.3", "42")
	f.Add("1.2.3+b5", "12345678901")
	f.Add("1.2.3@"+pin, "0")
	f.Fuzz(func(t *testing.T, version, buildNumber string) {
		release, err := NewRelease(version, buildNumber)
		if err != nil {
			return
		}
		name := "avion-" + strings.Repeat("a", 36) + "-migration-" + release.BuildNumber
		if !imageTag.MatchString(release.Version) || !labelValue.MatchString(release.Version) || !kubernetesJob.MatchString(name) {
			t.Errorf("%+v", release)
		}
	})
}
