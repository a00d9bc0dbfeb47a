// Package environment is the only place that knows the environments: their names, what is allowed in which, and how strong TLS
// must be. It reads no file and no variable.
//
// May import: failure.
package environment

import (
	"net/netip"
	"slices"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// Environment is where a database lives.
type Environment string

// The four environments.
const (
	Development Environment = "development"
	Test        Environment = "test"
	Staging     Environment = "staging"
	Production  Environment = "production"
)

var aliases = map[string]Environment{
	"development": Development, "dev": Development, "local": Development,
	"test": Test, "testing": Test, "ci": Test,
	"staging": Staging, "stage": Staging, "stg": Staging,
	"production": Production, "prod": Production, "prd": Production, "live": Production,
}

// Parse reads the value of ENVIRONMENT. Whatever it does not know is refused: guessing would turn a typing mistake
// in production into development.
func Parse(value string) (Environment, error) {
	if environment, known := aliases[strings.ToLower(value)]; known {
		return environment, nil
	}
	return "", failure.Refused(
		"ENVIRONMENT is %q: use development, test, staging or production "+
			"(dev, local, testing, ci, stage, stg, prod, prd and live are understood)", value)
}

// ParseKey reads a key of `environments:` in .goose.yml, where only the four full names are known.
func ParseKey(key string) (Environment, error) {
	all := []Environment{Development, Test, Staging, Production}
	if slices.Contains(all, Environment(key)) {
		return Environment(key), nil
	}
	return "", failure.Refused(".goose.yml: environments.%s: "+
		"use development, test, staging or production", key)
}

// Host is the database server as the environment's rules see it.
type Host struct {
	Name   string
	Local  bool // a loopback address or a socket
	Socket bool
}

// NewHost reads a name: of a socket, which begins with / or @, or of a machine.
func NewHost(name string) Host {
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "@") {
		return Host{Name: name, Local: true, Socket: true}
	}
	address, err := netip.ParseAddr(name)
	return Host{Name: name, Local: strings.EqualFold(name, "localhost") || err == nil && address.Unmap().IsLoopback()}
}

// Infer answers for an ENVIRONMENT that is not set: only a database on this machine is taken to be development.
func Infer(host Host) (Environment, error) {
	if host.Local {
		return Development, nil
	}
	return "", failure.Refused("ENVIRONMENT is not set and the database host %q is not this machine: "+
		"set ENVIRONMENT to development, test, staging or production", host.Name)
}

// Rules are what .goose.yml adds for one environment.
type Rules struct {
	SSLMode        SSLMode
	SSLRootCert    string
	PlaintextHosts []string
}

// WeakestSSLMode is the weakest TLS mode that .goose.yml may name.
func (e Environment) WeakestSSLMode() SSLMode {
	if e == Production {
		return SSLRequire
	}
	return SSLDisable
}

// Check refuses rules that the environment does not allow.
func (e Environment) Check(rules Rules) error {
	if weakest := e.WeakestSSLMode(); rules.SSLMode < weakest {
		return failure.Refused(".goose.yml: environments.%s.ssl_mode is %s: %s needs at least %s: name that or a stronger one",
			e, rules.SSLMode, e, weakest)
	}
	if len(rules.PlaintextHosts) > 0 && !e.Disposable() {
		return failure.Refused(".goose.yml: environments.%s.plaintext_hosts: "+
			"only development and test may name hosts that are reached without TLS: remove the key", e)
	}
	return nil
}

// CheckNotWeaker refuses rules that let production do with weaker TLS than the branch that they are to be merged to.
func (e Environment) CheckNotWeaker(rules, merged Rules, base string) error {
	before, now := max(merged.SSLMode, e.WeakestSSLMode()), max(rules.SSLMode, e.WeakestSSLMode())
	if e != Production || now >= before {
		return nil
	}
	return failure.Refused(".goose.yml: environments.%s.ssl_mode is %s, but %s demands %s, and a merge must not weaken %s: "+
		"name %s or a stronger one", e, now, base, before, e, before)
}

// DemandedSSLMode is the weakest TLS mode that is acceptable for a host.
func (e Environment) DemandedSSLMode(rules Rules, host Host) SSLMode {
	demanded := max(rules.SSLMode, e.WeakestSSLMode())
	if host.Local || e.Disposable() && slices.Contains(rules.PlaintextHosts, host.Name) {
		return demanded
	}
	return max(demanded, SSLRequire)
}

// CheckDisposable refuses an operation that destroys or invents data, everywhere but in development and test.
func (e Environment) CheckDisposable(operation string) error {
	if e.Disposable() {
		return nil
	}
	return failure.Refused("%s is not allowed in %s: it runs only where ENVIRONMENT is development or test: "+
		"see which database this is (make migrate-ping)", operation, e)
}

// Disposable tells whether the data may be lost: nobody but its developers uses it.
func (e Environment) Disposable() bool { return e == Development || e == Test }

// NeedsConsent tells whether rolling back takes an explicit CONFIRM.
func (e Environment) NeedsConsent() bool { return e == Production }

// Stricter is the one that protects more: the environment that is set, or the one that the database is marked with. A
// mark that nobody knows could have been production.
func (e Environment) Stricter(marker string) (Environment, error) {
	marked := Environment(marker)
	if _, known := strictness[marked]; marker != "" && !known {
		return "", failure.Refused("the database is marked as %q, which is no environment: mark it as development, test, "+
			"staging or production: ENVIRONMENT=<environment> CONFIRM=<database> tools/migrate/bin/migrate mark", marker)
	}
	if strictness[marked] > strictness[e] {
		return marked, nil
	}
	return e, nil
}

// Outranks tells whether the environment protects more than the one that the database is marked with.
func (e Environment) Outranks(marker string) bool {
	return marker != "" && strictness[e] > strictness[Environment(marker)]
}

var strictness = map[Environment]int{Development: 0, Test: 0, Staging: 1, Production: 2}
