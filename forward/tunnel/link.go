package tunnel

import (
	"context"
	"errors"
)

// Link is an SSH connection that is there, or was.
type Link struct{ session *session }

// Connect makes the SSH connection when there is none, before anybody dials. A
// caller that wants it to be there connects again when it is over.
func (t *Tunnel) Connect(ctx context.Context) (*Link, error) {
	s, _, err := t.connected(ctx)
	var refused *AuthError
	if errors.As(err, &refused) { // shared: each gets his own
		err = refused.to(Remote{t.cfg.RemoteHost, t.cfg.RemotePort}.String())
	}
	if err != nil {
		return nil, err
	}
	return &Link{s}, nil
}

// Peer is the SSH server's address.
func (l *Link) Peer() string { return l.session.raw.RemoteAddr().String() }

// Done is closed when the connection is over; then Err says why.
func (l *Link) Done() <-chan struct{} { return l.session.done }

// Err is nil before Done is closed.
func (l *Link) Err() error {
	if !isClosed(l.session.done) {
		return nil
	}
	return l.session.err
}
