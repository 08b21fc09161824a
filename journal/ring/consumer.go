package ring

// Pending returns published lines that were not written yet, whole ones, at
// most 1 MiB of them. They stay as they are until Written.
func (r *Ring) Pending() []byte {
	return r.wholeLines(r.done.tail, r.head.Load())
}

// Position returns a place in the source that all before has been consumed from,
// and how many records have been consumed that came behind it. It is not the
// latest place there is, but one not far back: not more than what the ring holds
// twice over. "" means that the source has not said.
func (r *Ring) Position() (at string, beyond uint64) {
	for r.next == nil || r.next.end <= r.done.tail {
		if r.next != nil {
			r.passed = *r.next
		}
		latest := r.places.Load()
		if latest == nil || latest.end == r.passed.end && latest.position == r.passed.position {
			r.next = nil
			break
		}
		r.next = latest
	}
	if r.passed.position == "" {
		return "", 0
	}
	return r.passed.position, r.done.written + r.done.discarded - r.passed.received
}

// EachUnwritten calls do with all lines that are pending, piece by piece.
func (r *Ring) EachUnwritten(do func(lines []byte)) {
	for at, head := r.done.tail, r.head.Load(); at < head; {
		lines := r.wholeLines(at, head)
		do(lines)
		at += uint64(len(lines))
	}
}

// Drained reports that the producer has closed the ring and all is written.
func (r *Ring) Drained() bool {
	return r.closed.Load() && r.head.Load() == r.done.tail
}

// Wake returns a channel that delivers when there is something for the consumer
// to do: lines are pending, or the ring was closed. A spurious delivery is
// possible.
func (r *Ring) Wake() <-chan struct{} {
	return r.wake.wait(func() bool { return r.closed.Load() || r.head.Load() != r.done.tail })
}

// Intent announces that the first n bytes of Pending are about to be written at
// offset of the segment whose first sequence is segmentFirst.
func (r *Ring) Intent(segmentFirst, offset uint64, n int) {
	r.done.intent = intent{segmentFirst, offset, uint64(n)}
	r.commitConsumption()
}

// Written says that n bytes of Pending, so many records, are in the file and
// ends the intent.
func (r *Ring) Written(n, records int) {
	r.done.intent = intent{}
	r.done.tail += uint64(n)
	r.done.written += uint64(records)
	r.commitConsumption()
	r.written.Store(r.done.written)
	r.tail.Store(r.done.tail)
	r.space.ring()
}

// Discard gives up the first n bytes of Pending, so many records: the journal
// cannot store them. They count as refused, the serials of the first and last
// of them among the refused ones' serials.
func (r *Ring) Discard(n, records int, firstSerial, lastSerial uint32) {
	if r.done.untold == 0 {
		r.done.firstDiscarded = firstSerial
	}
	if r.done.untold == uint64(r.done.told.discarded) {
		r.firstFresh = firstSerial
	}
	r.done.lastDiscarded = lastSerial
	r.done.untold += uint64(records)
	r.done.discarded += uint64(records)
	r.done.intent = intent{}
	r.done.tail += uint64(n)
	r.commitConsumption()
	r.discarded.Store(r.done.discarded)
	r.tail.Store(r.done.tail)
	r.space.ring()
}

// Left returns, after Open, the write that was under way when the process
// before died: none, some or all of the first n bytes of Pending may stand at
// offset of that segment. n is 0 when there was none.
func (r *Ring) Left() (segmentFirst, offset uint64, n int) {
	i := r.done.intent
	return i.segment, i.offset, int(i.n)
}

// Refused returns how many records were refused, by the producer or by Discard,
// that Told has not heard of, and the serials of the first and the last of them.
func (r *Ring) Refused() (n int, firstSerial, lastSerial uint32) {
	n = int(r.refused.Load()-r.done.noted) - int(r.done.told.refused)
	discarded := int(r.done.untold) - int(r.done.told.discarded)
	serials := r.refusedSerials.Load()
	first, last := uint32(serials>>32), uint32(serials)
	if discarded > 0 {
		first = r.firstFresh // what is in the ring came before what found it full
		if n == 0 {
			last = r.done.lastDiscarded
		}
	}
	return n + discarded, first, last
}

