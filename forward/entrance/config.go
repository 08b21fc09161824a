// Package entrance lets other programs of this host send through a tunnel: it takes
// their connections at a local socket, and carries each both ways over a channel of its
// own (RFC 4254 §7.2) to the tunnel's remote-host and remote-port.
//
// Such a connection is a guest. Whose it is, at a Unix socket, the kernel says; over TCP
// nobody does. The socket is handed over by whoever may take one. The SSH connection is
// there before the first guest and comes back by itself; while it is away guests are
// turned away at once, with the reason on record, and not kept waiting.
package entrance

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"time"

	"auditbridge/forward/tunnel"
)

// Config is one entrance. It crosses the process boundary as JSON.
type Config struct {
	Tunnel tunnel.Config `json:"tunnel"`           // guests are taken to its remote-host and remote-port
	Socket string        `json:"socket,omitempty"` // path of a Unix socket; empty: TCP, at the tunnel's local end
	UIDs   []uint32      `json:"uids,omitempty"`   // who may come to a Unix socket
	Most   int           `json:"most"`             // guests at a time
	Idle   time.Duration `json:"idle,omitempty"`   // how long nothing may pass before a guest has to go; 0: for ever
}

// MostGuests is what Most may be. For each guest that takes nothing the far end can have
// us keep two megabytes, SSH's window.
const MostGuests = 1024

// Name is the forwarding's.
func (c *Config) Name() string { return c.Tunnel.Name }

// Place is where guests come in: unix:/path or address:port.
func (c *Config) Place() string {
	if c.Socket != "" {
		return "unix:" + c.Socket
	}
	return net.JoinHostPort(c.Tunnel.LocalAddress, strconv.Itoa(c.Tunnel.LocalPort))
}

// Validate returns every problem of c at once, each naming its key.
func (c *Config) Validate() error {
	problems := []error{c.Tunnel.Validate()}
	bad := func(key, format string, args ...any) {
		problems = append(problems, fmt.Errorf("port-forwarding %q: %s: %s", c.Name(), key, fmt.Sprintf(format, args...)))
	}
	if c.Tunnel.RemotePort == 0 {
		bad("remote-port", "missing, and other programs are to be taken there")
	}
	if c.Most < 1 || c.Most > MostGuests {
		bad("listen-connections", "%d is not between 1 and %d", c.Most, MostGuests)
	}
	if c.Idle < 0 {
		bad("listen-idle", "%v is negative", c.Idle)
	}
	if c.Socket != "" {
		if !filepath.IsAbs(c.Socket) {
			bad("listen-socket", "%q is not an absolute path", c.Socket)
		}
	} else if err := CheckPort(c.Place()); err != nil {
		bad("local-address", "%v", err)
	}
	return errors.Join(problems...)
}

// CheckPort refuses a TCP address that others than this host's programs could reach, or
// that is none.
func CheckPort(address string) error {
	at, err := netip.ParseAddrPort(address)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no numeric address with a port", address)
	case !at.Addr().Unmap().IsLoopback():
		return fmt.Errorf("%s is not the loopback interface's: other hosts could reach it", at.Addr())
	case at.Port() == 0:
		return errors.New("port 0 is none that could be asked for")
	}
	return nil
}

// renewedInPlace has new keys agreed on within the connection, and so for those below:
// what a guest sends cannot change over to another connection.
func renewedInPlace(c tunnel.Config) tunnel.Config {
	c.RekeyInPlace = true
	if c.Via != nil {
		below := renewedInPlace(*c.Via)
		c.Via = &below
	}
	return c
}
