//go:build !linux

package connection

import "syscall"

func limitUnacknowledged(_, _ string, _ syscall.RawConn) error { return nil }
