package connection

import (
	"net/netip"
	"strings"

	"avion.internal/migrate/internal/environment"
	"avion.internal/migrate/internal/failure"
)

func parseHost(name string) (environment.Host, error) {
	if strings.Contains(name, ",") {
		return environment.Host{}, failure.Refused("the database host is %q: a migration runs on exactly one server: "+
			"name one host", name)
	}
	if strings.HasPrefix(name, "/") || strings.HasPrefix(name, "@") {
		return environment.Host{Name: name, Local: true, Socket: true}, nil
	}
	address, err := netip.ParseAddr(name)
	local := strings.EqualFold(name, "localhost") || err == nil && address.Unmap().IsLoopback()
	return environment.Host{Name: name, Local: local}, nil
}
