// Package relp sends messages by RELP, the protocol by which rsyslog and its like
// acknowledge each message (librelp's relp.html; rsyslog's imrelp is the receiver
// that is met most).
//
// The promise: a message counts when the receiver has answered it with code 200.
// Messages go out without waiting for each other's answers, as many as the window
// has room for. Answers may come in any order; one for a message that was never
// sent, or a second one, ends the connection, for such a receiver's word is worth
// nothing. RELP itself knows no resumption that outlives a connection: what was not
// answered is sent again on the next.
package relp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"auditbridge/forward/window"
)

// Config is how to speak with a receiver.
type Config struct {
	Software     string        // told to the receiver: "name,version,url"
	Window       int           // messages under way at most; 0 is 4096
	WriteTimeout time.Duration // of a receiver that takes nothing
	AckTimeout   time.Duration // of a receiver that answers nothing
}

const defaultWindow = 4096

// Client speaks RELP over one connection. See forward.Transport for who may call
// what.
type Client struct {
	conn   net.Conn
	cfg    Config
	in     *reader
	window *window.Window
	made   uint64        // messages
	left   chan struct{} // closed when our close may have been sent
}

// Open greets the receiver at the other end of conn and hears what it offers. It is
// the owner of conn from then on, and closes it when that fails.
func Open(ctx context.Context, conn net.Conn, cfg Config) (*Client, error) {
	if cfg.Window == 0 {
		cfg.Window = defaultWindow
	}
	c := &Client{conn: conn, cfg: cfg, in: newReader(conn), window: window.New(cfg.Window, cfg.AckTimeout), left: make(chan struct{})}
	if err := c.open(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("open a RELP session with %s: %w", conn.RemoteAddr(), err)
	}
	return c, nil
}

// openNumber is the open's transaction number; messages follow it.
const openNumber = 1

func (c *Client) open(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { c.conn.SetDeadline(time.Now()) })()
	c.conn.SetDeadline(time.Now().Add(c.cfg.WriteTimeout))
	offer := "relp_version=0\nrelp_software=" + c.cfg.Software + "\ncommands=syslog"
	if _, err := c.conn.Write(appendFrame(nil, openNumber, "open", []byte(offer))); err != nil {
		return err
	}
	a, err := c.in.next()
	if err == io.EOF {
		return errors.New("the far end closed the connection instead of answering")
	}
	if err != nil {
		return err
	}
	if a.command != "rsp" || a.number != openNumber {
		return &ProtocolError{fmt.Sprintf("%s of transaction %d where the open's answer should be", a.command, a.number)}
	}
	status, text, offers := code(a.data)
	if status != 200 {
		return &RefusedError{Code: status, Text: clamp(text)}
	}
	c.conn.SetDeadline(time.Time{})
	return checkOffers(offers)
}

// checkOffers holds a receiver to what has to be common: version 0, and that it
// takes messages.
func checkOffers(offers []byte) error {
	version, takes := "", false
	for line := range bytes.Lines(offers) {
		name, value, _ := bytes.Cut(bytes.TrimRight(line, "\n"), []byte{'='})
		switch string(name) {
		case "relp_version":
			version = string(clamp(value))
		case "commands":
			for _, command := range bytes.Split(value, []byte{','}) {
				takes = takes || string(bytes.TrimSpace(command)) == "syslog"
			}
		}
	}
	if version != "0" && version != "1" {
		return &ProtocolError{fmt.Sprintf("it speaks version %q of RELP", version)}
	}
	if !takes {
		return &ProtocolError{"it does not offer to take messages (no command syslog)"}
	}
	return nil
}

// number is message n's transaction number; n counts from 0.
func number(n uint64) uint64 { return (n+openNumber)%lastNumber + 1 }

// Frame appends a message as the next transaction.
func (c *Client) Frame(batch, message []byte) []byte {
	start := len(batch)
	batch = appendFrame(batch, number(c.made), "syslog", message)
	c.window.Add(len(batch) - start)
	c.made++
	return batch
}

