package adopt

import (
	"os"
	"path/filepath"
	"regexp"
)

var (
	// secretFile is a file that nobody commits, and address one with a password in it.
	secretFile = regexp.MustCompile(`(^|/)([^/]*\.env(\.(local|production|prod|staging))?|id_(rsa|ed25519|ecdsa)|[^/]*\.(pem|key|p12|pfx))$`)
	borrowed   = regexp.MustCompile(`(^|/)(vendor|node_modules)/`)
	specimen   = regexp.MustCompile(`(?i)(example|sample|template|default|dist|test)[^/]*$`)
	address    = regexp.MustCompile(`postgres(?:ql)?://[^:@/\s"'$<{]+:([^/\s"'$<{%]+)@([^@:/\s"'?]+)`)
	harmless   = regexp.MustCompile(`(?i)^(localhost|127\.0\.0\.1|postgres|db|database|host|example.*|.*\.example(\.com)?)$`)
)

// Secrets finds what must not be in git in a file that git has, and never repeats it.
func (f Folder) Secrets(path string) []Finding {
	if borrowed.MatchString(path) {
		return nil
	}
	if secretFile.MatchString(path) && !specimen.MatchString(path) {
		return []Finding{{Secrets, path, 0, "is in git", "take it out (git rm --cached), and change what it holds: the history keeps it"}}
	}
	about, err := os.Stat(filepath.Join(f.Path, path))
	if err != nil || !about.Mode().IsRegular() || about.Size() > largest || IsOurs(path) {
		return nil
	}
	content, err := os.ReadFile(filepath.Join(f.Path, path))
	if err != nil {
		return nil
	}
	var found []Finding
	for number, line := range numbered(string(content)) {
		if parts := address.FindStringSubmatch(line); parts != nil && !harmless.MatchString(parts[2]) {
			found = append(found, Finding{Secrets, path, number, "holds an address of PostgreSQL with a password",
				"read it from DB_URL or DB_PASSWORD, and change the password: the history keeps it"})
		}
	}
	return found
}
