package forward

import (
	"crypto/sha256"
	"slices"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// stream turns lines of the journal into framed messages, in the order of its
// shape. It is pure: the same lines from the same cursor give the same bytes.
type stream interface {
	// push takes the next line; what it lets go of is appended to the batch.
	push(seq auditbridge.Sequence, line []byte)
	// idle lets go of events that have had no record beyond upTo, because the
	// journal is quiet; end lets go of all, because it has ended.
	idle(upTo auditbridge.Sequence)
	end()
	// waiting is how many records were pushed and are not decided.
	waiting() int
	// position is the cursor for everything in the batches so far.
	position() journal.Cursor
	// batch is what is to be written; the caller empties it.
	batch() *[]byte
}

// framer appends a message to a batch as it goes over the connection.
type framer func(batch, message []byte) []byte

// newStream starts behind cursor; lines from the returned sequence on are to
// be pushed.
func newStream(c *Config, cursor journal.Cursor, seen *census, frame framer) (stream, auditbridge.Sequence) {
	seen.again()
	p := pipeline{
		census:      seen,
		filter:      newFilter(c),
		format:      newFormat(c, cursor.Journal.String()),
		frame:       frame,
		reassembler: auditbridge.NewReassembler(auditbridge.Limits{OpenCount: journal.MaxOpen}), // so that every cursor can be stored
		cursor:      cursor,
	}
	p.cursor.Open = nil
	from := p.reassembler.Resume(cursor.At, cursor.Open)
	if c.Format == FormatRecord {
		return newRecordStream(p), from
	}
	return newEventStream(p), from
}

// pipeline is what both shapes share.
type pipeline struct {
	census      *census
	filter      *filter
	format      format
	frame       framer
	reassembler *auditbridge.Reassembler
	out         []byte // framed messages
	scratch     []byte // messages of one event
	cursor      journal.Cursor
	line        []byte // the line at cursor.At, kept for its hash
	fresh       bool   // line was taken since the start
}

func (p *pipeline) batch() *[]byte { return &p.out }

// reach moves the cursor to the next line. What should lie between is gone.
func (p *pipeline) reach(seq auditbridge.Sequence, line []byte) {
	p.cursor.Missed += uint64(seq - p.cursor.At - 1)
	p.cursor.Read++
	p.cursor.At, p.fresh = seq, true
	p.line = append(p.line[:0], line...)
}

func (p *pipeline) count(sent bool, records int) {
	if sent {
		p.cursor.Delivered += uint64(records)
	} else {
		p.cursor.Excluded += uint64(records)
	}
}

// at completes the cursor with the open events, of which waiting records are
// at or before it.
func (p *pipeline) at(open []auditbridge.Sequence, waiting int) journal.Cursor {
	c := p.cursor
	if p.fresh {
		c.LineHash = lineHash(p.line)
	}
	c.Open, c.Waiting = open, uint64(waiting)
	return c
}

// lineHash is the hash a cursor keeps of a line, its LF included.
func lineHash(line []byte) [32]byte {
	h := sha256.New()
	h.Write(line)
	h.Write([]byte{'\n'})
	var sum [32]byte
	h.Sum(sum[:0])
	return sum
}

// eventStream sends one message per event, in the order in which they end.
type eventStream struct {
	pipeline
	emit func(*auditbridge.Event)
}

func newEventStream(p pipeline) *eventStream {
	s := &eventStream{pipeline: p}
	s.emit = s.take // once: a method value is an allocation
	return s
}

func (s *eventStream) push(seq auditbridge.Sequence, line []byte) {
	if seq > s.cursor.At {
		if !s.fresh {
			s.miss(s.cursor.Waiting - uint64(s.waiting()))
		}
		s.reach(seq, line)
	}
	s.reassembler.Push(seq, line, s.emit)
}

// miss is for records of open events that were read once and are gone from the
// journal now that they are needed again.
func (s *eventStream) miss(n uint64) {
	s.cursor.Read -= n
	s.cursor.Missed += n
}

func (s *eventStream) idle(upTo auditbridge.Sequence) { s.reassembler.Idle(upTo, s.emit) }
func (s *eventStream) end()                           { s.reassembler.Flush(s.emit) }
func (s *eventStream) waiting() int                   { return s.reassembler.OpenRecords() }

// position is the last line's: all that waits is behind it.
func (s *eventStream) position() journal.Cursor {
	return s.at(s.reassembler.Open(nil), s.waiting())
}

// take decides on an event that has ended.
func (s *eventStream) take(e *auditbridge.Event) {
	v := auditbridge.Classify(e)
	s.census.count(e, v.Class)
	sent := false
	if admission := s.filter.admit(e, &v); admission != excluded {
		s.scratch = s.format.appendEvent(s.scratch[:0], e, &v)
		if sent = admission == admitted || s.filter.matched(&v, s.scratch); sent {
			s.out = s.format.appendPackets(s.out, s.scratch, s.frame)
		}
	}
	s.count(sent, len(e.Records))
}

// sortedSet sorts s and drops what is there twice.
func sortedSet(s []auditbridge.Sequence) []auditbridge.Sequence {
	slices.Sort(s)
	return slices.Compact(s)
}
