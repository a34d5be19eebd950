package server

import (
	"net"
	"syscall"
)

// peer is the id of the process that listens at the other end of a socket; 0 is
// unknown.
func peer(c net.Conn) int {
	u, ok := c.(*net.UnixConn)
	if !ok {
		return 0
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0
	}
	id := 0
	err = raw.Control(func(fd uintptr) {
		if who, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			id = int(who.Pid)
		}
	})
	if err != nil {
		return 0
	}
	return id
}
