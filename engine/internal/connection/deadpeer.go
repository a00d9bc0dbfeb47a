package connection

import (
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// A cut network tells neither side. Each asks the other for a sign of life after a silence, and takes what it has sent
// for lost when nobody has acknowledged it for long enough, so that both have given up after about ten seconds.
const (
	silence        = 5 * time.Second
	betweenProbes  = 2 * time.Second
	probes         = 3
	unacknowledged = 10 * time.Second
)

// dial connects with the client's half.
func dial(connectTimeout time.Duration) pgconn.DialFunc {
	dialer := &net.Dialer{
		Timeout:         connectTimeout,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence, Interval: betweenProbes, Count: probes},
		Control:         limitUnacknowledged,
	}
	return dialer.DialContext
}

// serverKeepalive is the server's half. A server whose system knows none of it, and one behind a socket, ignores it.
func serverKeepalive() map[string]string {
	seconds := func(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
	return map[string]string{
		"tcp_keepalives_idle":     seconds(silence),
		"tcp_keepalives_interval": seconds(betweenProbes),
		"tcp_keepalives_count":    strconv.Itoa(probes),
		"tcp_user_timeout":        milliseconds(unacknowledged),
	}
}

func (t Target) withKeepalive() Target {
	t.config.DialFunc = dial(t.config.ConnectTimeout)
	if !t.Pooled() { // which answers for itself, and refuses what it does not know
		maps.Copy(t.config.RuntimeParams, serverKeepalive())
	}
	return t
}
