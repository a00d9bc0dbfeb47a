package config

import (
	"strconv"
	"time"

	"avion.internal/migrate/internal/failure"
)

// Seconds reads a variable that holds a whole number of seconds within its limits.
func (s Settings) Seconds(variable SecondsVariable) (time.Duration, error) {
	setting := s.Named(variable.Name)
	if !setting.Present() {
		return time.Duration(variable.fallback()) * time.Second, nil
	}
	seconds, err := strconv.Atoi(setting.Value)
	if err != nil || seconds < variable.Limits.Lowest || seconds > variable.Limits.Highest {
		return 0, failure.Refused("%s is %q: write a whole number of seconds from %d to %d",
			variable.Name, setting.Value, variable.Limits.Lowest, variable.Limits.Highest)
	}
	return time.Duration(seconds) * time.Second, nil
}

// Boolean reads a variable that is true or false; not set means false.
func (s Settings) Boolean(variable Variable) (bool, error) {
	setting := s.Get(variable)
	if !setting.Present() {
		return false, nil
	}
	value, err := strconv.ParseBool(setting.Value)
	if err != nil {
		return false, failure.Refused("%s is %q: write true or false", variable.Name, setting.Value)
	}
	return value, nil
}
