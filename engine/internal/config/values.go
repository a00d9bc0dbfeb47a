package config

import (
	"strconv"
	"time"

	"avion.internal/migrate/internal/failure"
)

// Seconds reads a variable that holds a whole number of seconds between lowest and highest.
func (s Settings) Seconds(name string, fallback, lowest, highest int) (time.Duration, error) {
	setting := s.Get(name)
	if !setting.Present() {
		return time.Duration(fallback) * time.Second, nil
	}
	seconds, err := strconv.Atoi(setting.Value)
	if err != nil || seconds < lowest || seconds > highest {
		return 0, failure.Refused("%s is %q: write a whole number of seconds from %d to %d",
			name, setting.Value, lowest, highest)
	}
	return time.Duration(seconds) * time.Second, nil
}

// Boolean reads a variable that is true or false; not set means false.
func (s Settings) Boolean(name string) (bool, error) {
	setting := s.Get(name)
	if !setting.Present() {
		return false, nil
	}
	value, err := strconv.ParseBool(setting.Value)
	if err != nil {
		return false, failure.Refused("%s is %q: write true or false", name, setting.Value)
	}
	return value, nil
}
