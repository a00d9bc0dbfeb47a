package connection

import (
	"cmp"
	"crypto/x509"
	"os"

	"avion.internal/migrate/internal/config"
	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/failure"
)

// systemRoots is libpq's word for the certificate authorities that the operating system trusts.
const systemRoots = "system"

// transport is how the connection is protected.
type transport struct {
	mode     environment.SSLMode
	rootCert string
	demanded environment.SSLMode
	from     string
}

// decideTransport takes the strongest mode that anybody asked for, and refuses it where the environment demands more.
func decideTransport(settings config.Settings, chosen fields, host environment.Host,
	where environment.Environment, rules environment.Rules) (transport, error) {
	demanded := where.DemandedSSLMode(rules, host)
	asked, from, err := strongestMode(settings, chosen)
	if err != nil {
		return transport{}, err
	}
	setting, origin := from.Name, "from "+from.Origin()
	if setting == "" {
		asked, origin = demanded, "because nothing names another"
	}
	if asked < demanded {
		return transport{}, failure.Refused("%s is %s, but %s on host %q demands at least %s: set DB_SSL_MODE=%s or stronger",
			setting, asked, where, host.Name, demanded, demanded)
	}
	if host.Socket && asked >= environment.SSLRequire {
		return transport{}, failure.Refused("sslmode %s cannot be met: the socket %q carries no TLS: set DB_HOST to the server's name",
			asked, host.Name)
	}
	decided := transport{mode: asked, demanded: demanded, from: origin}
	if asked >= environment.SSLRequire {
		decided.rootCert = cmp.Or(settings.Get(config.DBSSLRootCert).Value, chosen.sslRootCert,
			rules.SSLRootCert, settings.Get(config.PGSSLRootCert).Value)
	}
	return decided, decided.check()
}

func strongestMode(settings config.Settings, chosen fields) (environment.SSLMode, config.Setting, error) {
	var strongest environment.SSLMode
	var from config.Setting
	for _, setting := range []config.Setting{
		settings.Get(config.DBSSLMode),
		{Name: "DB_URL's sslmode", Value: chosen.sslMode},
		{Name: "the service file's sslmode", Value: chosen.serviceSSLMode},
		settings.Get(config.PGSSLMode),
	} {
		if !setting.Present() {
			continue
		}
		mode, err := environment.ParseSSLMode(setting.Name, setting.Value)
		if err != nil {
			return 0, config.Setting{}, err
		}
		if from.Name == "" || mode > strongest {
			strongest, from = mode, setting
		}
	}
	return strongest, from, nil
}

func (t transport) check() error {
	switch {
	case t.rootCert == systemRoots && t.mode != environment.SSLVerifyFull:
		return failure.Refused("the root certificate is %q and sslmode is %s: the system's roots prove a name, "+
			"so they need verify-full: set DB_SSL_MODE=verify-full", systemRoots, t.mode)
	case t.rootCert == systemRoots:
		return nil
	case t.rootCert != "":
		return checkRootCert(t.rootCert)
	case t.mode >= environment.SSLVerifyCA:
		return failure.Refused("sslmode is %s but no root certificate is named: set DB_SSL_ROOT_CERT to its file"+
			" (or to %q with verify-full)", t.mode, systemRoots)
	}
	return nil
}

func checkRootCert(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return failure.Refused("the root certificate %q cannot be read: mount it there, or correct DB_SSL_ROOT_CERT", path)
	}
	if !x509.NewCertPool().AppendCertsFromPEM(content) {
		return failure.Refused("the root certificate %q holds no certificate in PEM form: put the authority's certificate there",
			path)
	}
	return nil
}
