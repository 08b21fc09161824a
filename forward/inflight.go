package forward

import (
	"time"

	"auditbridge/journal"
)

// inFlight is what was written to one connection and does not count as
// delivered yet. It is pure: it is told the time and how far the bytes came.
type inFlight struct {
	settle time.Duration
	marks  []mark
	done   uint64 // bytes of the last mark that settled
}

// mark says: when so many bytes of the connection have taken effect, the
// cursor may stand there.
type mark struct {
	bytes   uint64
	cursor  journal.Cursor
	written time.Time
	reached time.Time // zero: not known to have reached the far host
}

// markEvery and maxMarks bound the number of marks: what is written shortly
// after another is taken together with it, at the later one's time.
const (
	markEvery = 100 * time.Millisecond
	maxMarks  = 256
)

// due reports whether a new mark would not just replace the last.
func (f *inFlight) due(now time.Time) bool {
	return len(f.marks) == 0 || now.Sub(f.marks[len(f.marks)-1].written) >= markEvery
}

// add notes that everything before cursor is within the first bytes written.
func (f *inFlight) add(bytes uint64, cursor journal.Cursor, now time.Time) {
	if last := len(f.marks) - 1; last >= 0 {
		old := &f.marks[last]
		if old.bytes == bytes { // all since was excluded
			old.cursor = cursor
			return
		}
		if !f.due(now) || len(f.marks) >= maxMarks {
			*old = mark{bytes: bytes, cursor: cursor, written: old.written}
			return
		}
	}
	f.marks = append(f.marks, mark{bytes: bytes, cursor: cursor, written: now})
}

// settled takes that the first reached bytes have come to the far host, and
// returns the last mark that has been there long enough.
func (f *inFlight) settled(reached uint64, now time.Time) (last mark, ok bool) {
	n := 0
	for i := range f.marks {
		m := &f.marks[i]
		if m.reached.IsZero() && m.bytes <= reached {
			m.reached = now
		}
		nothingNew := m.bytes == f.done // all of it was excluded
		if n == i && !m.reached.IsZero() && (nothingNew || now.Sub(m.reached) >= f.settle) {
			n, last, ok, f.done = i+1, *m, true, m.bytes
		}
	}
	f.marks = append(f.marks[:0], f.marks[n:]...)
	return last, ok
}

// all returns the last mark, for an orderly end: the far end has taken
// everything.
func (f *inFlight) all() (last mark, ok bool) {
	if len(f.marks) == 0 {
		return last, false
	}
	last = f.marks[len(f.marks)-1]
	f.marks, f.done = f.marks[:0], last.bytes
	return last, true
}
