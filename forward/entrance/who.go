package entrance

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Who is whose connection it is: the process that made it, as the kernel knows it from
// that moment (SO_PEERCRED, unix(7)).
type Who struct {
	UID uint32 `json:"uid"`
	PID int32  `json:"pid"`
}

// whose is nil for a connection over TCP.
func whose(conn net.Conn) (*Who, error) {
	local, is := conn.(*net.UnixConn)
	if !is {
		return nil, nil
	}
	raw, err := local.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) { cred, failed = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return nil, err
	}
	if failed != nil {
		return nil, fmt.Errorf("ask the kernel whose connection it is: %w", failed)
	}
	return &Who{cred.Uid, cred.Pid}, nil
}
