package connection

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/jackc/pgservicefile"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/failure"
)

// readFields decides every part of the connection. One DB_* variable gives way to DB_URL unless it comes from a
// stronger source; what both leave open comes from PGSERVICE, then from PG*, then from .goose.yml.
func readFields(settings config.Settings, defaults config.Database) (fields, error) {
	urlSetting, err := Secret(settings, config.DBURL)
	if err != nil {
		return fields{}, err
	}
	passwordSetting, err := Secret(settings, config.DBPassword)
	if err != nil {
		return fields{}, err
	}
	fromURL := fields{more: map[string]string{}}
	if urlSetting.Present() {
		if fromURL, err = parseURL(urlSetting); err != nil {
			return fields{}, err
		}
	}
	for variable, parameter := range passedOn {
		if value := settings.Get(variable).Value; value != "" && fromURL.more[parameter] == "" {
			fromURL.more[parameter] = value
		}
	}
	service, err := readService(fromURL.more)
	if err != nil {
		return fields{}, err
	}
	choose := func(single config.Setting, inURL string) string {
		if single.Source > urlSetting.Source {
			return single.Value
		}
		return cmp.Or(inURL, single.Value)
	}
	chosen := fields{
		host:     cmp.Or(choose(settings.Get(config.DBHost), fromURL.host), service["host"], settings.Get(config.PGHost).Value, config.DBHost.Default),
		port:     cmp.Or(choose(settings.Get(config.DBPort), fromURL.port), service["port"], settings.Get(config.PGPort).Value, config.DBPort.Default),
		database: cmp.Or(choose(settings.Get(config.DBName), fromURL.database), service["dbname"], settings.Get(config.PGDatabase).Value, defaults.Name),
		user:     cmp.Or(choose(settings.Get(config.DBUser), fromURL.user), service["user"], settings.Get(config.PGUser).Value, defaults.User),
		password: cmp.Or(choose(passwordSetting, fromURL.password), service["password"], settings.Get(config.PGPassword).Value),
		sslMode:  fromURL.sslMode, sslRootCert: cmp.Or(fromURL.sslRootCert, service["sslrootcert"]),
		serviceSSLMode: service["sslmode"], more: fromURL.more,
	}
	chosen.passwordInURL = urlSetting.Name == config.DBURL.Name && chosen.password == fromURL.password
	if chosen.password == "" {
		chosen.password, err = passwordFromFile(chosen)
	}
	if err != nil {
		return fields{}, err
	}
	return chosen, chosen.check()
}

// Given is the setting by which somebody asks for a database, without its value; it is not there where only the defaults
// of .goose.yml are left.
func Given(settings config.Settings) config.Setting {
	for _, variable := range []config.Variable{
		config.DBURL.Variable, config.DBURL.File, config.DBHost, config.DBPort, config.DBName, config.DBUser,
		config.DBPassword.Variable, config.DBPassword.File,
		config.PGService, config.PGHost, config.PGDatabase, config.PGUser, config.PGPassword, config.PGPassFile,
	} {
		if setting := settings.Get(variable); setting.Present() {
			setting.Value = "given"
			return setting
		}
	}
	return config.Setting{}
}

// passedOn are the PG* variables that pgx reads from the environment but would not find in .env.
var passedOn = map[config.Variable]string{
	config.PGPassFile:       "passfile",
	config.PGService:        "service",
	config.PGServiceFile:    "servicefile",
	config.PGSSLCert:        "sslcert",
	config.PGSSLKey:         "sslkey",
	config.PGRequireAuth:    "require_auth",
	config.PGChannelBinding: "channel_binding",
}

func (f fields) check() error {
	for name, value := range map[string]string{"DB_HOST": f.host, "DB_NAME": f.database, "DB_USER": f.user} {
		if strings.Contains(value, "://") {
			return failure.Refused("%s holds a whole address: give it as DB_URL, or name only this part of it", name)
		}
	}
	if f.database == "" {
		return failure.Refused("no database is named: set DB_NAME, or database.name in %s", config.ProjectFile)
	}
	if f.user == "" {
		return failure.Refused("no database user is named: set DB_USER, or database.user in %s", config.ProjectFile)
	}
	if strings.Contains(f.host, ",") {
		return failure.Refused("the database host is %q: a migration runs on exactly one server: name one host", f.host)
	}
	return nil
}

func readService(parameters map[string]string) (map[string]string, error) {
	name := parameters["service"]
	if name == "" {
		return nil, nil
	}
	home, _ := os.UserHomeDir()
	path := cmp.Or(parameters["servicefile"], filepath.Join(home, ".pg_service.conf"))
	file, err := pgservicefile.ReadServicefile(path)
	if err != nil {
		return nil, failure.Refused("PGSERVICE is %q, and its file %q cannot be read: correct PGSERVICEFILE, or unset PGSERVICE",
			name, path)
	}
	service, err := file.GetService(name)
	if err != nil {
		return nil, failure.Refused("PGSERVICE is %q, which %q does not hold: correct PGSERVICE, or add the service",
			name, path)
	}
	return service.Settings, nil
}
