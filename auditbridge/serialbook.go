package auditbridge

import (
	"sync"
	"time"
)

// Unheard is what was sent and did not come, as far as is known, since the source
// was opened.
type Unheard struct {
	Dropped uint64    // records that found no room in a listener's socket
	Missing uint64    // serials that did not come; each is an event of one record or more
	New     Holes     // of Missing, what was not reported before …
	Away    Holes     // … and, not in New, what of that passed before we heard …
	Back    time.Time // … which is since then
	Late    uint64    // of Missing, what came after it was reported
}

// serialBook counts the serials that a source sees, for another goroutine that
// asks what is missing. The source holds mu for a batch at a time.
type serialBook struct {
	mu      sync.Mutex
	serials Serials
	away    *absence // nil: what came last before us is not known
	total   uint64   // of the missing ones, as reported
	ended   bool     // nothing comes any more
}

func (b *serialBook) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
}

// open is Serials.Open.
func (b *serialBook) open() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.serials.Open()
}

// unheard says which serials are missing by now. One goroutine may call it.
func (b *serialBook) unheard(now time.Time) (u Unheard) {
	b.mu.Lock()
	defer b.mu.Unlock()
	missing := func(s *Serials) Holes {
		u.Late += s.Late()
		if b.ended {
			return s.End()
		}
		return s.Due(now)
	}
	if a := b.away; a != nil {
		if a.outlived(now) {
			b.goOn()
		}
		u.Back, u.Away = a.until, missing(&a.serials)
	}
	u.New = missing(&b.serials)
	b.total += u.New.Missing + u.Away.Missing
	u.Missing = b.total
	return u
}

// saw notes a record the kernel sent. Numbers that a daemon gave are no serials.
func (b *serialBook) saw(t RecordType, text []byte) {
	if serial, ok := serialOf(text); ok && !isOwn(t, serial) {
		b.see(serial, text)
	}
}

// see notes a serial, which stands in text.
func (b *serialBook) see(serial uint32, text []byte) {
	if a := b.away; a != nil && a.takes(serial) {
		a.serials.Saw(serial)
		if a.endsWith(text) {
			b.goOn()
		}
		return
	}
	b.serials.Saw(serial)
}
