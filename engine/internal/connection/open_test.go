package connection

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/postgrestest"
)

func access(database postgrestest.Database) variables {
	return variables{
		"ENVIRONMENT": "test", "DB_HOST": database.Host, "DB_PORT": database.Port,
		"DB_NAME": database.Name, "DB_USER": database.User, "DB_PASSWORD": database.Password, "MIGRATION_CONNECT_TIMEOUT": "1",
	}
}

// with is a copy with one variable changed.
func (v variables) with(name, value string) variables {
	changed := variables{name: value}
	for other, unchanged := range v {
		if other != name {
			changed[other] = unchanged
		}
	}
	return changed
}

func (v variables) open(t *testing.T) (string, error) {
	t.Helper()
	target, err := v.resolve(t)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	session, err := target.Open(context.Background(), func(format string, values ...any) { fmt.Fprintf(&said, format+"\n", values...) })
	if err == nil {
		session.Close()
	}
	return said.String(), err
}

func TestAServerThatRefusesIsNotWaitedFor(t *testing.T) {
	given := access(postgrestest.New(t))
	for want, spoiled := range map[string]variables{
		"refused user":    given.with("DB_PASSWORD", "not hunter2"),
		"has no database": given.with("DB_NAME", "nowhere_at_all"),
		"refused user \"": given.with("DB_USER", "nobody_at_all"),
	} {
		said, err := spoiled.open(t)
		if failure.CodeOf(err) != failure.CodeUnreachable || !strings.Contains(err.Error(), want) || said != "" {
			t.Errorf("%s: %v, said %q", want, err, said)
		} else if strings.Contains(err.Error(), spoiled["DB_PASSWORD"]) {
			t.Errorf("the password is in %q", err)
		}
	}
}

func TestAPasswordOfCompatibilityCharactersIsTakenAsLibpqTakesIt(t *testing.T) {
	database := postgrestest.New(t)
	for _, password := range []string{"ｆｕｌｌｗｉｄｔｈ", "ﬁ", "パスワード", "e\u0301"} {
		database.Execute(t, fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'", database.User, password))
		if _, err := access(database).with("DB_PASSWORD", password).open(t); err != nil {
			t.Errorf("%q: %s", password, err)
		}
	}
}

func TestAServerThatIsNotThereIsWaitedFor(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(closed.Addr().String())
	closed.Close()
	started := time.Now()
	said, err := variables{"ENVIRONMENT": "test", "DB_PORT": port, "DB_HOST": "127.0.0.1", "MIGRATION_CONNECT_TIMEOUT": "1"}.open(t)
	if failure.CodeOf(err) != failure.CodeUnreachable || !strings.Contains(err.Error(), "connection refused") {
		t.Error(err)
	}
	if strings.Count(said, "waiting up to 1s") != 1 || time.Since(started) > 3*time.Second {
		t.Errorf("said %q in %s", said, time.Since(started))
	}
}

func TestAServerThatNeverAnswersIsGivenUp(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	_, port, _ := net.SplitHostPort(silent.Addr().String())
	_, err = variables{"ENVIRONMENT": "test", "DB_PORT": port, "DB_HOST": "127.0.0.1", "MIGRATION_CONNECT_TIMEOUT": "0"}.open(t)
	if failure.CodeOf(err) != failure.CodeUnreachable || !strings.Contains(err.Error(), "no answer") {
		t.Error(err)
	}
}

func TestACertificateOfAnotherAuthorityIsRefused(t *testing.T) {
	database := postgrestest.New(t)
	if database.Value(t, "SHOW ssl") != "on" {
		t.Skip("the server has no TLS")
	}
	given := access(database).with("DB_SSL_MODE", "verify-ca").with("DB_SSL_ROOT_CERT", authority(t))
	said, err := given.open(t)
	if failure.CodeOf(err) != failure.CodeUnreachable || !strings.Contains(err.Error(), "no TLS with") || said != "" {
		t.Errorf("%v, said %q", err, said)
	}
	if _, err := given.with("DB_SSL_MODE", "require").open(t); failure.CodeOf(err) != failure.CodeUnreachable {
		t.Errorf("require with a root certificate: %v", err)
	}
	if _, err := access(database).with("DB_SSL_MODE", "require").open(t); err != nil {
		t.Error(err)
	}
}

func TestALostSessionIsNotReplaced(t *testing.T) {
	database := postgrestest.New(t)
	target, err := access(database).resolve(t)
	if err != nil {
		t.Fatal(err)
	}
	session, err := target.Open(context.Background(), func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	var pid int
	if err := session.QueryRow("SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	database.Execute(t, fmt.Sprintf("SELECT pg_terminate_backend(%d, 5000)", pid))
	for range 3 {
		if err := session.QueryRow("SELECT pg_backend_pid()").Scan(&pid); err == nil {
			t.Fatal("another session took its place")
		}
	}
	if _, err := session.Exec("SELECT 1"); failure.CodeOf(err) != failure.CodeUnreachable {
		t.Error(err)
	}
}

// authority writes the certificate of an authority that no server has heard of.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "nobody"}, IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour),
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	content := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
