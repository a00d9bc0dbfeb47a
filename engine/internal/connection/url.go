package connection

import (
	"net/url"
	"regexp"
	"strings"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
)

// fields are the parts of a connection; an empty one is still open.
type fields struct {
	host, port, database, user, password string

	sslMode, serviceSSLMode, sslRootCert string
	// passwordInURL tells that the value of DB_URL holds the password.
	passwordInURL bool
	// more are libpq parameters that pgx reads by itself.
	more map[string]string
}

var parameterName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)

// parseURL reads DB_URL. No message repeats any part of the value: where a special character is not encoded, nobody
// can tell which part is the password.
func parseURL(setting config.Setting) (fields, error) {
	if !strings.HasPrefix(setting.Value, "postgres://") && !strings.HasPrefix(setting.Value, "postgresql://") {
		return fields{}, failure.Refused("%s does not begin with postgres:// or postgresql://: "+
			"write postgres://user:password@host:port/database", setting.Name)
	}
	parsed, err := url.Parse(setting.Value)
	if err != nil || parsed.Fragment != "" || strings.Contains(parsed.EscapedPath(), "@") || strings.Contains(parsed.RawQuery, "@") {
		return fields{}, failure.Refused("%s cannot be read as an address: percent-encode the special characters in the user and "+
			"the password (@ is %%40, / is %%2F, # is %%23), or use DB_PASSWORD or DB_PASSWORD_FILE, which take any character as it is", setting.Name)
	}
	// libpq takes + for itself, not for a space.
	query, err := url.ParseQuery(strings.ReplaceAll(parsed.RawQuery, "+", "%2B"))
	if err != nil {
		return fields{}, failure.Refused("%s: what follows the question mark cannot be read: write name=value pairs joined by &, "+
			"special characters percent-encoded", setting.Name)
	}
	read := fields{
		host:     parsed.Hostname(),
		port:     parsed.Port(),
		database: strings.TrimPrefix(parsed.Path, "/"),
		user:     parsed.User.Username(),
		more:     map[string]string{},
	}
	read.password, _ = parsed.User.Password()
	for name, values := range query {
		if !parameterName.MatchString(name) {
			return fields{}, failure.Refused("%s: what follows the question mark holds a parameter without a proper name: "+
				"write name=value pairs joined by &", setting.Name)
		}
		read.set(name, values[len(values)-1])
	}
	return read, nil
}

// set stores a libpq parameter in its field.
func (f *fields) set(name, value string) {
	switch name {
	case "host":
		f.host = value
	case "port":
		f.port = value
	case "dbname", "database":
		f.database = value
	case "user":
		f.user = value
	case "password":
		f.password = value
	case "sslmode":
		f.sslMode = value
	case "sslrootcert":
		f.sslRootCert = value
	default:
		f.more[name] = value
	}
}
