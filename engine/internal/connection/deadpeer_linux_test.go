package connection

import (
	"context"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"avion.internal/migrate/internal/postgrestest"
)

func TestTheClientsHalfIsInForceOnTheSocket(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	connected, err := dial(time.Second)(context.Background(), "tcp", server.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connected.Close()
	raw, err := connected.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	const tcp = syscall.IPPROTO_TCP
	for name, c := range map[string]struct{ level, option, want int }{
		"SO_KEEPALIVE":     {syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		"TCP_KEEPIDLE":     {tcp, syscall.TCP_KEEPIDLE, 5},
		"TCP_KEEPINTVL":    {tcp, syscall.TCP_KEEPINTVL, 2},
		"TCP_KEEPCNT":      {tcp, syscall.TCP_KEEPCNT, 3},
		"TCP_USER_TIMEOUT": {tcp, tcpUserTimeout, 10000},
	} {
		var got int
		if err := raw.Control(func(descriptor uintptr) { got, _ = syscall.GetsockoptInt(int(descriptor), c.level, c.option) }); err != nil {
			t.Fatal(err)
		}
		if got != c.want {
			t.Errorf("%s is %d, not %d", name, got, c.want)
		}
	}
}

func TestTheServersHalfIsInForceInTheSession(t *testing.T) {
	_, session := opened(t, postgrestest.New(t))
	// Whatever a file sets, the session's own values come back.
	if _, err := session.Exec("SET tcp_keepalives_idle = 100; RESET ALL"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3", "tcp_user_timeout": "10000",
	} {
		var got string
		if err := session.QueryRow("SELECT setting FROM pg_settings WHERE name = $1", name).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s is %s, not %s", name, got, want)
		}
	}
}

func TestASocketHasNoPeerThatCouldBeCutOff(t *testing.T) {
	path := fmt.Sprintf("%s/.s.PGSQL.5432", t.TempDir())
	server, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	connected, err := dial(time.Second)(context.Background(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	connected.Close()
}
