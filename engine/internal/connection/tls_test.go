package connection

import (
	"os"
	"path/filepath"
	"testing"

	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/failure"
)

const rules = `database: {name: auth_db, user: auth}
environments:
  development: {ssl_mode: disable, plaintext_hosts: [postgres]}
  test: {ssl_mode: disable, plaintext_hosts: [postgres]}
  staging: {ssl_mode: require}
  production: {ssl_mode: require}
`

func TestTheStrongestModeIsTakenAndAWeakOneRefused(t *testing.T) {
	url := "postgres://u@localhost/d?sslmode="
	for _, c := range []struct {
		given variables
		want  string // a mode, or empty for refused
	}{
		{variables{}, "disable"},
		{variables{"DB_SSL_MODE": "prefer"}, "prefer"},
		{variables{"DB_SSL_MODE": "require"}, "require"},
		{variables{"DB_SSL_MODE": "disable", "PGSSLMODE": "require"}, "require"},
		{variables{"DB_SSL_MODE": "require", "PGSSLMODE": "disable"}, "require"},
		{variables{".DB_SSL_MODE": "disable", "DB_URL": url + "require"}, "require"},
		{variables{"DB_SSL_MODE": "require", "DB_URL": url + "disable"}, "require"},
		{variables{"DB_SSL_MODE": "Require"}, ""},
		{variables{"DB_SSL_MODE": "required"}, ""},
		{variables{"PGSSLMODE": "on"}, ""},
		{variables{"DB_URL": url + "no"}, ""},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "postgres"}, "disable"},
		{variables{"ENVIRONMENT": "ci", "DB_HOST": "postgres"}, "disable"},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "Postgres"}, "require"},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "db"}, "require"},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "db", "DB_SSL_MODE": "prefer"}, ""},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "0.0.0.0", "DB_SSL_MODE": "disable"}, ""},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "127.1", "DB_SSL_MODE": "disable"}, ""},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "localhost.evil", "DB_SSL_MODE": "disable"}, ""},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "127.9.9.9", "DB_SSL_MODE": "disable"}, "disable"},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "::ffff:127.0.0.1", "DB_SSL_MODE": "disable"}, "disable"},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "LOCALHOST", "DB_SSL_MODE": "disable"}, "disable"},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "/run/pg"}, "disable"},
		{variables{"ENVIRONMENT": "dev", "DB_HOST": "/run/pg", "DB_SSL_MODE": "require"}, ""},
		{variables{"ENVIRONMENT": "staging"}, "require"},
		{variables{"ENVIRONMENT": "staging", "DB_SSL_MODE": "allow"}, ""},
		{variables{"ENVIRONMENT": "prod"}, "require"},
		{variables{"ENVIRONMENT": "prod", "DB_HOST": "postgres", "DB_SSL_MODE": "disable"}, ""},
		{variables{"ENVIRONMENT": "prod", "DB_SSL_MODE": "disable"}, ""},
		{variables{"ENVIRONMENT": "prod", "DB_SSL_MODE": "prefer"}, ""},
		{variables{"ENVIRONMENT": "prod", "PGSSLMODE": "allow"}, ""},
		{variables{"ENVIRONMENT": "prod", "DB_URL": url + "disable"}, ""},
		{variables{"ENVIRONMENT": "prod", "DB_HOST": "/run/pg"}, ""},
		{variables{"ENVIRONMENT": "prod", "DB_SSL_MODE": "verify-full", "DB_SSL_ROOT_CERT": "system"}, "verify-full"},
		{variables{"ENVIRONMENT": "prod", "DB_SSL_MODE": "verify-full"}, ""},
		{variables{"ENVIRONMENT": "prod", "DB_SSL_MODE": "verify-ca"}, ""},
		{variables{"ENVIRONMENT": "prod", "DB_SSL_MODE": "verify-ca", "DB_SSL_ROOT_CERT": "system"}, ""},
		{variables{"ENVIRONMENT": "prod", "DB_SSL_ROOT_CERT": "system"}, ""},
		{variables{"ENVIRONMENT": "prod", "DB_SSL_MODE": "verify-full", "DB_SSL_ROOT_CERT": "/nowhere.pem"}, ""},
	} {
		target, err := Resolve(c.given.settings(), project(t, rules))
		switch {
		case c.want == "" && failure.CodeOf(err) != failure.CodeRefused:
			t.Errorf("%v was accepted (%v)", c.given, err)
		case c.want == "" && err == nil:
			t.Errorf("%v was accepted as %s", c.given, target.SSLMode)
		case c.want != "" && (err != nil || target.SSLMode.String() != c.want):
			t.Errorf("%v: %s (%v), not %s", c.given, target.SSLMode, err, c.want)
		}
	}
}

func TestNoFallbackToClearTextFromRequireOn(t *testing.T) {
	for _, mode := range []string{"require", "verify-full"} {
		given := variables{"DB_SSL_MODE": mode}
		if mode == "verify-full" {
			given["DB_SSL_ROOT_CERT"] = "system"
		}
		target, err := Resolve(given.settings(), project(t, rules))
		if err != nil {
			t.Fatal(err)
		}
		if target.config.TLSConfig == nil {
			t.Errorf("%s: clear text", mode)
		}
		for _, fallback := range target.config.Fallbacks {
			if fallback.TLSConfig == nil {
				t.Errorf("%s falls back to clear text", mode)
			}
		}
	}
}

func TestWhereTheRootCertificateComesFrom(t *testing.T) {
	withRoot := rules[:len(rules)-len("{ssl_mode: require}\n")] + "{ssl_mode: verify-full, ssl_root_cert: system}\n"
	target, err := Resolve(variables{"ENVIRONMENT": "prod", "PGSSLROOTCERT": "/nowhere"}.settings(), project(t, withRoot))
	if err != nil || target.SSLMode != environment.SSLVerifyFull {
		t.Errorf("%v (%v)", target.SSLMode, err)
	}
	noCertificate := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(noCertificate, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	given := variables{"ENVIRONMENT": "prod", "DB_SSL_ROOT_CERT": noCertificate}
	if _, err := Resolve(given.settings(), project(t, withRoot)); err == nil {
		t.Error("DB_SSL_ROOT_CERT gave way to .goose.yml")
	}
}
