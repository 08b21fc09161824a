package auditbridge

import (
	"sync/atomic"
	"time"
)

// Hearing says whether a source that depends on another program's file or
// socket has it.
type Hearing struct {
	Since time.Time
	Err   error // why it does not; nil when it does
}

// hearing is a Hearing that one goroutine sets and any reads.
type hearing struct{ now atomic.Pointer[Hearing] }

// Hearing may be called from any goroutine.
func (h *hearing) Hearing() Hearing {
	if now := h.now.Load(); now != nil {
		return *now
	}
	return Hearing{}
}

// turn notes that the source hears (err nil) or not, and why; it tells whether
// that is another answer than before.
func (h *hearing) turn(err error) (changed bool) {
	before := h.now.Load()
	if before != nil && (before.Err == nil) == (err == nil) {
		h.now.Store(&Hearing{before.Since, err})
		return false
	}
	h.now.Store(&Hearing{time.Now(), err})
	return true
}
