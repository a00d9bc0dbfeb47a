package environment

import (
	"slices"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// SSLMode is one of libpq's TLS modes; a greater one is stronger.
type SSLMode int

// The modes, weakest first. Below SSLRequire the connection may be in clear text.
const (
	SSLDisable SSLMode = iota
	SSLAllow
	SSLPrefer
	SSLRequire
	SSLVerifyCA
	SSLVerifyFull
)

var sslModes = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// ParseSSLMode reads the value of the setting called name.
func ParseSSLMode(name, value string) (SSLMode, error) {
	if position := slices.Index(sslModes, value); position >= 0 {
		return SSLMode(position), nil
	}
	return SSLDisable, failure.Refused("%s is %q: use one of %s", name, value, strings.Join(sslModes, ", "))
}

// String returns libpq's name of the mode.
func (m SSLMode) String() string { return sslModes[m] }
