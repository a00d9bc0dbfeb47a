package connection

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// kept are the parameters of an address that another program must not be handed: the first name another server or another file
// with passwords, the last is a password.
var kept = []string{"service", "servicefile", "passfile", "sslpassword"}

// URL is the target's address for another program. The password is in it only where it came in DB_URL; from anywhere else it
// stays out of what is printed, and the address names a password file in the folder, which the user alone may read.
func (t Target) URL(folder string) (string, error) {
	query := url.Values{}
	for name, value := range t.parameters {
		if !slices.Contains(kept, name) {
			query.Set(name, value)
		}
	}
	query.Set("sslmode", t.SSLMode.String())
	if t.rootCert != "" {
		query.Set("sslrootcert", absolute(t.rootCert))
	}
	address := url.URL{Scheme: "postgres", User: url.User(t.User), Path: "/" + t.Database}
	port := strconv.Itoa(int(t.config.Port))
	if strings.HasPrefix(t.config.Host, "/") {
		query.Set("host", t.config.Host)
		query.Set("port", port)
	} else {
		address.Host = net.JoinHostPort(t.config.Host, port)
	}
	switch {
	case t.config.Password == "":
	case t.passwordInURL:
		address.User = url.UserPassword(t.User, t.config.Password)
	default:
		path, err := t.writePassfile(folder)
		if err != nil {
			return "", failure.Refused("the password cannot be put into a file of its own (%s): make %s writable, or give the whole address in DB_URL",
				err, folder)
		}
		query.Set("passfile", path)
	}
	// libpq takes + for itself, not for a space.
	address.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return address.String(), nil
}

// Environ is the target for a program of PostgreSQL's own, which finds it in its environment.
func (t Target) Environ() []string {
	environ := []string{
		"PGHOST=" + t.config.Host, "PGPORT=" + strconv.Itoa(int(t.config.Port)), "PGUSER=" + t.User, "PGDATABASE=" + t.Database,
		"PGPASSWORD=" + t.config.Password, "PGSSLMODE=" + t.SSLMode.String(),
	}
	for variable, value := range map[string]string{
		"PGSSLROOTCERT": t.rootCert, "PGSSLCERT": t.parameters["sslcert"], "PGSSLKEY": t.parameters["sslkey"],
	} {
		if value != "" {
			environ = append(environ, variable+"="+value)
		}
	}
	return environ
}

func absolute(path string) string {
	if path == systemRoots {
		return path
	}
	absolute, err := filepath.Abs(path)
	if err != nil {
		return path
	}
	return absolute
}

// writePassfile puts the password where libpq and pgx look for it. A file that is right stays as it is, because go test runs a
// test again that has read a new one; whoever reads an older one meanwhile reads it whole.
func (t Target) writePassfile(folder string) (string, error) {
	sum := sha256.Sum256([]byte(t.Address() + "/" + t.User))
	path := filepath.Join(folder, "testdb-"+hex.EncodeToString(sum[:4])+".pgpass")
	line := "*:*:*:*:" + strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(t.config.Password) + "\n"
	if content, err := os.ReadFile(path); err == nil && string(content) == line {
		return path, os.Chmod(path, 0o600)
	}
	unfinished, err := os.CreateTemp(folder, ".testdb-*")
	if err != nil {
		return "", err
	}
	defer os.Remove(unfinished.Name())
	_, err = unfinished.WriteString(line)
	if err := errors.Join(err, unfinished.Close()); err != nil {
		return "", err
	}
	return path, os.Rename(unfinished.Name(), path)
}
