package retention

import (
	"slices"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// closings corrects when segments were closed, where the wall clock that stamped them
// was not the Clock they age by: once it is set right they would be as old, or as
// young, as it was wrong, whoever had set it.
type closings struct {
	Open  auditbridge.Sequence `json:"open"` // first of the segment that was open at the last look; 0 before one
	Wrong []wrong              `json:"wrong,omitempty"`
}

// wrong is by how much the stamps of some segments are too early; negative, too late.
type wrong struct {
	First, Last auditbridge.Sequence
	By          time.Duration
}

const (
	grain     = time.Second // a look takes a moment
	sameStep  = time.Minute // differences below are of when we looked, not of the clock
	mostWrong = 32          // steps of the wall clock that are told apart: what has room in a slot
)

// see notes which segments were closed since the last look, which by the Clock was at
// seen: that is when, or until now. It reports whether there was any.
func (c *closings) see(segments []journal.Segment, seen, now time.Time) (closed bool) {
	if len(segments) == 0 {
		return false
	}
	was := c.Open
	c.Open = segments[len(segments)-1].First
	for _, s := range segments {
		if was == 0 || s.First < was || s.Closed.IsZero() {
			continue
		}
		early, late := seen.Sub(s.Closed), s.Closed.Sub(now)
		if early > grain {
			c.add(wrong{s.First, s.Last, early})
		} else if late > grain {
			c.add(wrong{s.First, s.Last, -late})
		}
	}
	c.Wrong = slices.DeleteFunc(c.Wrong, func(w wrong) bool { return w.Last < segments[0].First })
	return c.Open != was
}

// add widens the last entry where the clock was the same, and where there is no room
// for another: rather too young than too old.
func (c *closings) add(w wrong) {
	if n := len(c.Wrong); n > 0 {
		last := &c.Wrong[n-1]
		if n >= mostWrong || last.Last+1 == w.First && (w.By-last.By).Abs() < sameStep {
			last.Last, last.By = w.Last, max(last.By, w.By)
			return
		}
	}
	c.Wrong = append(c.Wrong, w)
}

// jump keeps those as old as they are when the Clock makes up for time that nobody
// has measured.
func (c *closings) jump(by time.Duration) {
	for i := range c.Wrong {
		c.Wrong[i].By += by
	}
}

// correct sets the closings right.
func (c *closings) correct(segments []journal.Segment) {
	for i := range segments {
		s := &segments[i]
		for _, w := range c.Wrong {
			if w.First <= s.First && s.First <= w.Last && !s.Closed.IsZero() {
				s.Closed = s.Closed.Add(w.By)
			}
		}
	}
}
