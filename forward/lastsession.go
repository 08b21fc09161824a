package forward

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"time"

	"auditbridge/forward/tlslink"
	"auditbridge/internal/durable"
	"auditbridge/journal"
)

// Who a server in TLS was, and until when its certificates are valid, is known of a
// session. It is kept beside the destination's cursor, so that it is known as well when
// run or ship starts anew and the server cannot be reached: that a certificate ends is
// to be told in time then, too.

// lastSession is what the file holds.
type lastSession struct {
	With    string           `json:"with"` // of another server it says nothing
	Session *tlslink.Session `json:"session"`
}

// maxLastSession bounds in bytes what is read of it.
const maxLastSession = 64 << 10

func sessionName(destination string) string {
	return strings.TrimSuffix(cursorName(destination), journal.CursorSuffix) + ".tls"
}

// with says which server is spoken to in TLS; "" without it.
func (c *Config) with() string {
	if c.TLS == nil {
		return ""
	}
	return fmt.Sprintf("%s port %d by way of %q as %s", c.Address, c.Port, c.Via, c.TLS.Reference())
}

// recall tells a book that is new of the destination's last session.
func (s *Shipper) recall(to Config, book *relayBook) {
	book.with = to.with()
	var left lastSession
	err := durable.Left(s.cfg.StateDir, sessionName(to.Name), maxLastSession, &left)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		s.cfg.Log.Warn("until when a destination's certificates are valid is not known before it is connected", "dest", to.Name, "err", err)
	case err == nil && left.With == book.with && to.TLS != nil:
		book.stats.TLS, book.session = believable(left.Session), left
	}
}

// recognize keeps what a report says of the session of a destination; one that says
// nothing of it is of a ship that has had none yet. Only its crew's goroutine calls it.
func (s *Shipper) recognize(name string, book *relayBook, n *Stats) {
	if n.TLS == nil {
		n.TLS = book.session.Session
		return
	}
	now := lastSession{book.with, n.TLS}
	if reflect.DeepEqual(now, book.session) || time.Since(book.sessionKept) < keepEvery {
		return
	}
	book.session, book.sessionKept = now, time.Now()
	if err := durable.Leave(s.cfg.StateDir, 0, sessionName(name), now); err != nil {
		s.cfg.Log.Warn("until when a destination's certificates are valid is not kept for the next start", "dest", name, "err", err)
	}
}

// meets forgets another server than the one that the destination is now. The book is
// nobody's meanwhile.
func (b *relayBook) meets(to Config) {
	b.with = to.with()
	if b.session.With != b.with {
		b.session, b.stats.TLS = lastSession{}, nil
	}
}
