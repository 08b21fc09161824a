package tunnel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
)

// Tunnel dials through one SSH server. Its methods may be called from several
// goroutines; whoever dials first makes the SSH connection, the others share
// it, and share the error if it fails.
type Tunnel struct {
	cfg  Config
	jump *Tunnel // that the server is reached through; nil: directly
	log  *slog.Logger

	// Warned is told, once a connection and from a goroutine of its own, what should
	// not be and does no harm yet: *UnaskedError, *ExpiryError. nil: the log alone is.
	// It is set before the first dial.
	Warned func(error)

	mu      sync.Mutex
	current *attempt      // nil before the first
	renewal chan struct{} // closed when another session replaces a live one; then made anew
	closed  bool
}

// attempt is an SSH connection being made, made, or failed.
type attempt struct {
	done    chan struct{} // closed when session or err is set
	session *session
	err     error
}

// New validates cfg. It touches neither file nor network.
func New(cfg Config, log *slog.Logger) (*Tunnel, error) {
	return share(map[string]*Tunnel{}, cfg, log)
}

// Dial connects to the tunnel's own remote-host and remote-port.
func (t *Tunnel) Dial(ctx context.Context) (*Conn, error) {
	if t.cfg.RemotePort == 0 {
		return nil, fmt.Errorf("dial through port-forwarding %q: it has no remote-host and remote-port", t.cfg.Name)
	}
	return t.DialTo(ctx, t.cfg.RemoteHost, t.cfg.RemotePort)
}

// DialTo connects to host and port as seen from the SSH server. When the
// session it found turns out to be dead it tries one anew.
func (t *Tunnel) DialTo(ctx context.Context, host string, port int) (*Conn, error) {
	remote := net.JoinHostPort(host, strconv.Itoa(port))
	for {
		s, fresh, err := t.connected(ctx)
		var refused *AuthError
		if errors.As(err, &refused) { // shared: each gets his own
			err = refused.to(remote)
		}
		if err != nil {
			return nil, err
		}
		conn, err := s.open(ctx, host, port, remote)
		if err != nil && !fresh && isClosed(s.done) {
			continue
		}
		return conn, err
	}
}

// Close ends the SSH connection and with it every Conn, and so for the tunnel that
// it goes through.
func (t *Tunnel) Close() error {
	if t.jump != nil {
		defer t.jump.Close()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if a := t.current; a != nil && isClosed(a.done) && a.session != nil {
		a.session.fail(net.ErrClosed)
	}
	return nil
}

// connected returns the live session, making it when there is none; fresh says
// that it was made for this call.
func (t *Tunnel) connected(ctx context.Context) (s *session, fresh bool, err error) {
	a, fresh := t.join()
	select {
	case <-a.done:
		return a.session, fresh, a.err
	case <-ctx.Done():
		return nil, fresh, ctx.Err()
	}
}

// join returns the attempt under way or alive, or starts one. It does not end
// with the caller's context, for others may wait for it too: its own time
// limits end it.
func (t *Tunnel) join() (a *attempt, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return &attempt{done: closedChannel, err: net.ErrClosed}, true
	}
	if a := t.current; a != nil && (!isClosed(a.done) || a.err == nil && !isClosed(a.session.done)) {
		return a, false
	}
	t.current = t.begin()
	return t.current, true
}

// begin starts an attempt. Its session is replaced when its keys grow old.
func (t *Tunnel) begin() *attempt {
	a := &attempt{done: make(chan struct{})}
	go func() {
		var below <-chan struct{}
		if t.jump != nil {
			below = t.jump.Renewal()
		}
		a.session, a.err = connect(context.Background(), t.cfg, t.jump, t.warn, t.log)
		t.mu.Lock()
		defer t.mu.Unlock()
		if a.err == nil {
			if t.closed {
				a.session.fail(net.ErrClosed)
			}
			if !t.cfg.RekeyInPlace {
				go t.replaceInTime(a.session, below)
			}
		}
		close(a.done)
	}()
	return a
}

func (t *Tunnel) warn(err error) {
	t.log.Warn("the SSH connection is not as it should be", "tunnel", t.cfg.Name, "err", err)
	if t.Warned != nil {
		t.Warned(err)
	}
}

var closedChannel = func() chan struct{} { c := make(chan struct{}); close(c); return c }()
