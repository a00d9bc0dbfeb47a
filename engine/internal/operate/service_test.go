package operate

import (
	"testing"

	"avion.internal/migrate/internal/servicetest"
)

const (
	createA, createB, createC = servicetest.CreateA, servicetest.CreateB, servicetest.CreateC
	indexA, seedA             = servicetest.IndexA, servicetest.SeedA
)

// service is a service's folder, in which the operations of this package run.
type service struct{ servicetest.Service[Engine] }

func newService(t *testing.T, files map[string]string) service {
	t.Helper()
	return service{servicetest.New(t, New, files)}
}
