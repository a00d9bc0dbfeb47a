package manifest

import (
	"regexp"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// Release is what a pipeline knows and the file cannot: which image to run, and which run of the pipeline asks for it.
type Release struct {
	// Version is the tag of the image, and the label that tells which release ran.
	Version string
	// Digest pins the image, as in sha256:…, or is empty.
	Digest string
	// BuildNumber makes the Job's name a new one.
	BuildNumber string
}

const (
	longestLabel       = 63
	longestBuildNumber = 10
)

var (
	label   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`)
	digest  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	illegal = regexp.MustCompile(`[^A-Za-z0-9_.-]`)
	number  = regexp.MustCompile(`^[0-9]+$`)
)

// NewRelease checks the values; version may end in the digest of its image, as in 1.2.3@sha256:….
func NewRelease(version, buildNumber string) (Release, error) {
	release, err := NewVersion(version)
	if err != nil {
		return Release{}, err
	}
	release.BuildNumber = buildNumber
	return release, checkBuildNumber(buildNumber)
}

// NewVersion checks a version, for what is not made anew by every run of the pipeline.
func NewVersion(version string) (Release, error) {
	tag, pin, pinned := strings.Cut(version, "@")
	if err := checkVersion(tag); err != nil {
		return Release{}, err
	}
	if pinned && !digest.MatchString(pin) {
		return Release{}, failure.Refused("VERSION ends in %q, but a digest is sha256: and 64 digits from 0 to f: "+
			"copy what the registry answered to the push", "@"+pin)
	}
	return Release{Version: tag, Digest: pin}, nil
}

// checkVersion holds a version to the rules of a label, which are stricter than those of an image's tag.
func checkVersion(version string) error {
	switch {
	case version == "":
		return failure.Refused("VERSION is missing: name the tag of the migration image, as in VERSION=1.2.3")
	case strings.HasPrefix(version, "sha256:"):
		return failure.Refused("VERSION is a digest alone, but people read the version in the Job's labels: " +
			"write both, as in VERSION=1.2.3@sha256:…")
	case strings.Contains(version, "+"):
		return failure.Refused("VERSION is %q, but neither an image's tag nor a label may hold +: tag the image %q and use that",
			version, strings.ReplaceAll(version, "+", "_"))
	case illegal.MatchString(version):
		return failure.Refused("VERSION is %q, but %q may stand neither in an image's tag nor in a label: "+
			"use letters, digits, hyphen, dot and underscore", version, illegal.FindString(version))
	case !label.MatchString(version):
		return failure.Refused("VERSION is %q, but a label begins and ends with a letter or digit: "+
			"use a version such as 1.2.3", version)
	case len(version) > longestLabel:
		return failure.Refused("VERSION is %q, %d characters long, but a label has at most %d: use a shorter tag",
			version, len(version), longestLabel)
	}
	return nil
}

func checkBuildNumber(value string) error {
	switch {
	case value == "":
		return failure.Refused("BUILD_NUMBER is missing: give the number of this run of the pipeline, as in BUILD_NUMBER=42")
	case !number.MatchString(value):
		return failure.Refused("BUILD_NUMBER is %q, but it is digits only, by which the alerts know the Job: "+
			"use the number of this run of the pipeline", value)
	case len(value) > longestBuildNumber:
		return failure.Refused("BUILD_NUMBER is %q, but the Job's name has room for %d digits: "+
			"use the number of the run, as in GITHUB_RUN_NUMBER, and not its id", value, longestBuildNumber)
	}
	return nil
}
