// Package tunnel carries connections to a log server through an SSH server:
// in process, over direct-tcpip channels (RFC 4254 §7.2), with no listening
// socket that another user of the host could find.
//
// One Tunnel is one SSH connection, made when first needed, shared by every
// destination that goes through it, and made anew when it broke. Whom it talks
// to is decided by the known-hosts file alone: a server whose key is not there,
// is another one or is revoked hears nothing from us, not even a user name.
package tunnel

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Config is one [[port-forwarding]].
type Config struct {
	Name           string `json:"name"`
	ServerAddress  string `json:"server-address"` // the SSH server, as seen from Via's
	ServerPort     int    `json:"server-port"`    // 22 unless given
	RemoteHost     string `json:"remote-host"`    // as seen from the SSH server
	RemotePort     int    `json:"remote-port"`
	LocalAddress   string `json:"local-address"`   // with LocalPort: the name by which destinations mean this tunnel
	LocalPort      int    `json:"local-port"`      // nothing listens there
	LocalInterface string `json:"local-interface"` // the interface that holds LocalAddress
	User           string `json:"user"`
	IdentityFile   string `json:"identity-file"` // private key, readable by its owner only; the public one with IdentityAgent
	KnownHosts     string `json:"known-hosts"`   // the only authority on host keys

	IdentityAgent   string `json:"identity-agent,omitempty"`   // socket of an SSH agent that holds the key of IdentityFile; empty: the file does
	CertificateFile string `json:"certificate-file,omitempty"` // OpenSSH user certificate for the key; empty: none

	Via *Config `json:"via,omitempty"` // the tunnel that carries the SSH connection; nil: none

	Held []string `json:"held,omitempty"` // what the key files hold, by fingerprint: with other keys it is another tunnel

	Algorithms Algorithms `json:"algorithms"` // Modern's where a list is left out

	// One key protects at most RekeyBytes in each direction, and for RekeyAge:
	// then new keys are agreed on within the connection (RekeyInPlace), or a new
	// connection takes its place and the old one goes when nobody uses it any more.
	RekeyBytes   int64         `json:"rekey-bytes,omitempty"` // 256 MiB; at most MaxRekeyBytes
	RekeyAge     time.Duration `json:"rekey-age,omitempty"`   // 50 min; at most MaxRekeyAge
	RekeyInPlace bool          `json:"rekey-in-place,omitempty"`

	ConnectTimeout    time.Duration `json:"connect-timeout,omitempty"`    // TCP connection and channel opening; 10 s
	HandshakeTimeout  time.Duration `json:"handshake-timeout,omitempty"`  // SSH transport and authentication; 15 s
	KeepaliveInterval time.Duration `json:"keepalive-interval,omitempty"` // between questions to the server; 15 s
	KeepaliveTimeout  time.Duration `json:"keepalive-timeout,omitempty"`  // for an answer, then the connection is dead; 15 s
}

// DefaultPort is an SSH server's.
const DefaultPort = 22

// The bounds of RekeyBytes and RekeyAge. With what queues during an exchange, and
// the time until a connection that cannot be replaced is given up, they stay below
// the 1 GB and the hour of FCS_SSHC_EXT.1.8 and FCS_SSH_EXT.1.8.
const (
	MinRekeyBytes = 1 << 20
	MaxRekeyBytes = 512 << 20
	MinRekeyAge   = time.Second
	MaxRekeyAge   = 55 * time.Minute
)

// withDefaults returns c with every value that was left out filled in.
func (c Config) withDefaults() Config {
	if c.ServerPort == 0 {
		c.ServerPort = DefaultPort
	}
	c.Algorithms = c.Algorithms.withDefaults()
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&c.ConnectTimeout, 10 * time.Second},
		{&c.HandshakeTimeout, 15 * time.Second},
		{&c.KeepaliveInterval, 15 * time.Second},
		{&c.KeepaliveTimeout, 15 * time.Second},
		{&c.RekeyAge, 50 * time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	if c.RekeyBytes == 0 {
		c.RekeyBytes = 256 << 20
	}
	return c
}

