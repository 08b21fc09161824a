package tunnel

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// Conn is one channel through the tunnel: a net.Conn with working deadlines
// and half-close. A write that ran into its deadline leaves the stream in an
// unknown state, so every later one fails too.
//
// The library's channel has no deadlines, so two goroutines stand between: one
// reads ahead, one writes. They end when the channel does.
type Conn struct {
	channel ssh.Channel
	over    <-chan struct{} // closed when the server has closed the channel, too
	session *session
	remote  string

	reads   chan []byte // from the reading goroutine; closed after readErr is set
	taken   chan int    // how much of it was taken
	readErr error

	writing  sync.Mutex
	writes   chan write
	wrote    chan error
	pending  []byte // the writing goroutine's while a write is under way
	writeErr error

	written, reached atomic.Uint64 // bytes handed to the SSH connection; bytes the server is known to have taken
	asking           atomic.Bool

	readLimit, writeLimit deadline
	closed                chan struct{}
	closeOnce             sync.Once
}

// write is one thing to do for the writing goroutine.
type write struct {
	bytes []byte
	end   bool // half-close
}

func newConn(channel ssh.Channel, over <-chan struct{}, s *session, remote string) *Conn {
	c := &Conn{
		channel: channel, over: over, session: s, remote: remote,
		reads: make(chan []byte), taken: make(chan int),
		writes: make(chan write), wrote: make(chan error, 1),
		closed: make(chan struct{}),
	}
	s.used(1)
	go c.readAhead()
	go c.writeOut()
	return c
}

// Read reads what the far end sent. io.EOF means that it closed in order: when
// the SSH connection broke, the error says so.
func (c *Conn) Read(p []byte) (int, error) {
	select {
	case <-c.readLimit.passed():
		return 0, os.ErrDeadlineExceeded
	default:
	}
	select {
	case b, ok := <-c.reads:
		if !ok {
			return 0, c.readErr
		}
		n := copy(p, b)
		c.taken <- n
		return n, nil
	case <-c.readLimit.passed():
		return 0, os.ErrDeadlineExceeded
	case <-c.closed:
		return 0, net.ErrClosed
	}
}

// readAhead ends when the channel does. After Close it goes on, so that nothing the
// server still sends is kept.
func (c *Conn) readAhead() {
	buf := make([]byte, 4096)
	for {
		n, err := c.channel.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			select {
			case c.reads <- rest:
				rest = rest[<-c.taken:]
			case <-c.closed:
				rest = nil
			}
		}
		if err != nil && isClosed(c.closed) {
			return
		}
		if err != nil {
			c.readErr = c.meaning(err)
			close(c.reads)
			return
		}
	}
}

// meaning tells an orderly end from a broken connection, which the library
// reports alike: only a server that is still there answers.
func (c *Conn) meaning(err error) error {
	if err != io.EOF {
		return &told{err}
	}
	late := time.AfterFunc(c.session.cfg.KeepaliveTimeout, func() {
		c.session.fail(&SilenceError{Server: c.session.cfg.server(), Asked: "end of channel", Within: c.session.cfg.KeepaliveTimeout})
	})
	defer late.Stop()
	if c.session.ping() == nil {
		return io.EOF
	}
	<-c.session.done // ping fails only when the connection is over or about to be
	return c.session.err
}

// Write hands p to the SSH connection. It returns when the flow control of
// both took it all, or at the deadline.
func (c *Conn) Write(p []byte) (int, error) {
	if err := c.do(p, false); err != nil {
		return 0, err
	}
	return len(p), nil
}

// CloseWrite tells the far end that nothing more comes; reading goes on.
func (c *Conn) CloseWrite() error { return c.do(nil, true) }

func (c *Conn) do(p []byte, end bool) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.writeErr != nil {
		return c.writeErr
	}
	if isClosed(c.writeLimit.passed()) {
		return os.ErrDeadlineExceeded
	}
	c.pending = append(c.pending[:0], p...)
	select {
	case c.writes <- write{c.pending, end}:
	case <-c.closed:
		return net.ErrClosed
	}
	select {
	case c.writeErr = <-c.wrote:
	case <-c.writeLimit.passed():
		c.writeErr, c.pending = os.ErrDeadlineExceeded, nil
	case <-c.closed:
		c.writeErr, c.pending = net.ErrClosed, nil
	}
	return c.writeErr
}

func (c *Conn) writeOut() {
	for {
		select {
		case w := <-c.writes:
			var err error
			if w.end {
				err = c.channel.CloseWrite()
			} else {
				_, err = c.channel.Write(w.bytes)
				c.written.Add(uint64(len(w.bytes)))
			}
			c.wrote <- c.broken(err)
		case <-c.closed:
			return
		}
	}
}

// broken names the SSH connection's end as the reason where that is it.
func (c *Conn) broken(err error) error {
	if err == nil {
		return nil
	}
	if isClosed(c.session.done) {
		return c.session.err
	}
	return fmt.Errorf("write to %s: %w", c.remote, &told{err})
}

// Reached returns how many of the bytes written the SSH server is known to
// have taken, by the latest answer it gave; and asks again when there are more.
// It does not block.
func (c *Conn) Reached() uint64 {
	written := c.written.Load()
	if c.reached.Load() < written && c.asking.CompareAndSwap(false, true) {
		go func() {
			defer c.asking.Store(false)
			if c.session.ping() == nil {
				c.reached.Store(written)
			}
		}()
	}
	return c.reached.Load()
}

// Close ends the channel. It does not wait for anything on the network.
func (c *Conn) Close() error {
	c.closeOnce.Do(func() {
		close(c.closed)
		go func() {
			c.channel.Close() // may block as long as the SSH connection lives
			c.session.used(-1)
			c.session.owes(1)
			select {
			case <-c.over:
			case <-c.session.done:
			}
			c.session.owes(-1)
		}()
	})
	return nil
}

// LocalAddr returns our end of the SSH connection.
func (c *Conn) LocalAddr() net.Addr { return c.session.raw.LocalAddr() }

// RemoteAddr returns the far end as seen from the SSH server, and that server.
func (c *Conn) RemoteAddr() net.Addr {
	return addr(c.remote + " via " + c.session.raw.RemoteAddr().String())
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	c.readLimit.set(t)
	c.writeLimit.set(t)
	return nil
}

// SetReadDeadline bounds Read.
func (c *Conn) SetReadDeadline(t time.Time) error { c.readLimit.set(t); return nil }

// SetWriteDeadline bounds Write and CloseWrite.
func (c *Conn) SetWriteDeadline(t time.Time) error { c.writeLimit.set(t); return nil }

// addr is a name for a connection's end.
type addr string

func (addr) Network() string  { return "ssh" }
func (a addr) String() string { return string(a) }
