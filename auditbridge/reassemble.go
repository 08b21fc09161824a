package auditbridge

import (
	"strings"
	"time"
)

// Limits bound what a Reassembler waits for and holds. A zero field stands for
// the value in DefaultLimits.
type Limits struct {
	Timeout    time.Duration // stream time an event may stay open
	Distance   Sequence      // records that may arrive after an event's first one
	Linger     Sequence      // the same after PROCTITLE, while only EOE can still come
	Memory     Sequence      // records for which an ended event is remembered, rounded up to two halves
	OpenCount  int           // events open at once
	OpenBytes  int           // bytes of lines in open events
	EventBytes int           // bytes of lines in one of them; by default no bound of its own
}

// DefaultLimits are auditd's two seconds (auparse's end_of_event_timeout) and
// what keeps memory small. Linger is the kernel's usual backlog: a process that
// is held back between PROCTITLE and EOE is behind by that much.
var DefaultLimits = Limits{
	Timeout: 2 * time.Second, Distance: 100_000, Linger: 8192, Memory: 8192,
	OpenCount: 32_768, OpenBytes: 16 << 20,
}

// Reassembler joins records to events. It is a pure function of the lines it
// is given, but for Idle and Flush: the same lines give the same events, also
// when taken up again from a cursor (Resume). Events are told apart by node,
// time and serial, and each is handed out as soon as it ends, whatever other
// events wait for:
//
//   - an EOE record ends its event;
//   - a record of role single ends it, unless "subj=?" announces the
//     MAC_TASK_CONTEXTS record of a kernel with several security modules;
//   - PROCTITLE does not, but shortens the wait for EOE to Limits.Linger;
//   - else it ends when the newest time seen on its node is Timeout beyond what
//     it was when the event opened (not beyond the event's own time, which is
//     that of a syscall's entry and may be hours old), or at Distance;
//   - a daemon's own record (1200–1299, ours among them) is an event by itself,
//     as is a line that is no record, and a record that comes after its event
//     has ended (EndLate).
//
// Stream time looks back over the last Memory records only, so that a clock
// set back, or forward by mistake, is soon forgotten.
type Reassembler struct {
	limits Limits
	half   Sequence // limits.Memory / 2
	open   openEvents
	last   *openEvent // the event of the previous record, when still open
	nodes  map[string]*node
	lone   Event // handed out for events of one record; owns no bytes

	epoch            Sequence // current half of memory
	ended, endedPrev map[eventKey]struct{}

	resumeAt   Sequence // up to here records only rebuild what was open
	resumeOpen []Sequence
	newest     Sequence // last sequence pushed
	dropped    uint64
}

// node is one host in the stream, with its newest time (milliseconds) in the
// current and the previous half of memory.
type node struct {
	name       string
	time, prev int64
	seen       Sequence // epoch
	queue      queue
}

type eventKey struct {
	node    *node
	seconds int64
	serial  uint32
	millis  uint16
}

// NewReassembler returns a Reassembler for a stream from its beginning.
func NewReassembler(l Limits) *Reassembler {
	l = l.withDefaults()
	return &Reassembler{
		limits: l, half: (l.Memory + 1) / 2,
		open:  newOpenEvents(),
		nodes: map[string]*node{},
		lone:  Event{Records: make([]Record, 1)},
		ended: map[eventKey]struct{}{}, endedPrev: map[eventKey]struct{}{},
	}
}

func (l Limits) withDefaults() Limits {
	d := DefaultLimits
	setDefault(&l.Timeout, d.Timeout)
	setDefault(&l.Distance, d.Distance)
	setDefault(&l.Linger, d.Linger)
	setDefault(&l.Memory, d.Memory)
	setDefault(&l.OpenCount, d.OpenCount)
	setDefault(&l.OpenBytes, d.OpenBytes)
	setDefault(&l.EventBytes, l.OpenBytes)
	return l
}

