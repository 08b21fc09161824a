package retention

import (
	"slices"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// closings corrects when segments were closed, where the wall clock that stamped them
// was behind the Clock they age by: once it is set right they would be as old as it
// was wrong, whoever had set it.
type closings struct {
	Open   auditbridge.Sequence `json:"open"` // first of the segment that was open at the last look; 0 before one
	Behind []behind             `json:"behind,omitempty"`
}

// behind is by how much the stamps of some segments are.
type behind struct {
	First, Last auditbridge.Sequence
	By          time.Duration
}

const (
	sameStep   = time.Minute // differences below are of when we looked, not of the clock
	mostBehind = 32          // steps of the wall clock that are told apart: what has room in a slot
)

// see notes which segments were closed since the last look, which by the Clock was at
// seen: they are no older than that. It reports whether there was any.
func (c *closings) see(segments []journal.Segment, seen time.Time) (closed bool) {
	if len(segments) == 0 {
		return false
	}
	was := c.Open
	c.Open = segments[len(segments)-1].First
	for _, s := range segments {
		if was != 0 && s.First >= was && s.Closed.Before(seen) && !s.Closed.IsZero() {
			c.add(behind{s.First, s.Last, seen.Sub(s.Closed)})
		}
	}
	c.Behind = slices.DeleteFunc(c.Behind, func(b behind) bool { return b.Last < segments[0].First })
	return c.Open != was
}

// add widens the last entry where the clock was the same, and where there is no room
// for another: rather too young than too old.
func (c *closings) add(b behind) {
	if n := len(c.Behind); n > 0 {
		last := &c.Behind[n-1]
		if n >= mostBehind || last.Last+1 == b.First && (b.By-last.By).Abs() < sameStep {
			last.Last, last.By = b.Last, max(last.By, b.By)
			return
		}
	}
	c.Behind = append(c.Behind, b)
}

// jump keeps those as old as they are when the Clock makes up for time that nobody
// has measured.
func (c *closings) jump(by time.Duration) {
	for i := range c.Behind {
		c.Behind[i].By += by
	}
}

// correct sets the closings right.
func (c *closings) correct(segments []journal.Segment) {
	for i := range segments {
		s := &segments[i]
		for _, b := range c.Behind {
			if b.First <= s.First && s.First <= b.Last && !s.Closed.IsZero() {
				s.Closed = s.Closed.Add(b.By)
			}
		}
	}
}
