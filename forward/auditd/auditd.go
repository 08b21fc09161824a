// Package auditd sends records by auditd's own protocol, the one audisp-remote
// speaks ("format = managed"), to an auditd with tcp_listen_port.
//
// The promise: a record counts when auditd has answered that it is stored. Records go
// out without waiting for each other's answers, where audisp-remote waits for each;
// the answers come in order. A stock auditd answers after its write(2), and calls
// fsync only as its own `flush` says.
//
// That the far end's disk is full, or its logging suspended, has the sender wait and
// say so; what audisp-remote does to its own host then, up to halting it, is never done.
package auditd

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"auditbridge/forward/window"
)

// Config is how to speak with a receiver.
type Config struct {
	Window       int           // records under way at most; 0 is 4096
	WriteTimeout time.Duration // of a receiver that takes nothing
	AckTimeout   time.Duration // of a receiver that answers nothing
	Heartbeat    time.Duration // of silence, then the receiver is asked whether it is there; 0 is 30 s
}

const (
	defaultWindow    = 4096 // its answers, 64 KiB, fit into any socket's buffer: auditd drops what does not
	defaultHeartbeat = 30 * time.Second
)

// Conn is a connection that can be closed in one direction.
type Conn interface {
	net.Conn
	CloseWrite() error
}

// Client speaks over one connection. See forward.Transport for who may call what.
type Client struct {
	conn    Conn
	cfg     Config
	log     *slog.Logger
	in      *reader
	window  *window.Window
	made    uint64    // frames
	spoke   time.Time // we, last
	leaving atomic.Bool
	halved  atomic.Bool // we half-closed
	lowSaid bool
}

// New speaks over conn, whose owner it is from then on. The protocol has no greeting.
func New(conn Conn, cfg Config, log *slog.Logger) *Client {
	if cfg.Window == 0 {
		cfg.Window = defaultWindow
	}
	if cfg.Heartbeat == 0 {
		cfg.Heartbeat = defaultHeartbeat
	}
	return &Client{conn: conn, cfg: cfg, log: log, in: newReader(conn), window: window.New(cfg.Window, cfg.AckTimeout), spoke: time.Now()}
}

// sequence is frame n's number on the wire; n counts from 0.
func sequence(n uint64) uint32 { return uint32(n + 1) }

// Frame appends a record as the next frame.
func (c *Client) Frame(batch, record []byte) []byte {
	start := len(batch)
	batch = appendMessage(batch, record, sequence(c.made))
	c.window.Add(len(batch) - start)
	c.made++
	return batch
}

// Send writes the batch, as the window lets it: a frame is never begun without being
// ended.
func (c *Client) Send(batch []byte) error {
	for len(batch) > 0 {
		n, err := c.window.Next()
		if err != nil {
			return err
		}
		if err := c.write(batch[:n]); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

func (c *Client) write(p []byte) error {
	c.spoke = time.Now()
	c.conn.SetWriteDeadline(c.spoke.Add(c.cfg.WriteTimeout))
	_, err := c.conn.Write(p)
	return err
}

// Tend gives up a receiver that answers nothing, and asks one that has had nothing to
// answer for a while. A heartbeat's answer says nothing of its disk.
func (c *Client) Tend(now time.Time) error {
	if err := c.window.Silent(now); err != nil {
		return err
	}
	if now.Sub(c.spoke) < c.cfg.Heartbeat || !c.window.Empty() {
		return nil
	}
	n := c.made
	c.made++
	c.window.Add(0)
	if _, err := c.window.Next(); err != nil {
		return err
	}
	return c.write(appendHeader(nil, heartbeat, 0, sequence(n)))
}

// Arrived is how many bytes of the batches were answered to be stored.
func (c *Client) Arrived() uint64 { return c.window.Arrived() }

// Listen hears the answers. nil is an orderly end; after Leave, that every record is
// stored.
func (c *Client) Listen() error {
	for {
		if c.in.buf.Buffered() == 0 {
			time.Sleep(window.Rest)
		}
		a, err := c.in.next()
		switch {
		case err == io.EOF && c.leaving.Load() && !c.window.Empty():
			return fmt.Errorf("%s closed before it had answered everything", c.conn.RemoteAddr())
		case err == io.EOF:
			return nil
		case err == nil:
			err = c.hear(a)
		}
		if err != nil {
			return fmt.Errorf("hear %s: %w", c.conn.RemoteAddr(), err)
		}
	}
}

// hear is what each answer means.
func (c *Client) hear(a answer) error {
	switch {
	case a.kind == ending:
		return errEnding
	case a.kind == diskFull || a.kind == diskError || a.kind&fatal != 0:
		return &RefusedError{Kind: uint32(a.kind), Text: append([]byte(nil), a.text...)}
	case a.kind&warning != 0 && !c.lowSaid:
		c.lowSaid = true
		c.log.Warn("the far end's auditd stores the records and warns", "disk-low", a.kind == diskLow, "type", fmt.Sprintf("0x%08x", uint32(a.kind)))
	}
	n, waits := c.window.Oldest()
	if !waits {
		return &ProtocolError{fmt.Sprintf("an answer to frame %d, where nothing waits for one", a.sequence)}
	}
	if a.sequence != sequence(n) {
		return &ProtocolError{fmt.Sprintf("an answer to frame %d; the next would be to %d", a.sequence, sequence(n))}
	}
	if err := c.window.Acknowledge(n); err != nil {
		return &ProtocolError{err.Error()}
	}
	return c.depart()
}

var errEnding = errors.New("the auditd there stops")

// Leave half-closes as soon as everything is answered: an auditd that reads our end
// closes at once, and its answers are lost. The protocol has no word for it.
func (c *Client) Leave() error {
	c.leaving.Store(true)
	return c.depart()
}

func (c *Client) depart() error {
	if !c.leaving.Load() || !c.window.Empty() || c.halved.Swap(true) {
		return nil
	}
	c.conn.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout))
	return c.conn.CloseWrite()
}

// Close ends the connection at once.
func (c *Client) Close() error {
	c.window.Break()
	return c.conn.Close()
}

// Peer names the far end.
func (c *Client) Peer() string { return c.conn.RemoteAddr().String() }

// ProtocolError: what the far end says is not auditd's protocol.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "it breaks the protocol: " + e.What }

// Hint says what to do.
func (e *ProtocolError) Hint() string {
	return "is that an auditd with tcp_listen_port, and transport = TCP?"
}

// RefusedError: auditd did not store a record. The record stays where it is and is
// sent again.
type RefusedError struct {
	Kind uint32 // the answer's type
	Text []byte // what it says
}

func (e *RefusedError) Error() string {
	what := fmt.Sprintf("the auditd there did not store a record (answer 0x%08x)", e.Kind)
	switch kind(e.Kind) {
	case diskFull:
		what = "the disk of the auditd there is full"
	case diskError:
		what = "the auditd there cannot write, or has suspended its logging"
	}
	if len(e.Text) > 0 {
		what += fmt.Sprintf(": it says %q", e.Text)
	}
	return what
}

// Hint says what to do.
func (e *RefusedError) Hint() string {
	return "make room there; an auditd that has suspended its logging goes on after `kill -USR2` or a restart. Records wait here meanwhile"
}
