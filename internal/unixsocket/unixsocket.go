// Package unixsocket takes Unix sockets to listen on.
package unixsocket

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// Listen takes the socket at path in place of one that a dead process left, with
// that mode, and of group gid when that is not negative. It is an error when
// somebody answers there already, or what lies there is no socket of ours. Until it has its mode only the caller's user
// may connect: the umask, 022 or stricter, sees to that.
func Listen(path string, mode os.FileMode, gid int) (*net.UnixListener, error) {
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return nil, fmt.Errorf("listen on %s: another process answers there already", path)
	}
	if errors.Is(err, syscall.ECONNREFUSED) { // so it is with a file that is no socket
		if err := ours(path); err != nil {
			return nil, fmt.Errorf("listen on %s: %w", path, err)
		}
		if err := os.Remove(path); err != nil {
			return nil, fmt.Errorf("listen on %s: remove what a dead process left: %w", path, err)
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	if gid >= 0 { // the group first: the old one must not come by the new one's rights
		err = os.Chown(path, -1, gid)
	}
	if err == nil {
		err = os.Chmod(path, mode)
	}
	if err != nil {
		l.Close()
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return l, nil
}

// MaxPath is what sockaddr_un takes (unix(7)), less its closing NUL, in bytes.
const MaxPath = 107

// ours refuses what a process of this user cannot have left as its socket.
func ours(path string) error {
	info, err := os.Lstat(path)
	switch {
	case err != nil:
		return err
	case info.Mode().Type() != os.ModeSocket:
		return errors.New("there is something that is no socket")
	case int(info.Sys().(*syscall.Stat_t).Uid) != os.Geteuid():
		return errors.New("there is another user's socket")
	}
	return nil
}
