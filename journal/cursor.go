package journal

import (
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
)

// MaxOpen bounds Cursor.Open. Whoever keeps a cursor has no more events than
// that open at once.
const MaxOpen = 480

// CursorSuffix ends the names of cursor files in the state directory. Open
// reads them all: no sequence one of them has reached is ever used again.
const CursorSuffix = ".cursor"

const cursorVersion = 1

var cursorMagic = [8]byte{'A', 'B', 'c', 'u', 'r', 's', '\r', '\n'}

// Cursor is a reader's durable position in a journal: all it had to do up to
// and including At has taken effect, but for the events still open there.
type Cursor struct {
	Journal   ID
	At        auditbridge.Sequence
	Open      []auditbridge.Sequence // first sequences of the events open at At, at most MaxOpen
	LineHash  [32]byte               // SHA-256 of the line At, its LF included: tells a restored directory; zero is not known
	Delivered uint64                 // records acknowledged so far
	Excluded  uint64                 // records filtered away so far
	Waiting   uint64                 // records at or before At whose events are open
	Read      uint64                 // records read so far, each once: what the three before add up to
	Missed    uint64                 // records that were gone before they could be read
}

// Gone counts the records that c's reader has not got, or not decided on, and can get
// no more, where oldest is the first line kept.
func (c Cursor) Gone(oldest auditbridge.Sequence) uint64 {
	if oldest <= c.At {
		return 0
	}
	return c.Waiting + uint64(oldest-c.At-1)
}

// CursorFile keeps one Cursor. It is not safe for concurrent use.
type CursorFile struct {
	slots  *durable.Slots
	cursor Cursor
	known  bool
	buf    []byte
}

// OpenCursor opens or creates the cursor file at path, in a directory that
// passes durable.OpenDir's checks. ErrNewer is wrapped when a later version
// wrote it.
func OpenCursor(path string) (*CursorFile, error) {
	dir, err := durable.OpenDir(filepath.Dir(path), 0, -1)
	if err != nil {
		return nil, fmt.Errorf("open cursor: %w", err)
	}
	defer dir.Close()
	slots, err := durable.OpenSlots(dir, filepath.Base(path), cursorMagic, cursorVersion, 0o600, -1)
	if err != nil {
		return nil, fmt.Errorf("open cursor: %w", err)
	}
	f := &CursorFile{slots: slots}
	if state := slots.State(); state != nil {
		if f.cursor, err = decodeCursor(state); err != nil {
			slots.Close()
			return nil, fmt.Errorf("open cursor: %s: %w", path, err)
		}
		f.known = true
	}
	return f, nil
}

// Load returns the cursor stored last; ok is false when none ever was.
func (f *CursorFile) Load() (c Cursor, ok bool) { return f.cursor, f.known }

// Store makes c the cursor; it is durable when Store returns nil. After an
// error the file must be opened anew.
func (f *CursorFile) Store(c Cursor) error {
	if len(c.Open) > MaxOpen {
		return fmt.Errorf("store cursor: %d open events are more than %d", len(c.Open), MaxOpen)
	}
	f.buf = appendCursor(f.buf[:0], &c)
	if err := f.slots.Store(f.buf); err != nil {
		return fmt.Errorf("store cursor: %w", err)
	}
	open := append(f.cursor.Open[:0], c.Open...)
	f.cursor, f.known = c, true
	f.cursor.Open = open
	return nil
}

// Close closes the file.
func (f *CursorFile) Close() error { return f.slots.Close() }

func appendCursor(dst []byte, c *Cursor) []byte {
	dst = append(dst, c.Journal[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(c.At))
	dst = append(dst, c.LineHash[:]...)
	for _, n := range [...]uint64{c.Delivered, c.Excluded, c.Waiting, c.Read, c.Missed, uint64(len(c.Open))} {
		dst = binary.LittleEndian.AppendUint64(dst, n)
	}
	for _, s := range c.Open {
		dst = binary.LittleEndian.AppendUint64(dst, uint64(s))
	}
	return dst
}

func decodeCursor(b []byte) (c Cursor, err error) {
	const fixed = 16 + 8 + 32 + 6*8
	if len(b) < fixed {
		return c, fmt.Errorf("%d bytes are too few for a cursor", len(b))
	}
	copy(c.Journal[:], b)
	c.At = auditbridge.Sequence(binary.LittleEndian.Uint64(b[16:]))
	copy(c.LineHash[:], b[24:])
	var n uint64
	for i, to := range [...]*uint64{&c.Delivered, &c.Excluded, &c.Waiting, &c.Read, &c.Missed, &n} {
		*to = binary.LittleEndian.Uint64(b[56+8*i:])
	}
	if n > MaxOpen || len(b) != fixed+int(n)*8 {
		return c, fmt.Errorf("%d bytes do not hold %d open events", len(b), n)
	}
	for b = b[fixed:]; len(b) > 0; b = b[8:] {
		c.Open = append(c.Open, auditbridge.Sequence(binary.LittleEndian.Uint64(b)))
	}
	return c, nil
}

// reached is how far a cursor file's reader has come.
type reached struct {
	name string
	at   auditbridge.Sequence
}

// cursorsOf returns the positions all cursor files in dir hold for journal id.
// A cursor nobody can read is an error: numbering must not guess.
func cursorsOf(dir durable.Dir, id ID) (all []reached, err error) {
	names, err := dir.Names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !strings.HasSuffix(name, CursorSuffix) {
			continue
		}
		state, err := durable.ReadSlots(dir, name, cursorMagic, cursorVersion)
		if err != nil {
			return nil, fmt.Errorf("read cursor: %w", err)
		}
		if state == nil {
			continue
		}
		c, err := decodeCursor(state)
		if err != nil {
			return nil, fmt.Errorf("read cursor: %s/%s: %w", dir.Path(), name, err)
		}
		if c.Journal == id {
			all = append(all, reached{name, c.At})
		}
	}
	return all, nil
}
