package auditbridge

import "time"

// Seen is how far Serials has come, for whoever goes on.
type Seen struct {
	Begun  bool        `json:"begun"`
	Newest uint32      `json:"newest"`
	Awaits [][2]uint32 `json:"awaits,omitempty"` // first and last of each row of serials that may still come
}

// maxAwaits bounds Seen. What is beyond it may come or not: it is not missed.
const maxAwaits = 256

// Seen says how far it has come.
func (s *Serials) Seen() Seen {
	now := Seen{Begun: s.begun, Newest: s.newest}
	if !s.Open() {
		return now
	}
	for serial, n := s.newest-serialWindow+1, 0; n < serialWindow; serial, n = serial+1, n+1 {
		if s.seen[serial%serialWindow/64]>>(serial%64)&1 == 1 {
			continue
		}
		last := len(now.Awaits) - 1
		switch {
		case last >= 0 && now.Awaits[last][1]+1 == serial:
			now.Awaits[last][1] = serial
		case len(now.Awaits) == maxAwaits:
			return now
		default:
			now.Awaits = append(now.Awaits, [2]uint32{serial, serial})
		}
	}
	return now
}

// Resume goes on from there.
func (s *Serials) Resume(from Seen) {
	if !from.Begun {
		return
	}
	s.restart(from.Newest)
	s.marked -= serialWindow // nothing has waited for long yet
	for _, row := range from.Awaits {
		if from.Newest-row[0] >= serialWindow || from.Newest-row[1] > from.Newest-row[0] {
			continue // nothing that Seen says
		}
		for serial := row[0]; serial != row[1]+1; serial++ {
			s.seen[serial%serialWindow/64] &^= 1 << (serial % 64)
		}
	}
}

// Seen says which serials came, for a source that goes on in another program. It
// is for after Run.
func (r *receiver) Seen() Seen { return r.serials.seen() }

// Expect says which serial was the last that came to a process before this one: those
// between it and the first that comes are missing. It is for the time before Run.
func (r *receiver) Expect(serial uint32) { r.serials.expect(serial, time.Now()) }

// seen has what may still come of an absence, too; to the heir it is missing like
// any other.
func (b *serialBook) seen() Seen {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.away == nil:
		return b.serials.Seen()
	case !b.away.over:
		return b.away.serials.Seen()
	}
	now := b.serials.Seen()
	now.Awaits = append(b.away.serials.Seen().Awaits, now.Awaits...)
	return now
}

func (b *serialBook) resume(from Seen) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.serials.Resume(from)
}
