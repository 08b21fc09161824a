package https

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// net/http takes what it reads for the answer to the request it has begun to write, be
// it said before. So a server could acknowledge what it was never sent; here it has to
// say something when it has been.

// turn is whose turn it is to speak.
type turn struct {
	mu    sync.Mutex
	blank int  // of what ends a header, as much as was written
	left  int  // bytes of the body that are still to be written
	heard bool // something was read after the request was written
}

const endOfHeader = "\r\n\r\n"

// begin says that a request comes, with a body of so many bytes.
func (t *turn) begin(body int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.blank, t.left, t.heard = 0, body, false
}

// write is called with what is about to be written of it.
func (t *turn) write(p []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for ; t.blank < len(endOfHeader) && len(p) > 0; p = p[1:] {
		switch {
		case p[0] == endOfHeader[t.blank]:
			t.blank++
		case p[0] == '\r':
			t.blank = 1
		default:
			t.blank = 0
		}
	}
	t.left -= len(p)
}

// read is called when something was read.
func (t *turn) read() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.heard = t.heard || t.blank == len(endOfHeader) && t.left <= 0
}

// answered tells whether what was read can be an answer.
func (t *turn) answered() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.heard
}

// turned is a connection that keeps account of it.
type turned struct {
	net.Conn
	turn *turn
}

func (c turned) Write(p []byte) (int, error) {
	c.turn.write(p)
	return c.Conn.Write(p)
}

func (c turned) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.turn.read()
	}
	return n, err
}

// silent is nil when nothing is there to be read of a connection that was just made.
func silent(conn net.Conn) error {
	conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	n, err := conn.Read(make([]byte, 1))
	conn.SetReadDeadline(time.Time{})
	switch {
	case n > 0:
		return &UnsentError{}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil
	case err == io.EOF:
		return errors.New("the server closed the connection at once")
	}
	return err
}

// UnsentError: a server answers to what it was not sent.
type UnsentError struct{}

func (e *UnsentError) Error() string { return "the server answers before it has the request" }

// Hint says what to do.
func (e *UnsentError) Hint() string {
	return "no HTTP server does that; find out what runs there. Events wait here meanwhile"
}
