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

// splitter puts the lines of a stream into the ring, over-long ones in pieces.
type splitter struct {
	in      intake
	middle  bool              // what comes next continues an over-long line
	saw     func([]byte)      // called with the beginning of every line; nil: nobody asks
	room    func() bool       // waits for room in the ring; false: there is none
	done    int               // bytes of the data that are dealt with
	passes  func([]byte) bool // a finished line is not to be stored; nil: none
	stops   bool              // when there is no room, instead of refusing …
	stopped bool              // … as it did
}

// split stores every whole line of data, and the rest too at the stream's end. It
// returns how much of data that was: less only when it stopped.
func (s *splitter) split(data []byte, end bool) int {
	s.done, s.stopped = 0, false
	for s.done < len(data) {
		line, _, whole := bytes.Cut(data[s.done:], lineFeed)
		if !whole && !end && len(line) <= longestPiece {
			break
		}
		for len(line) > longestPiece {
			if !s.store(line[:longestPiece]) {
				return s.finish()
			}
			s.done += longestPiece
			line, s.middle = line[longestPiece:], true
		}
		if !whole && !end {
			break
		}
		if !s.store(line) {
			return s.finish()
		}
		if s.done += len(line); whole {
			s.done++
		}
		s.middle = false
	}
	return s.finish()
}

func (s *splitter) finish() int {
	s.in.commit()
	return s.done
}

var lineFeed = []byte{'\n'}

// store puts one line into the ring. Whatever it says, it is not one of ours:
// nobody may disturb the seal, or have a record pass every filter, by sending
// what looks like a block line.
func (s *splitter) store(line []byte) bool {
	if len(line) == 0 {
		return true
	}
	if s.saw != nil && !s.middle {
		s.saw(line)
	}
	for waited := s.in.refusing; !s.in.admit(); waited = true {
		if s.stops && !s.room() {
			s.stopped = true
			return false
		}
		if !s.stops && (waited || !s.room()) {
			h, _ := ParseHeader(line)
			s.in.refuse(h.Type, line)
			return true
		}
	}
	begin := len(s.in.room)
	if s.middle {
		s.in.room = append(s.in.room, continued...)
	}
	s.in.room = AppendForeign(s.in.room, line)
	if s.passes != nil && s.passes(s.in.room[begin:]) {
		s.in.room = s.in.room[:begin]
		return true
	}
	s.in.room = append(s.in.room, '\n')
	s.in.records++
	return true
}

// Lines is the source "plugin": lines of auditd's format from a reader, as
// auditd writes them to its plugins.
type Lines struct {
	splitter
	dispatchBook
	from     io.Reader
	pressure Pressure
	buffer   []byte
	pause    time.Duration // after a small piece, for more to gather
}

// OpenLines prepares to read lines from a reader into the ring.
func OpenLines(from io.Reader, pressure Pressure, r *ring.Ring) (*Lines, error) {
	if err := pressure.complete(); err != nil {
		return nil, fmt.Errorf("open lines: %w", err)
	}
	l := &Lines{from: from, pressure: pressure, buffer: make([]byte, 0, 64<<10), pause: time.Millisecond}
	l.splitter = splitter{in: intake{ring: r}, room: l.hold, saw: l.note}
	return l, nil
}

// Run reads until the reader ends, which is no error. When ctx ends it stops
// soon, if the reader's deadline can be set; what has come by then is stored.
func (l *Lines) Run(ctx context.Context) error {
	defer l.end()
	return l.read(ctx)
}

// smallPiece is what is worth a rest: auditd writes to its plugins record by
// record, and were each read by itself, most of the work would be waking up. What
// gathers meanwhile is far less than the writer's buffer holds.
const smallPiece = 16 << 10

func (l *Lines) read(ctx context.Context) error {
	d, takesDeadline := l.from.(deadliner)
	if takesDeadline {
		const grace = 200 * time.Millisecond // for what stands in the pipe
		defer context.AfterFunc(ctx, func() { d.SetReadDeadline(time.Now().Add(grace)) })()
	}
	for {
		n, err := l.from.Read(l.buffer[len(l.buffer):cap(l.buffer)])
		l.buffer = l.buffer[:len(l.buffer)+n]
		over := errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil
		if over && takesDeadline {
			l.finishLine(d)
		}
		l.take(err != nil)
		switch {
		case err == nil:
			if n < smallPiece {
				time.Sleep(l.pause)
			}
		case err == io.EOF, over:
			return nil
		default:
			return fmt.Errorf("read audit lines: %w", err)
		}
	}
}

type deadliner interface{ SetReadDeadline(time.Time) error }

// finishLine reads the rest of a line that has begun, and nothing behind it: what
// stands there may be read by another program that takes our place.
func (l *Lines) finishLine(d deadliner) {
	const grace = 2 * time.Second // auditd writes a line at once
	d.SetReadDeadline(time.Now().Add(grace))
	for n := len(l.buffer); (n > 0 || l.middle) && n < cap(l.buffer); n = len(l.buffer) {
		got, err := l.from.Read(l.buffer[n : n+1])
		if l.buffer = l.buffer[:n+got]; err != nil || got == 1 && l.buffer[n] == '\n' {
			return
		}
	}
}

// take stores what is in the buffer and keeps a line that is not whole for the
// next read. At the end it is a line too.
func (l *Lines) take(end bool) {
	used := l.split(l.buffer, end)
	l.buffer = l.buffer[:copy(l.buffer, l.buffer[used:])]
}

// hold waits for room as long as the configuration allows: meanwhile the pipe
// fills and holds its writer back. It tells whether there is room now: a quarter
// of the ring, as after a refusal.
func (l *Lines) hold() bool {
	if l.pressure.Overload == ProtectHost {
		return false
	}
	enough := time.NewTimer(l.pressure.HoldBack)
	defer enough.Stop()
	for quarter := l.in.ring.Size() / 4; l.in.ring.Free() < quarter; {
		select {
		case <-l.in.ring.Space(quarter):
		case <-enough.C:
			return false
		}
	}
	return true
}
