package connection

import "syscall"

// tcpUserTimeout is TCP_USER_TIMEOUT, which package syscall does not name.
const tcpUserTimeout = 18

// limitUnacknowledged is for what keepalive does not see: probes begin only once everything sent is acknowledged.
func limitUnacknowledged(network, _ string, socket syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	return socket.Control(func(descriptor uintptr) {
		// A system that refuses it has its own, longer limit.
		_ = syscall.SetsockoptInt(int(descriptor), syscall.IPPROTO_TCP, tcpUserTimeout, int(unacknowledged.Milliseconds()))
	})
}
