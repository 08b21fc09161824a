package forward

import (
	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// recordStream sends one message per record, in the order of the journal, so
// that the far end's copy of an unfiltered stream is the journal. Whether a
// record is sent is decided with its event; so records wait here until those
// before them are decided. What waits is bounded: at the bound every open event
// is ended and sent as it is.
type recordStream struct {
	pipeline
	emit  func(*auditbridge.Event)
	ends  []int // where each message of the event in scratch ends
	queue []slot
	head  int                  // of queue; what is before it is free
	next  auditbridge.Sequence // of queue[head]
	stash []byte               // of decided records that wait for earlier ones
	live  int                  // bytes of stash in use
}

// slot is one sequence between the oldest undecided record and the newest.
type slot struct {
	state state
	first auditbridge.Sequence // of its event
	at    int                  // in stash: the message, empty when excluded, then the line
	msg   int
	line  int
}

type state uint8

const (
	undecided state = iota
	decided
)

const (
	maxWaiting = 128 << 10 // records
	maxStash   = 16 << 20  // bytes
)

func newRecordStream(p pipeline) *recordStream {
	s := &recordStream{pipeline: p, next: p.cursor.At + 1}
	s.emit = s.take
	return s
}

func (s *recordStream) push(seq auditbridge.Sequence, line []byte) {
	if seq >= s.next {
		s.expect(seq)
	}
	s.reassembler.Push(seq, line, s.emit)
	s.release()
	if s.waiting() > maxWaiting || s.live > maxStash {
		s.idle(seq)
	}
}

func (s *recordStream) idle(upTo auditbridge.Sequence) {
	s.reassembler.Idle(upTo, s.emit)
	s.release()
}

func (s *recordStream) end() {
	s.reassembler.Flush(s.emit)
	s.release()
}

func (s *recordStream) waiting() int { return len(s.queue) - s.head }

// position names the events of which some records are behind the cursor and
// some before it: both those that are open and those decided and waiting. All
// of them were open at once, so they are no more than may be. The cursor is
// before the first record that waits.
func (s *recordStream) position() journal.Cursor {
	var open []auditbridge.Sequence
	for _, first := range s.reassembler.Open(nil) {
		if first <= s.cursor.At {
			open = append(open, first)
		}
	}
	for i := s.head; i < len(s.queue); i++ {
		if w := &s.queue[i]; w.state == decided && w.first <= s.cursor.At {
			open = append(open, w.first)
		}
	}
	return s.at(sortedSet(open), 0)
}

// expect makes room in the queue for seq. What waits before a gap is let go of:
// the events there are torn.
func (s *recordStream) expect(seq auditbridge.Sequence) {
	if seq > s.next+auditbridge.Sequence(s.waiting()) {
		s.end()
	}
	if s.waiting() == 0 {
		s.queue, s.head, s.next = s.queue[:0], 0, seq
	}
	if s.head > 1024 && s.head > len(s.queue)/2 {
		n := copy(s.queue, s.queue[s.head:])
		s.queue, s.head = s.queue[:n], 0
	}
	s.queue = append(s.queue, slot{state: undecided})
}

// take decides on an event that has ended, and lets go of its records or sets
// them aside until it is their turn.
func (s *recordStream) take(e *auditbridge.Event) {
	v := auditbridge.Classify(e)
	s.census.count(e, v.Class)
	sent := s.write(e, &v)
	start := 0
	for i := range e.Records {
		r := &e.Records[i]
		var message []byte
		if sent {
			message = s.scratch[start:s.ends[i]]
			start = s.ends[i]
		}
		switch {
		case r.Sequence < s.next: // before the cursor: dealt with, here for its event's sake
		case r.Sequence == s.next:
			s.queue[s.head].state = decided
			s.let(message, r.Line)
			s.release()
		default:
			s.setAside(e, r, message)
		}
	}
}

// write puts the messages of e into scratch, and reports whether e is sent. A
// match on one message is one on the event: events are not torn.
func (s *recordStream) write(e *auditbridge.Event, v *auditbridge.Verdict) (sent bool) {
	admission := s.filter.admit(e, v)
	if admission == excluded {
		return false
	}
	sent = admission == admitted
	s.format.verdict = s.format.stamped(*v)
	s.scratch, s.ends = s.scratch[:0], s.ends[:0]
	for i := range e.Records {
		start := len(s.scratch)
		s.scratch = s.format.record(s.scratch, &e.Records[i], &s.format.verdict)
		s.ends = append(s.ends, len(s.scratch))
		sent = sent || s.filter.matched(v, s.scratch[start:])
	}
	return sent
}

// let lets go of the record at the head of the queue.
func (s *recordStream) let(message, line []byte) {
	if len(message) > 0 {
		s.out = s.frame(s.out, message)
	}
	s.count(len(message) > 0, 1)
	s.reach(s.next, line)
	s.head++
	s.next++
}

// release lets go of what was set aside and has its turn now.
func (s *recordStream) release() {
	for s.head < len(s.queue) {
		switch w := &s.queue[s.head]; w.state {
		case undecided:
			return
		case decided:
			line := w.at + w.msg
			s.let(s.stash[w.at:line], s.stash[line:line+w.line])
			s.live -= w.msg + w.line
		}
	}
	if s.live == 0 {
		s.stash = s.stash[:0]
	}
}

func (s *recordStream) setAside(e *auditbridge.Event, r *auditbridge.Record, message []byte) {
	if len(s.stash) > 1<<20 && s.live < len(s.stash)/2 {
		s.compact()
	}
	w := &s.queue[s.head+int(r.Sequence-s.next)]
	*w = slot{decided, e.First, len(s.stash), len(message), len(r.Line)}
	s.stash = append(append(s.stash, message...), r.Line...)
	s.live += len(message) + len(r.Line)
}

// compact drops the bytes of what has gone.
func (s *recordStream) compact() {
	kept := make([]byte, 0, 2*s.live)
	for i := s.head; i < len(s.queue); i++ {
		if w := &s.queue[i]; w.state == decided {
			at := len(kept)
			kept = append(kept, s.stash[w.at:w.at+w.msg+w.line]...)
			w.at = at
		}
	}
	s.stash = kept
}
