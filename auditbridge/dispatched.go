package auditbridge

import (
	"sync"
	"time"
)

// dispatchBook finds what auditd did not hand over, by the kernel's serials: what
// its queue for plugins had no room for, and what was on its way when we were killed
// or not connected.
type dispatchBook struct {
	mu      sync.Mutex // held for a line at a time
	serials Serials
	missing uint64
	node    string // whose serials they are: the one that was heard first
	began   bool
	over    bool
}

// Expect says which serial was the last that is stored: those between it and the
// first that comes are missing. It is for the time before Run.
func (b *dispatchBook) Expect(serial uint32) { b.serials.Saw(serial) }

// note notes a line. auditd numbers its own records itself.
func (b *dispatchBook) note(line []byte) {
	h, ok := ParseHeader(line)
	if !ok || h.Type >= 1200 && h.Type <= 1299 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.began {
		b.node, b.began = string(h.Node), true
	}
	if string(h.Node) == b.node { // auditd may hand over other hosts' records, too
		b.serials.Saw(h.ID.Serial)
	}
}

func (b *dispatchBook) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over = true
}

// Unheard says what was missed by now. One goroutine may call it.
func (b *dispatchBook) Unheard(now time.Time) (Unheard, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	holes := b.serials.Due(now)
	if b.over {
		more := b.serials.End()
		if holes.Missing == 0 {
			holes.First = more.First
		}
		if more.Missing > 0 {
			holes.Last = more.Last
		}
		holes.Missing += more.Missing
	}
	b.missing += holes.Missing
	return Unheard{Missing: b.missing, New: holes, Late: b.serials.Late()}, nil
}
