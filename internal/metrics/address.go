package metrics

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"

	"auditbridge/internal/unixsocket"
)

// Address is where metrics are served: a Unix socket, or a TCP port of the
// loopback interface. The zero Address is nowhere.
type Address struct {
	Network string // "unix" or "tcp"
	Place   string // a path, or address:port
}

// ParseAddress understands "unix:/path" and "127.0.0.1:9464". What would open the
// books to other hosts, or might, is refused.
func ParseAddress(text string) (a Address, err error) {
	if text == "" {
		return a, nil
	}
	if path, is := strings.CutPrefix(text, "unix:"); is {
		if !filepath.IsAbs(path) || strings.ContainsRune(path, 0) {
			return a, fmt.Errorf("%q is not an absolute path", path)
		}
		if len(path) > unixsocket.MaxPath {
			return a, fmt.Errorf("a socket's path has at most %d bytes, this one %d", unixsocket.MaxPath, len(path))
		}
		return Address{"unix", filepath.Clean(path)}, nil
	}
	at, err := netip.ParseAddrPort(text)
	switch {
	case err != nil:
		return a, fmt.Errorf("%q is neither unix:/path nor a numeric address with a port", text)
	case !at.Addr().Unmap().IsLoopback():
		return a, fmt.Errorf("%s is not the loopback interface's: the metrics have no password, so other hosts get none", at.Addr())
	case at.Port() == 0:
		return a, fmt.Errorf("port 0 is none that could be asked")
	}
	return Address{"tcp", at.String()}, nil
}
