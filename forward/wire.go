package forward

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"auditbridge/auditbridge"
	"auditbridge/forward/entrance"
	"auditbridge/forward/tlslink"
	"auditbridge/forward/tunnel"
	"auditbridge/journal"
)

// run and ship speak JSON, one value a line, over a socket pair: run says
// hello, and later stop; ship reports. run believes nothing that ship says
// without a check (shipper.go).

// wireVersion changes when an old ship would misunderstand a new run. The two
// are one binary, but an upgrade replaces run first.
const wireVersion = 6

const (
	maxHello  = 16 << 20
	maxReport = 64 << 10 // a cursor with journal.MaxOpen open events fits
)

// hello is the first thing run says.
type hello struct {
	Version      int                   `json:"version"`
	PID          int                   `json:"pid"`   // run's
	Build        string                `json:"build"` // run's version
	JournalDir   string                `json:"journal-dir"`
	Journal      string                `json:"journal"` // its id
	Destinations []Config              `json:"destinations"`
	Tunnels      []tunnel.Config       `json:"tunnels"`
	Cursors      map[string]wireCursor `json:"cursors"` // by destination; missing: none yet

	// Instead of all but Version: this ship is to take guests, and has no journal.
	Entrance *entrance.Config `json:"entrance,omitempty"`
	Socket   int              `json:"socket,omitempty"` // descriptor of what it listens on
}

// order is what run says afterwards.
type order struct {
	Stop  bool     `json:"stop,omitempty"`  // read to the durable mark, take leave, end
	Leave []string `json:"leave,omitempty"` // the same for these destinations; then say that they are gone
}

// report is one thing ship says of a destination, or of its entrance; exactly one of
// them is set.
type report struct {
	Relay   string       `json:"relay,omitempty"`
	Cursor  *wireCursor  `json:"cursor,omitempty"`
	Restart *wireRestart `json:"restart,omitempty"`
	Link    *wireLink    `json:"link,omitempty"`
	Stats   *Stats       `json:"stats,omitempty"`
	Warning string       `json:"warning,omitempty"` // what should not be and does no harm yet
	Gone    bool         `json:"gone,omitempty"`    // nothing follows

	Entrance *wireEntrance `json:"entrance,omitempty"`
}

// wireEntrance is what became of an entrance since ship last said so.
type wireEntrance struct {
	Stats    entrance.Stats     `json:"stats"`
	Refusals []entrance.Refusal `json:"refusals,omitempty"`
}

// wireRestart asks to begin again with the oldest record kept.
type wireRestart struct {
	Why string `json:"why"`
}

type wireLink struct {
	Up    bool   `json:"up"`
	Peer  string `json:"peer"`
	Why   string `json:"why,omitempty"`
	Meant bool   `json:"meant,omitempty"` // it is down because another takes its place

	TLS         *tlslink.Session `json:"tls,omitempty"`         // of one that came up
	Fault       string           `json:"fault,omitempty"`       // of TLS, a tlslink.Fault
	Certificate *tlslink.ID      `json:"certificate,omitempty"` // the one at fault
	Presented   string           `json:"presented,omitempty"`   // of a name that does not fit
	Reference   string           `json:"reference,omitempty"`
}

// wireCursor is a journal.Cursor as JSON.
type wireCursor struct {
	Journal   string                 `json:"journal"`
	At        auditbridge.Sequence   `json:"at"`
	Open      []auditbridge.Sequence `json:"open,omitempty"`
	Hash      string                 `json:"hash"`
	Delivered uint64                 `json:"delivered"`
	Excluded  uint64                 `json:"excluded"`
	Waiting   uint64                 `json:"waiting"`
	Read      uint64                 `json:"read"`
	Missed    uint64                 `json:"missed"`
}

func toWire(c journal.Cursor) wireCursor {
	return wireCursor{Journal: c.Journal.String(), At: c.At, Open: c.Open, Hash: hex.EncodeToString(c.LineHash[:]),
		Delivered: c.Delivered, Excluded: c.Excluded, Waiting: c.Waiting, Read: c.Read, Missed: c.Missed}
}

func (w wireCursor) cursor() (c journal.Cursor, err error) {
	if c.Journal, err = journal.ParseID(w.Journal); err != nil {
		return c, err
	}
	hash, err := hex.DecodeString(w.Hash)
	if err != nil || len(hash) != len(c.LineHash) {
		return c, fmt.Errorf("%q is not a line's hash", w.Hash)
	}
	copy(c.LineHash[:], hash)
	c.At, c.Open = w.At, w.Open
	c.Delivered, c.Excluded, c.Waiting, c.Read, c.Missed = w.Delivered, w.Excluded, w.Waiting, w.Read, w.Missed
	return c, nil
}

// lineReader reads one JSON value a line.
type lineReader struct {
	buf   *bufio.Reader
	line  []byte
	limit int
}

// newLineReader reads lines of at most limit bytes.
func newLineReader(r io.Reader, limit int) *lineReader {
	return &lineReader{buf: bufio.NewReader(r), limit: limit}
}

// errTooLong is about one line; what follows it can be read.
var errTooLong = errors.New("a line is too long")

// brokenLine says that nothing more can be read. io.EOF in it is the end.
type brokenLine struct{ error }

func (e *brokenLine) Unwrap() error { return e.error }

// next decodes the next line into v. What is left out of a value stays as it
// was, so v must be new.
func (l *lineReader) next(v any) error {
	l.line = l.line[:0]
	for long := false; ; {
		part, err := l.buf.ReadSlice('\n')
		if long = long || len(l.line)+len(part) > l.limit; !long {
			l.line = append(l.line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil:
			return &brokenLine{err} // within a line too: whoever wrote it is dead
		case long:
			return errTooLong
		default:
			return json.Unmarshal(l.line, v)
		}
	}
}

// lineWriter writes one JSON value a line, from several goroutines.
type lineWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lineWriter) write(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, err = l.w.Write(append(line, '\n'))
	return err
}