// Validate returns every problem of c at once, each naming its key. It looks
// at no file: who may read the keys is decided when they are read.
func (c Config) Validate() error {
	var problems []error
	bad := func(key, format string, args ...any) {
		problems = append(problems, fmt.Errorf("port-forwarding %q: %s: %s", c.Name, key, fmt.Sprintf(format, args...)))
	}
	for _, need := range []struct{ key, value string }{
		{"name", c.Name}, {"server-address", c.ServerAddress}, {"user", c.User},
		{"identity-file", c.IdentityFile}, {"known-hosts", c.KnownHosts},
	} {
		if need.value == "" {
			bad(need.key, "missing")
		}
	}
	for _, port := range []struct {
		key   string
		value int
	}{{"server-port", c.ServerPort}, {"remote-port", c.RemotePort}, {"local-port", c.LocalPort}} {
		if port.value < 0 || port.value > 65535 {
			bad(port.key, "%d is not a port (1 to 65535)", port.value)
		}
	}
	for _, path := range []struct{ key, value string }{{"identity-file", c.IdentityFile}, {"known-hosts", c.KnownHosts}, {"identity-agent", c.IdentityAgent}, {"certificate-file", c.CertificateFile}} {
		if path.value != "" && !strings.HasPrefix(path.value, "/") {
			bad(path.key, "%q is not an absolute path", path.value)
		}
	}
	if c.RemoteHost == "" && c.RemotePort != 0 {
		bad("remote-host", "missing, but remote-port is set")
	}
	if c.LocalAddress == "" && c.LocalPort != 0 {
		bad("local-address", "missing, but local-port is set")
	}
	if b := c.RekeyBytes; b != 0 && (b < MinRekeyBytes || b > MaxRekeyBytes) {
		bad("rekey-bytes", "%d is not between %d and %d", b, MinRekeyBytes, MaxRekeyBytes)
	}
	if a := c.RekeyAge; a != 0 && (a < MinRekeyAge || a > MaxRekeyAge) {
		bad("rekey-age", "%v is not between %v and %v", a, MinRekeyAge, MaxRekeyAge)
	}
	if err := checkInterface(c.LocalInterface, c.LocalAddress); err != nil {
		bad("local-interface", "%v", err)
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"connect-timeout", c.ConnectTimeout}, {"handshake-timeout", c.HandshakeTimeout},
		{"keepalive-interval", c.KeepaliveInterval}, {"keepalive-timeout", c.KeepaliveTimeout},
	} {
		if d.value < 0 {
			bad(d.key, "%v is negative", d.value)
		}
	}
	return errors.Join(problems...)
}

func (c Config) server() string {
	return net.JoinHostPort(c.ServerAddress, strconv.Itoa(c.ServerPort))
}

// checkInterface holds local-interface to what it says: that local-address is
// an address of it. "lo0" is what other systems call the loopback interface.
func checkInterface(name, address string) error {
	if name == "" {
		return nil
	}
	found, err := net.InterfaceByName(name)
	if err != nil && name == "lo0" {
		found, err = net.InterfaceByName("lo")
	}
	if err != nil {
		return fmt.Errorf("no interface %q on this host", name)
	}
	ip := net.ParseIP(address)
	if ip == nil || (ip.IsLoopback() && found.Flags&net.FlagLoopback != 0) {
		return nil
	}
	addrs, err := found.Addrs()
	if err != nil {
		return fmt.Errorf("read the addresses of %q: %w", name, err)
	}
	for _, a := range addrs {
		if own, ok := a.(*net.IPNet); ok && own.IP.Equal(ip) {
			return nil
		}
	}
	return fmt.Errorf("interface %q does not hold local-address %s", name, address)
}
