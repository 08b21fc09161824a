package forward

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"auditbridge/forward/tlslink"
	"auditbridge/forward/tunnel"

	"golang.org/x/sys/unix"
)

// Conn is a connection to a destination.
type Conn interface {
	net.Conn
	CloseWrite() error
	// Reached is how many of the bytes written are known to have come to the
	// far host. It does not block and may lag.
	Reached() uint64
}

// Dialer connects to a destination.
type Dialer interface {
	Dial(ctx context.Context) (Conn, error)
}

// renewing is a Dialer whose connections should be replaced now and then, though
// nothing is wrong with them.
type renewing interface {
	// Renewal is closed when connections dialled before it was asked for should
	// be replaced.
	Renewal() <-chan struct{}
}

// renewal is when what d dials next should be replaced; never, for most.
func renewal(d Dialer) <-chan struct{} {
	if r, ok := d.(renewing); ok {
		return r.Renewal()
	}
	return nil
}

// direct dials plain TCP.
type direct struct{ cfg Config }

// Dial implements Dialer.
func (d direct) Dial(ctx context.Context) (Conn, error) {
	dialer := net.Dialer{Timeout: d.cfg.ConnectTimeout, Control: func(_, _ string, raw syscall.RawConn) error {
		var err error
		if e := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(d.cfg.WriteTimeout.Milliseconds()))
		}); e != nil {
			return e
		}
		return err
	}}
	conn, err := dialer.DialContext(ctx, "tcp", d.cfg.endpoint())
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", d.cfg.endpoint(), err)
	}
	tcp := conn.(*net.TCPConn)
	tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3})
	raw, err := tcp.SyscallConn()
	if err != nil {
		tcp.Close()
		return nil, fmt.Errorf("connect to %s: %w", d.cfg.endpoint(), err)
	}
	return &tcpConn{TCPConn: tcp, raw: raw}, nil
}

// tcpConn knows what the far host's TCP has acknowledged.
type tcpConn struct {
	*net.TCPConn
	raw     syscall.RawConn
	written atomic.Uint64
}

func (c *tcpConn) Write(p []byte) (int, error) {
	n, err := c.TCPConn.Write(p)
	c.written.Add(uint64(n))
	return n, err
}

// Reached subtracts what the kernel still holds unacknowledged (SIOCOUTQ,
// tcp(7)). Bytes of a Write under way make it smaller than it is, never larger.
func (c *tcpConn) Reached() uint64 {
	written := c.written.Load()
	var held int
	var err error
	if e := c.raw.Control(func(fd uintptr) { held, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); e != nil || err != nil {
		return 0
	}
	if uint64(held) >= written {
		return 0
	}
	return written - uint64(held)
}

// tunnelled dials through a tunnel that may be shared.
type tunnelled struct {
	tunnel *tunnel.Tunnel
	cfg    Config
}

// Dial implements Dialer.
func (d tunnelled) Dial(ctx context.Context) (Conn, error) {
	conn, err := d.tunnel.DialTo(ctx, d.cfg.Address, d.cfg.Port)
	if err != nil {
		return nil, err // not a nil *tunnel.Conn in a Conn
	}
	return conn, nil
}

// Renewal implements renewing: keys do not serve for ever.
func (d tunnelled) Renewal() <-chan struct{} { return d.tunnel.Renewal() }

// secured dials TLS over another dialer's connections.
type secured struct {
	tls   *tlslink.Dialer
	under Dialer
}

func newSecured(cfg Config, under Dialer, log *slog.Logger) (Dialer, error) {
	dial := func(ctx context.Context) (tlslink.Carrier, error) { return under.Dial(ctx) }
	d, err := tlslink.New(*cfg.TLS, dial, log)
	if err != nil {
		return nil, err
	}
	return secured{d, under}, nil
}

// Dial implements Dialer.
func (d secured) Dial(ctx context.Context) (Conn, error) {
	conn, err := d.tls.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// Renewal implements renewing: what lies below decides.
func (d secured) Renewal() <-chan struct{} { return renewal(d.under) }

// sessions is a dialer that keeps what TLS agreed on for the connection it made
// last, whichever protocol is spoken over it.
type sessions struct {
	Dialer
	last *atomic.Pointer[tlslink.Session]
}

// Dial implements Dialer.
func (d sessions) Dial(ctx context.Context) (Conn, error) {
	conn, err := d.Dialer.Dial(ctx)
	if over, ok := conn.(*tlslink.Conn); ok && err == nil {
		session := over.Session()
		d.last.Store(&session)
	}
	return conn, err
}

// Renewal implements renewing.
func (d sessions) Renewal() <-chan struct{} { return renewal(d.Dialer) }