func setDefault[T int | time.Duration | Sequence](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

// Push takes the next line, without its LF, and calls emit for every event it
// ends, in a fixed order. seq grows with every call. The line may be reused
// when Push returns. Push allocates nothing in steady state.
func (r *Reassembler) Push(seq Sequence, line []byte, emit func(*Event)) {
	h, ok := ParseHeader(line)
	r.PushParsed(seq, line, h, ok, emit)
}

// PushParsed is Push for a caller who has looked for the line's header already,
// as ParseHeader or ParseFramed; ok is false for a line that is no record.
func (r *Reassembler) PushParsed(seq Sequence, line []byte, h Header, ok bool, emit func(*Event)) {
	r.newest = seq
	r.turn(seq)
	if !ok {
		r.alone(seq, line, Header{}, nil, EndMalformed, emit)
		return
	}
	n := r.nodeOf(h.Node)
	n.advance(h.ID.Seconds*1000+int64(h.ID.Millis), r.epoch)
	if seq > r.resumeAt {
		r.expire(seq, n, emit)
	}
	if 1200 <= h.Type && h.Type <= 1299 {
		r.alone(seq, line, h, n, EndComplete, emit)
		return
	}
	r.join(seq, line, h, n, emit)
}

// join adds the record to its event and ends it when the record says so.
func (r *Reassembler) join(seq Sequence, line []byte, h Header, n *node, emit func(*Event)) {
	key := eventKey{n, h.ID.Seconds, h.ID.Serial, h.ID.Millis}
	e := r.last
	if e == nil || e.key != key {
		e = r.open.byKey[key]
	}
	role := kindOf(h.Type).role
	if e == nil {
		switch {
		case seq <= r.resumeAt && !r.wasOpen(seq):
			r.remember(key, seq)
			return
		case seq > r.resumeAt && r.isEnded(key):
			r.remember(key, seq)
			r.alone(seq, line, h, n, EndLate, emit)
			return
		case role == Single && !announcesContexts(line[h.Body:]):
			r.remember(key, seq)
			r.alone(seq, line, h, n, EndComplete, emit)
			return
		}
		e = r.open.add(key, seq, n.now())
	}
	r.open.append(e, Record{Sequence: seq, Type: h.Type, Body: h.Body}, line)
	r.last = e
	switch {
	case role == End:
		r.end(e, seq, EndEOE, emit)
	case role == Last, role == Single:
		r.open.linger(e, seq)
	case h.Type == typeTaskContexts && kindOf(e.event.Records[0].Type).role == Single:
		r.end(e, seq, EndComplete, emit)
	case len(e.bytes) > r.limits.EventBytes && seq > r.resumeAt:
		r.dropped++
		r.end(e, seq, EndLimit, emit)
	}
	r.bound(seq, emit)
}

const typeTaskContexts RecordType = 1425

// announcesContexts reports whether the kernel stamped "subj=?": several
// security modules have a label, and a MAC_TASK_CONTEXTS record of the same
// serial follows (kernel/audit.c, audit_log_subj_ctx). What a program wrote,
// behind msg=, is not looked at.
func announcesContexts(body []byte) bool {
	if i := messageStart(body); i >= 0 {
		body = body[:i]
	}
	const label = "subj=?"
	i := findKey(body, []byte(label))
	return i >= 0 && (i+len(label) == len(body) || body[i+len(label)] == ' ')
}

// expire ends what has waited long enough, oldest first.
func (r *Reassembler) expire(seq Sequence, n *node, emit func(*Event)) {
	for e := r.open.all.head; e != nil && seq-e.first >= r.limits.Distance; e = r.open.all.head {
		r.end(e, seq, EndTimeout, emit)
	}
	for e := r.open.lingering.head; e != nil && seq-e.lingers >= r.limits.Linger; e = r.open.lingering.head {
		r.end(e, seq, EndComplete, emit)
	}
	for e := n.queue.head; e != nil && n.now()-e.opened >= r.limits.Timeout.Milliseconds(); e = n.queue.head {
		reason := EndTimeout
		if e.lingers != 0 {
			reason = EndComplete
		}
		r.end(e, seq, reason, emit)
	}
}

// bound ends the oldest events while more is open than may be.
func (r *Reassembler) bound(seq Sequence, emit func(*Event)) {
	if seq <= r.resumeAt {
		return
	}
	for r.open.all.count > r.limits.OpenCount || r.open.bytes > r.limits.OpenBytes {
		e, reason := r.open.all.head, EndLimit
		if e.lingers != 0 {
			reason = EndComplete
		} else {
			r.dropped++
		}
		r.end(e, seq, reason, emit)
	}
}

// end hands e out and takes it back.
func (r *Reassembler) end(e *openEvent, seq Sequence, why EndReason, emit func(*Event)) {
	if r.last == e {
		r.last = nil
	}
	r.open.remove(e)
	r.remember(e.key, e.event.Last)
	e.event.Completed, e.event.End = seq, why
	if seq > r.resumeAt {
		emit(e.resolve())
	}
	r.open.recycle(e)
}

// alone hands out an event of one record; its bytes are the caller's.
func (r *Reassembler) alone(seq Sequence, line []byte, h Header, n *node, why EndReason, emit func(*Event)) {
	if seq <= r.resumeAt {
		return
	}
	e := &r.lone
	e.ID = h.ID
	if n != nil {
		e.ID.Node = n.name
	}
	e.Records[0] = Record{Sequence: seq, Type: h.Type, Line: line, Body: h.Body}
	e.First, e.Last, e.Completed, e.End = seq, seq, seq, why
	emit(e)
	e.Records[0].Line = nil
}

// Idle ends the open events that have had no record beyond upTo, because the
// stream has been quiet since. Its owner decides when that is; it is the only
// place where wall time comes in.
func (r *Reassembler) Idle(upTo Sequence, emit func(*Event)) { r.endUpTo(upTo, EndIdle, emit) }

// Flush ends everything that is open because the stream has ended.
func (r *Reassembler) Flush(emit func(*Event)) { r.endUpTo(r.newest, EndOfStream, emit) }

func (r *Reassembler) endUpTo(upTo Sequence, why EndReason, emit func(*Event)) {
	for e := r.open.all.head; e != nil && e.first <= upTo; {
		next, reason := e.links[inAll].next, why
		if e.lingers != 0 {
			reason = EndComplete
		}
		if e.event.Last <= upTo {
			r.end(e, r.newest, reason, emit)
		}
		e = next
	}
}

// Open appends the first sequences of the open events, in ascending order.
func (r *Reassembler) Open(dst []Sequence) []Sequence {
	for e := r.open.all.head; e != nil; e = e.links[inAll].next {
		dst = append(dst, e.first)
	}
	return dst
}

// OpenRecords returns how many records are in open events.
func (r *Reassembler) OpenRecords() int { return r.open.records }

// OverLimit returns how many events were ended because too much was open.
func (r *Reassembler) OverLimit() uint64 { return r.dropped }

// Resume prepares a new Reassembler for the place a cursor names: all events
// that had ended by record at were dealt with; open holds the first sequences
// of those that had not, ascending. The lines from the returned sequence on
// are to be pushed; up to at they only rebuild what was known there, and no
// event is emitted.
func (r *Reassembler) Resume(at Sequence, open []Sequence) (from Sequence) {
	r.resumeAt, r.resumeOpen = at, append([]Sequence(nil), open...)
	from = at
	if len(open) > 0 {
		from = min(from, open[0])
	}
	epoch := from / r.half
	if epoch == 0 {
		return 1
	}
	return max(1, (epoch-1)*r.half)
}

// wasOpen reports whether an open event of the cursor begins at seq.
func (r *Reassembler) wasOpen(seq Sequence) bool {
	for len(r.resumeOpen) > 0 && r.resumeOpen[0] < seq {
		r.resumeOpen = r.resumeOpen[1:]
	}
	return len(r.resumeOpen) > 0 && r.resumeOpen[0] == seq
}

// keptNodes is how many silent nodes are remembered, so as not to make them anew.
const keptNodes = 256

// turn forgets the older half of memory when a new half begins. Halves are
// fixed by the sequence alone, so that a resumed stream forgets alike.
func (r *Reassembler) turn(seq Sequence) {
	epoch := seq / r.half
	if epoch == r.epoch {
		return
	}
	r.ended, r.endedPrev = r.endedPrev, r.ended
	clear(r.ended)
	if epoch > r.epoch+1 {
		clear(r.endedPrev)
	}
	r.epoch = epoch
	if len(r.nodes) > keptNodes {
		for name, n := range r.nodes {
			if n.queue.head == nil && n.seen+1 < epoch {
				delete(r.nodes, name)
			}
		}
	}
}

// remember notes that a record at seq belongs to an event that has ended.
func (r *Reassembler) remember(key eventKey, seq Sequence) {
	switch seq / r.half {
	case r.epoch:
		r.ended[key] = struct{}{}
	case r.epoch - 1:
		r.endedPrev[key] = struct{}{}
	}
}

func (r *Reassembler) isEnded(key eventKey) bool {
	if _, ok := r.ended[key]; ok {
		return true
	}
	_, ok := r.endedPrev[key]
	return ok
}

func (r *Reassembler) nodeOf(name []byte) *node {
	if n := r.nodes[string(name)]; n != nil {
		return n
	}
	n := &node{name: strings.Clone(string(name))}
	n.queue.index = inNode
	r.nodes[n.name] = n
	return n
}

// advance takes the time of a record.
func (n *node) advance(millis int64, epoch Sequence) {
	switch {
	case n.seen == epoch:
	case n.seen+1 == epoch:
		n.prev, n.time = n.time, 0
	default:
		n.prev, n.time = 0, 0
	}
	n.seen, n.time = epoch, max(n.time, millis)
}

func (n *node) now() int64 { return max(n.time, n.prev) }
