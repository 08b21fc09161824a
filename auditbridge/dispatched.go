package auditbridge

import "time"

// dispatchBook finds what auditd did not hand over, by the kernel's serials: what
// its queue for plugins had no room for, and what was on its way when we were killed
// or not connected.
type dispatchBook struct {
	serialBook
	node  string // whose serials they are: the one that was heard first
	began bool
}

// Expect says which serial was the last that is stored: those between it and the
// first that comes are missing. It is for the time before Run.
func (b *dispatchBook) Expect(serial uint32) { b.expect(serial, time.Now()) }

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
		b.see(h.ID.Serial, line)
	}
}

// Unheard says what was missed by now. One goroutine may call it.
func (b *dispatchBook) Unheard(now time.Time) (Unheard, error) { return b.unheard(now), nil }
