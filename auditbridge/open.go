package auditbridge

// openEvents are the events that wait for more records, with the queues by
// which they end. Ended ones are kept for reuse, so that in steady state
// nothing is allocated.
type openEvents struct {
	byKey     map[eventKey]*openEvent
	all       queue // in the order they opened
	lingering queue // in the order only EOE was missing
	bytes     int
	records   int
	held      int        // capacity of all buffers, also of those kept for reuse
	free      *openEvent // linked by links[inAll].next
}

// openEvent is an event while it waits, its lines one after another in bytes.
type openEvent struct {
	event   Event
	key     eventKey
	bytes   []byte
	first   Sequence
	opened  int64    // the node's newest time then, in milliseconds
	lingers Sequence // where it began to linger; 0 when it does not
	links   [3]link
}

type link struct{ prev, next *openEvent }

// Which of an event's links a queue uses.
const (
	inAll = iota
	inNode
	inLingering
)

// keptBytes bounds the buffer an ended event keeps for its successor, and
// heldBytes all buffers together: beyond it none is kept. Whatever comes, memory
// is at most that and twice Limits.OpenBytes.
const (
	keptBytes = 32 << 10
	heldBytes = 24 << 20
)

func newOpenEvents() openEvents {
	return openEvents{
		byKey:     map[eventKey]*openEvent{},
		all:       queue{index: inAll},
		lingering: queue{index: inLingering},
	}
}

func (o *openEvents) add(key eventKey, first Sequence, now int64) *openEvent {
	e := o.free
	if e == nil {
		e = &openEvent{}
	} else {
		o.free = e.links[inAll].next
		e.links[inAll].next = nil
	}
	e.key, e.first, e.opened = key, first, now
	e.event.ID = EventID{key.node.name, key.seconds, key.millis, key.serial}
	e.event.First = first
	o.byKey[key] = e
	o.all.push(e)
	key.node.queue.push(e)
	return e
}

func (o *openEvents) append(e *openEvent, r Record, line []byte) {
	r.start = len(e.bytes)
	before := cap(e.bytes)
	e.bytes = append(e.bytes, line...)
	o.held += cap(e.bytes) - before
	r.end = len(e.bytes)
	e.event.Records = append(e.event.Records, r)
	e.event.Last = r.Sequence
	o.bytes += len(line)
	o.records++
}

// linger marks e as lacking at most its EOE.
func (o *openEvents) linger(e *openEvent, seq Sequence) {
	if e.lingers == 0 {
		e.lingers = seq
		o.lingering.push(e)
	}
}

func (o *openEvents) remove(e *openEvent) {
	delete(o.byKey, e.key)
	o.all.remove(e)
	e.key.node.queue.remove(e)
	if e.lingers != 0 {
		o.lingering.remove(e)
	}
	o.bytes -= len(e.bytes)
	o.records -= len(e.event.Records)
}

// resolve points the records at their bytes, which move no more.
func (e *openEvent) resolve() *Event {
	for i := range e.event.Records {
		r := &e.event.Records[i]
		r.Line = e.bytes[r.start:r.end:r.end]
	}
	return &e.event
}

func (o *openEvents) recycle(e *openEvent) {
	bytes, records := e.bytes[:0], e.event.Records[:0]
	if cap(bytes) > keptBytes || o.held > heldBytes {
		o.held -= cap(bytes)
		bytes, records = nil, nil
	}
	*e = openEvent{bytes: bytes, event: Event{Records: records}}
	e.links[inAll].next = o.free
	o.free = e
}

// queue is a doubly linked list through events' own links.
type queue struct {
	head, tail *openEvent
	count      int
	index      int
}

func (q *queue) push(e *openEvent) {
	l := &e.links[q.index]
	l.prev, l.next = q.tail, nil
	if q.tail == nil {
		q.head = e
	} else {
		q.tail.links[q.index].next = e
	}
	q.tail = e
	q.count++
}

func (q *queue) remove(e *openEvent) {
	l := &e.links[q.index]
	if l.prev == nil {
		q.head = l.next
	} else {
		l.prev.links[q.index].next = l.next
	}
	if l.next == nil {
		q.tail = l.prev
	} else {
		l.next.links[q.index].prev = l.prev
	}
	*l = link{}
	q.count--
}
