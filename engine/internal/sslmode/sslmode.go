// Package sslmode orders libpq's TLS modes by strength.
package sslmode

import (
	"slices"
	"strings"

	"avion.internal/migrate/internal/failure"
)

// Mode is one of libpq's TLS modes; a greater Mode is a stronger one.
type Mode int

// The modes, weakest first. Below Require the connection may be in clear text.
const (
	Disable Mode = iota
	Allow
	Prefer
	Require
	VerifyCA
	VerifyFull
)

var names = []string{"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}

// Parse reads the value of the setting called name.
func Parse(name, value string) (Mode, error) {
	if position := slices.Index(names, value); position >= 0 {
		return Mode(position), nil
	}
	return Disable, failure.Refused("%s is %q: use one of %s", name, value, strings.Join(names, ", "))
}

// String returns libpq's name of the mode.
func (m Mode) String() string { return names[m] }
