package tlslink

import (
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
)

// Carrier is the connection that TLS is spoken over.
type Carrier interface {
	net.Conn
	CloseWrite() error
	// Reached is how many of the bytes written are known to have come to the
	// far host. It does not block and may lag.
	Reached() uint64
}

// Conn is a TLS connection to a server that is believed.
type Conn struct {
	*tls.Conn
	carrier *counted
	cfg     *Config
	session Session
	asked   bool        // the server asked for a certificate of ours, and there is none
	left    atomic.Bool // we took leave

	mu      sync.Mutex
	written uint64 // bytes of ours
	reached uint64 // of these
	marks   []mark // of what is written and not known to have arrived
}

// mark ties a place in what we write to the place in what TLS made of it.
type mark struct{ ours, sealed uint64 }

// counted counts what TLS writes.
type counted struct {
	Carrier
	written atomic.Uint64
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.Carrier.Write(p)
	c.written.Add(uint64(n))
	return n, err
}

// Session says what was agreed on, and with whom.
type Session struct {
	Version   string `json:"version"` // TLS 1.3
	Cipher    string `json:"cipher"`
	Server    *ID    `json:"server,omitempty"`
	Own       *ID    `json:"own,omitempty"`       // our certificate, where the server asked for one
	Expiring  *ID    `json:"expiring,omitempty"`  // of the server's and those that it comes from, the one that expires first
	Unchecked string `json:"unchecked,omitempty"` // what of the server's certificate was not checked: "certificate", "name" or "revocation"
	Reason    string `json:"reason,omitempty"`    // why it could not be
}

// Session returns what was agreed on.
func (c *Conn) Session() Session { return c.session }

// Write seals p and writes it.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written += uint64(n)
	c.marks = append(c.marks, mark{c.written, c.carrier.written.Load()})
	return n, err
}

// Reached is how many of the bytes of ours are known to have come to the far
// host: those of writes whose sealed bytes all have.
func (c *Conn) Reached() uint64 {
	sealed := c.carrier.Reached()
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for n < len(c.marks) && c.marks[n].sealed <= sealed {
		c.reached = c.marks[n].ours
		n++
	}
	c.marks = append(c.marks[:0], c.marks[n:]...)
	return c.reached
}

// Read reads what the server sends. io.EOF means that it closed: rsyslog says no
// close_notify, so a bare end of the connection between two records is one, too.
// In TLS 1.3 it is here that a server says that it does not take our certificate,
// if it says so at all.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	var fromPeer *net.OpError
	switch {
	case err == nil:
	case errors.As(err, &fromPeer) && fromPeer.Op == "remote error" || c.asked && !c.left.Load() && ended(err):
		err = c.cfg.unasked(c.asked, c.cfg.meaning(err))
	}
	return n, err
}

// CloseWrite takes leave: close_notify, then the carrier's own end.
func (c *Conn) CloseWrite() error {
	c.left.Store(true)
	if err := c.Conn.CloseWrite(); err != nil {
		return err
	}
	return c.carrier.CloseWrite()
}
