package auditbridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"auditbridge/journal/ring"
)

// longestPiece is how much of a line is stored as one line. auditd's own lines
// are at most MaxText bytes and an enriched tail; whatever is in a piece, its
// escaped form fits into MaxLine.
const longestPiece = MaxText

// continued begins every piece of an over-long line but the first: no piece can
// pass for a record, whatever the sender put there.
const continued = "ab-continued=1 "

// Lines is the source "plugin": lines of auditd's format from a reader, as
// auditd writes them to its plugins.
type Lines struct {
	from     io.Reader
	pressure Pressure
	in       intake
	buffer   []byte
	middle   bool // what comes next continues an over-long line
}

// OpenLines prepares to read lines from a reader into the ring.
func OpenLines(from io.Reader, pressure Pressure, r *ring.Ring) (*Lines, error) {
	if err := pressure.complete(); err != nil {
		return nil, fmt.Errorf("open lines: %w", err)
	}
	return &Lines{from: from, pressure: pressure, in: intake{ring: r}, buffer: make([]byte, 0, 64<<10)}, nil
}

// Run reads until the reader ends, which is no error. When ctx ends it stops
// soon, if the reader's deadline can be set; what has come by then is stored.
func (l *Lines) Run(ctx context.Context) error {
	if d, ok := l.from.(interface{ SetReadDeadline(time.Time) error }); ok {
		const grace = 200 * time.Millisecond // for what stands in the pipe
		defer context.AfterFunc(ctx, func() { d.SetReadDeadline(time.Now().Add(grace)) })()
	}
	for {
		n, err := l.from.Read(l.buffer[len(l.buffer):cap(l.buffer)])
		l.buffer = l.buffer[:len(l.buffer)+n]
		l.split(err != nil)
		switch {
		case err == nil:
		case err == io.EOF, errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
			return nil
		default:
			return fmt.Errorf("read audit lines: %w", err)
		}
	}
}

// split stores every whole line of the buffer, over-long ones in pieces, and
// keeps the rest for the next read. At the end a last line without LF is one too.
func (l *Lines) split(end bool) {
	rest := l.buffer
	for len(rest) > 0 {
		line, tail, whole := bytes.Cut(rest, []byte{'\n'})
		if !whole && !end && len(line) <= longestPiece {
			break
		}
		for len(line) > longestPiece {
			l.store(line[:longestPiece])
			line, l.middle = line[longestPiece:], true
		}
		if !whole && !end {
			rest = line
			break
		}
		l.store(line)
		rest, l.middle = tail, false
	}
	l.in.commit()
	l.buffer = l.buffer[:copy(l.buffer, rest)]
}

// store puts one line into the ring. Whatever it says, it is not one of ours:
// nobody may disturb the seal, or have a record pass every filter, by sending
// what looks like a block line.
func (l *Lines) store(line []byte) {
	if len(line) == 0 {
		return
	}
	waitedInVain := l.in.refusing
	if !l.in.admit() && (waitedInVain || !l.hold()) {
		l.in.refuse(line)
		return
	}
	if l.middle {
		l.in.room = append(l.in.room, continued...)
	}
	l.in.room = AppendForeign(l.in.room, line)
	l.in.room = append(l.in.room, '\n')
	l.in.records++
}

// hold waits for room as long as the configuration allows: meanwhile the pipe
// fills and holds its writer back. It tells whether there is room now.
func (l *Lines) hold() bool {
	if l.pressure.Overload == ProtectHost {
		return false
	}
	select {
	case <-l.in.ring.Space(l.in.ring.Size() / 4):
		return l.in.admit()
	case <-time.After(l.pressure.HoldBack):
		return false
	}
}
