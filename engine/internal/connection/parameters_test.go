package connection

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"avion.internal/migrate/internal/failure"
	"avion.internal/migrate/internal/postgrestest"
)

func addressOf(database postgrestest.Database, query string) variables {
	return variables{"ENVIRONMENT": "test", "DB_URL": database.Address(query), "MIGRATION_CONNECT_TIMEOUT": "1"}
}

func TestWhatOtherLibrariesWriteIntoAnAddressDoesNoHarm(t *testing.T) {
	database := postgrestest.New(t)
	for _, query := range []string{
		"keepalives=1&keepalives_idle=30&keepalives_interval=10&keepalives_count=3", "gssencmode=disable", "gssencmode=prefer", "connection_limit=5&pool_timeout=10",
		"pool_max_conns=4", "pgbouncer=false", "fallback_application_name=x", "search_path=app,public", "options=-c%20geqo%3Doff", "tcp_user_timeout=5000", "default_query_exec_mode=exec",
	} {
		if _, err := addressOf(database, query).open(t); err != nil {
			t.Errorf("%s: %s", query, err)
		}
	}
}

func TestAParameterThatTheEngineDoesNotKnowHasItsSentence(t *testing.T) {
	database := postgrestest.New(t)
	for query, words := range map[string]string{
		"schema=app": "search_path", "currentSchema=app": "search_path", "pgbouncer=true": "lock: table", "hostaddr=127.0.0.1": "as the host", "gssencmode=require": "TLS only",
		"ssl=true": "sslmode", "sslcrl=x": "revocation", "requirepeer=postgres": "socket", "client_encoding=LATIN1": "UTF-8", "application_nam=x": `"application_nam", which is a parameter neither`,
	} {
		variables := addressOf(database, query)
		_, err := variables.resolve(t)
		if err == nil {
			_, err = variables.open(t)
		}
		if failure.CodeOf(err) != failure.CodeRefused || err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "PostgreSQL 14") {
			t.Errorf("%s: %v", query, err)
		}
	}
}

func TestEveryFormOfASecretIsTakenOut(t *testing.T) {
	const secret = `p@ss "w'ör\d/ﬁ`
	target, err := variables{"ENVIRONMENT": "test", "DB_HOST": "localhost", "DB_PASSWORD": secret, "PGSSLPASSWORD": "another one"}.resolve(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{
		secret, url.QueryEscape(secret), strings.ToLower(url.QueryEscape(secret)), url.PathEscape(secret), fmt.Sprintf("%q", secret), fmt.Sprintf("%+q", secret),
		strings.ReplaceAll(secret, "'", "''"), `p@ss "w\'ör\\d/ﬁ`, `p@ss \"w'ör\\d/ﬁ`, `p@ss "w'ör\d/fi`, "another one", "another+one",
	} {
		if told := target.Redact("so " + form + " it is"); strings.Contains(told, "ss ") || strings.Contains(told, "ör") || strings.Contains(told, "another") {
			t.Errorf("%s leaves %s", form, told)
		}
	}
}
