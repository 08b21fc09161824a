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
// that RefusalNoted has not been told of, and the serials of the first and the
// last of them.
func (r *Ring) Refused() (n int, firstSerial, lastSerial uint32) {
	n = int(r.refused.Load() - r.done.noted)
	serials := r.refusedSerials.Load()
	first, last := uint32(serials>>32), uint32(serials)
	if r.done.untold > 0 {
		first = r.done.firstDiscarded // what is in the ring came before what found it full
		if n == 0 {
			last = r.done.lastDiscarded
		}
	}
	return n + int(r.done.untold), first, last
}

// RefusalNoted says that a note in the journal tells of the n records Refused
// has returned, since when nothing was discarded.
func (r *Ring) RefusalNoted(n int) {
	r.done.noted += uint64(n) - r.done.untold
	r.done.untold = 0
	r.commitConsumption()
	r.noted.Store(r.done.noted)
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
