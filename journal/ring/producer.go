package ring

// Room returns the free space as an empty slice: lines are appended to it,
// within its capacity, and become visible by Publish. It is at most 1 MiB.
func (r *Ring) Room() []byte {
	n := uint64(min(r.Free(), overhang))
	if reach := r.made.head + n; reach > r.reach.Load() {
		r.reach.Store(reach)
	}
	at := r.made.head % r.size
	return r.data[at : at : at+n]
}

// Publish hands the first n bytes written into Room, whole lines of the given
// number of records, to the consumer, and with them what Slots.Take announced.
func (r *Ring) Publish(n, records int) {
	r.made.head += uint64(n)
	r.made.received += uint64(records)
	r.commitProduction()
	r.received.Store(r.made.received)
	r.head.Store(r.made.head)
	if r.position != "" {
		r.places.Store(&place{r.position, r.made.head, r.made.received})
		r.position = ""
	}
	if n > 0 {
		r.wake.ring()
	}
}

// At says where its source stands once what the next Publish hands over has been
// read from it, in the source's own words.
func (r *Ring) At(position string) { r.position = position }

// Refuse counts n records that were received but not stored because the ring is
// full, the serials of the first and last of them, and with them what Slots.Take
// announced.
func (r *Ring) Refuse(n int, firstSerial, lastSerial uint32) {
	r.types.mu.Lock()
	defer r.types.mu.Unlock()
	r.types.add(r.types.said)
	clear(r.types.said)
	if r.made.refused == r.noted.Load() {
		r.made.firstRefused = firstSerial
	}
	r.made.lastRefused = lastSerial
	r.made.refused += uint64(n)
	r.commitProduction()
	r.refusedSerials.Store(uint64(r.made.firstRefused)<<32 | uint64(lastSerial))
	r.refused.Store(r.made.refused)
}

// Space returns a channel that delivers when at least n bytes are free, or when
// some were freed since: whoever needs n looks again.
func (r *Ring) Space(n int) <-chan struct{} {
	return r.space.wait(func() bool { return r.Free() >= n })
}

// Slots returns the slots to receive into.
func (r *Ring) Slots() *Slots { return &r.slots }

// Close says that nothing more comes: the consumer ends when it has written
// what is pending. The mapping stays until Unmap.
func (r *Ring) Close() {
	r.closed.Store(true)
	r.wake.ring()
}

// Free returns how many bytes are free. Only the consumer makes it grow.
func (r *Ring) Free() int { return int(r.size - (r.made.head - r.tail.Load())) }

func (r *Ring) commitProduction() {
	turn := r.control.producedTurn.Load() + 1
	r.control.produced[turn&1] = r.made
	r.control.producedTurn.Store(turn)
}
