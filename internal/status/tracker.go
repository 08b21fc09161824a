package status

import (
	"context"
	"sync"
	"time"
)

// window is how long a loss counts as going on.
const window = 5 * time.Second

// Tracker judges facts against those of a moment ago, so that what is lost now
// can be told from what was lost once, and remembers since when the state holds.
type Tracker struct {
	facts func() Status

	mu   sync.Mutex
	last *Status // judged at the last tick
}

// NewTracker returns a Tracker of facts, which it calls from several
// goroutines. It starts nothing.
func NewTracker(facts func() Status) *Tracker {
	return &Tracker{facts: facts}
}

// Run takes a look every few seconds until ctx ends.
func (t *Tracker) Run(ctx context.Context) error {
	tick := time.NewTicker(window)
	defer tick.Stop()
	for {
		s := t.Now()
		t.mu.Lock()
		t.last = s
		t.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Now is the judged status of this moment; the caller owns it.
func (t *Tracker) Now() *Status {
	now := time.Now()
	s := t.facts()
	s.Time = now
	t.mu.Lock()
	defer t.mu.Unlock()
	Judge(&s, t.last, now)
	return &s
}