// Abandon says that nothing behind offset of that segment counts as stored: a
// failing disk may have lost it. With it so many more of the records written are
// lost. Segment 0 says that there is no such place any more.
func (r *Ring) Abandon(segmentFirst, offset uint64, lost int) {
	r.done.abandoned = point{segmentFirst, offset}
	r.done.lost += uint32(lost)
	r.commitConsumption()
}

// Abandoned returns, after Open, the place behind which the process before gave
// up what it had written. segmentFirst is 0 when there is none.
func (r *Ring) Abandoned() (segmentFirst, offset uint64) {
	return r.done.abandoned.segment, r.done.abandoned.offset
}

// Found says that so many records stand behind the abandoned place after all.
// They are of those lost or, when a write was cut short, of those refused.
func (r *Ring) Found(records int) {
	lost := min(uint64(records), uint64(r.done.lost))
	refused := min(uint64(records)-lost, r.done.untold)
	r.done.lost -= uint32(lost)
	r.done.untold -= refused
	r.done.discarded -= refused
	r.done.written += refused
	r.done.abandoned = point{}
	r.commitConsumption()
	r.discarded.Store(r.done.discarded)
	r.written.Store(r.done.written)
}

// Lost returns how many records written are lost that Told has not heard of.
func (r *Ring) Lost() int { return int(r.done.lost - r.done.told.lost) }

// Told says that the note at a sequence tells of as many refused records as
// Refused has returned since the last Discard, and of as many lost ones. With 0
// of each it says that the notes before stand at another place now.
func (r *Ring) Told(at uint64, refused, lost int) {
	t := &r.done.told
	if t.at = at; refused > 0 {
		t.refused += uint32(uint64(refused) - (r.done.untold - uint64(t.discarded)))
		t.discarded = uint32(r.done.untold)
	}
	t.lost += uint32(lost)
	r.commitConsumption()
}

// Telling returns the sequence that Told was last given, 0 when that is settled.
func (r *Ring) Telling() uint64 { return r.done.told.at }

// Settle ends the count of what notes tell of, when they stand at or before a
// sequence.
func (r *Ring) Settle(durable uint64) {
	if t := r.done.told; t.at != 0 && t.at <= durable {
		r.done.noted += uint64(t.refused)
		r.done.untold -= uint64(t.discarded)
		r.done.lost -= t.lost
		r.done.firstDiscarded = r.firstFresh
		r.done.told = told{}
		r.commitConsumption()
		r.noted.Store(r.done.noted)
	}
}

// Untold says that the notes are gone: all is to be told once more.
func (r *Ring) Untold() {
	r.done.told, r.firstFresh = told{}, r.done.firstDiscarded
	r.commitConsumption()
}

// Replay appends to dst the last n bytes that were written, if the producer has
// not overwritten them since: what a failed fsync may have taken from the file.
func (r *Ring) Replay(dst []byte, n int) (replayed []byte, ok bool) {
	if uint64(n) > min(r.size, r.done.tail) {
		return dst, false
	}
	for at, end := r.done.tail-uint64(n), r.done.tail; at < end; {
		i := at % r.size
		part := r.data[i:min(r.size, i+end-at)]
		dst = append(dst, part...)
		at += uint64(len(part))
	}
	// The producer announces how far it may write before it does.
	return dst, r.reach.Load() <= r.done.tail-uint64(n)+r.size
}

func (r *Ring) commitConsumption() {
	turn := r.control.consumedTurn.Load() + 1
	r.control.consumed[turn&1] = r.done
	r.control.consumedTurn.Store(turn)
}
