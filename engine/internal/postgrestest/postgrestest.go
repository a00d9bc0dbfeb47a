// Package postgrestest gives a test a database of its own on the server that MIGRATE_TEST_DATABASE_URL names. No program holds
// it.
//
// May import: sqltext.
package postgrestest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"avion.internal/migrate/internal/sqltext"
)

// Variable holds the address of a superuser on a server whose databases and roles may be created and dropped.
const Variable = "MIGRATE_TEST_DATABASE_URL"

// Database is an empty database with the role that owns it. The role may create databases, and is no superuser.
type Database struct {
	Host, Port           string
	Name, User, Password string
	// admin is a superuser's session in the database, server one elsewhere.
	admin, server *pgx.Conn
	// alone lets a test leave a statement to a timer and go on with the same session.
	alone *sync.Mutex
}

// New creates a database, and drops it after the test. Without the variable the test is skipped.
func New(t *testing.T) Database {
	t.Helper()
	address := os.Getenv(Variable)
	if address == "" {
		t.Skip(Variable + " is not set")
	}
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(Variable + " is not a URL")
	}
	name := strings.ToLower(fmt.Sprintf("migrate_test_%d_%.30s", os.Getpid(), lettersOf(t.Name())))
	database := Database{
		Host: parsed.Hostname(), Port: parsed.Port(), Name: name, User: name, Password: `p@ss:/?#[]%20'"\ $word`,
		alone: &sync.Mutex{},
	}
	if host := parsed.Query().Get("host"); host != "" {
		database.Host = host
	}
	server := connect(t, address)
	drop := func() {
		execute(t, server, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
		execute(t, server, "DROP ROLE IF EXISTS "+name)
	}
	drop()
	execute(t, server, fmt.Sprintf("CREATE ROLE %s LOGIN CREATEDB PASSWORD %s", name, sqltext.Literal(database.Password)))
	execute(t, server, fmt.Sprintf("CREATE DATABASE %s OWNER %s STRATEGY file_copy", name, name))
	parsed.Path = "/" + name
	database.admin, database.server = connect(t, parsed.String()), server
	t.Cleanup(func() {
		database.admin.Close(context.Background())
		drop()
		server.Close(context.Background())
	})
	return database
}

// Elsewhere is the same database with the superuser's session in another one, so that this one can be dropped.
func (d Database) Elsewhere(t *testing.T) Database {
	t.Helper()
	if err := d.admin.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	d.admin = d.server
	return d
}

// Address is the owner's, with these parameters.
func (d Database) Address(query string) string {
	address := url.URL{Scheme: "postgres", User: url.UserPassword(d.User, d.Password), Host: net.JoinHostPort(d.Host, d.Port), Path: d.Name, RawQuery: query}
	return address.String()
}

// Value is the first column of the first row of a query, as text.
func (d Database) Value(t *testing.T, query string) string {
	t.Helper()
	d.alone.Lock()
	defer d.alone.Unlock()
	var value any
	if err := d.admin.QueryRow(context.Background(), query).Scan(&value); err != nil {
		t.Fatalf("%s: %s", query, err)
	}
	return fmt.Sprint(value)
}

// Execute runs SQL as the superuser.
func (d Database) Execute(t *testing.T, statement string) {
	t.Helper()
	d.alone.Lock()
	defer d.alone.Unlock()
	execute(t, d.admin, statement)
}

func connect(t *testing.T, address string) *pgx.Conn {
	t.Helper()
	connection, err := pgx.Connect(context.Background(), address)
	if err != nil {
		t.Fatalf("%s: %s", Variable, err)
	}
	return connection
}

func execute(t *testing.T, connection *pgx.Conn, statement string) {
	t.Helper()
	if _, err := connection.Exec(context.Background(), statement); err != nil {
		t.Fatalf("%s: %s", statement, err)
	}
}

func lettersOf(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, name)
}
