package entrance

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"
)

// conn is an end that can say that nothing more comes and go on hearing.
type conn interface {
	net.Conn
	CloseWrite() error
}

// guest is a connection of another program and the channel that it is carried over.
// Each way has a buffer and no queue: what one end does not take the other cannot send.
type guest struct {
	near, far      conn
	sent, received *atomic.Uint64
	moved          atomic.Int64 // when a byte last went either way, in Unix nanoseconds
}

const (
	chunk    = 32 << 10         // bytes, SSH's packet
	farewell = 10 * time.Minute // how long nothing may pass after one end has said its last
)

// errIdle is why a guest has to go that lets nothing pass.
var errIdle = errors.New("nothing has passed for too long")

// carry takes bytes both ways until each end has said that nothing more comes: a FIN and
// SSH's EOF (RFC 4254 §5.3) are one another's. An end that is not in order is an error,
// and what it cuts short does not look like one that is, as far as the socket can say so.
func (g *guest) carry(ctx context.Context, idle time.Duration) (cut error) {
	g.moved.Store(time.Now().UnixNano())
	ended := make(chan error, 2)
	go func() { ended <- g.pass(g.far, g.near, g.sent) }()
	go func() { ended <- g.pass(g.near, g.far, g.received) }()
	end := func(why error) {
		if cut == nil {
			cut = why
			abort(g.near)
			g.far.Close()
		}
	}
	over := ctx.Done()
	still := time.NewTimer(g.left(idle))
	defer still.Stop()
	for ways := 2; ways > 0; {
		select {
		case err := <-ended:
			ways--
			if err != nil {
				end(err)
			}
			if idle == 0 || idle > farewell {
				idle = farewell
			}
			still.Reset(g.left(idle))
		case <-still.C:
			if left := g.left(idle); left > 0 {
				still.Reset(left)
			} else {
				end(errIdle)
			}
		case <-over:
			over = nil
			end(errEnded)
		}
	}
	g.near.Close()
	g.far.Close()
	return cut
}

// pass takes what comes from one end to the other, up to its end.
func (g *guest) pass(to, from conn, count *atomic.Uint64) error {
	buf := make([]byte, chunk)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return err
			}
			count.Add(uint64(n))
			g.moved.Store(time.Now().UnixNano())
		}
		if err == io.EOF {
			return to.CloseWrite()
		}
		if err != nil {
			return err
		}
	}
}

// left is how long nothing may pass from now on.
func (g *guest) left(idle time.Duration) time.Duration {
	if idle == 0 {
		return time.Hour // to look again
	}
	return idle - time.Since(time.Unix(0, g.moved.Load()))
}

// abort closes a connection so that its other end does not take it for an end in order:
// over TCP by a reset. A Unix socket has no such thing.
func abort(c net.Conn) {
	if tcp, is := c.(*net.TCPConn); is {
		tcp.SetLinger(0)
	}
	c.Close()
}