// Send writes the batch, as the window lets it.
func (c *Client) Send(batch []byte) error {
	for len(batch) > 0 {
		n, err := c.window.Next()
		if err != nil {
			return err
		}
		c.conn.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout))
		if _, err := c.conn.Write(batch[:n]); err != nil {
			return err
		}
		batch = batch[n:]
	}
	return nil
}

// Tend gives up a receiver that answers nothing. RELP has nothing to ask whether
// one that owes no answer is alive.
func (c *Client) Tend(now time.Time) error { return c.window.Silent(now) }

// Arrived is how many bytes of the batches were answered with 200, without a gap.
func (c *Client) Arrived() uint64 { return c.window.Arrived() }

// Listen hears the answers. nil is an orderly end; after Leave, that every message
// was answered.
func (c *Client) Listen() error {
	for {
		if c.in.buf.Buffered() == 0 {
			time.Sleep(window.Rest)
		}
		a, err := c.in.next()
		switch {
		case err == io.EOF || err == nil && a.command == "serverclose":
			return c.end()
		case err != nil:
			return fmt.Errorf("hear %s: %w", c.conn.RemoteAddr(), err)
		}
		if over, err := c.hear(a); over || err != nil {
			return err
		}
	}
}

func (c *Client) hear(a answer) (over bool, err error) {
	status, text, _ := code(a.data)
	if status != 200 {
		return false, fmt.Errorf("%s: %w", c.conn.RemoteAddr(), &RefusedError{Code: status, Text: clamp(text)})
	}
	if a.number == 0 || a.number > lastNumber {
		return false, c.wrong(fmt.Errorf("an answer to transaction %d", a.number))
	}
	n := c.window.Number((a.number+lastNumber-openNumber-1)%lastNumber, lastNumber)
	if c.closing() && n == c.made { // our close
		return true, c.end()
	}
	if err := c.window.Acknowledge(n); err != nil {
		return false, c.wrong(fmt.Errorf("an answer to transaction %d: %w", a.number, err))
	}
	return false, nil
}

func (c *Client) wrong(err error) error {
	return fmt.Errorf("hear %s: %w", c.conn.RemoteAddr(), &ProtocolError{err.Error()})
}

// end is the far end's.
func (c *Client) end() error {
	if c.closing() && !c.window.Empty() {
		return fmt.Errorf("%s closed before it had acknowledged everything", c.conn.RemoteAddr())
	}
	return nil
}

func (c *Client) closing() bool {
	select {
	case <-c.left:
		return true
	default:
		return false
	}
}

// Leave asks the receiver to close; it answers when it has answered all before.
func (c *Client) Leave() error {
	close(c.left)
	c.conn.SetWriteDeadline(time.Now().Add(c.cfg.WriteTimeout))
	_, err := c.conn.Write(appendFrame(nil, number(c.made), "close", nil))
	return err
}

// Close ends the connection at once.
func (c *Client) Close() error {
	c.window.Break()
	return c.conn.Close()
}

// Peer names the far end.
func (c *Client) Peer() string { return c.conn.RemoteAddr().String() }

// ProtocolError: what the far end says is not RELP.
type ProtocolError struct{ What string }

func (e *ProtocolError) Error() string { return "it breaks the protocol: " + e.What }

// Hint says what to do.
func (e *ProtocolError) Hint() string {
	return "is that a RELP receiver (rsyslog's imrelp)? Plain syslog is protocol = \"tcp\""
}

// RefusedError: the receiver did not take a message, or us. The message stays where
// it is and is sent again.
type RefusedError struct {
	Code int
	Text []byte // the receiver's
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("the receiver refused with code %03d: %q", e.Code, e.Text)
}

// Hint says what to do.
func (e *RefusedError) Hint() string { return "the log of the receiver says why" }

// clamp bounds what a far end has us repeat.
func clamp(text []byte) []byte { return append([]byte(nil), text[:min(len(text), 200)]...) }
