package main

import "time"

// lostCounter follows the kernel's counter of lost records, which anybody with the
// right to may reset. A counter that falls was reset: at 2³² losses, where it wraps,
// nobody is left to count. It is pure.
type lostCounter struct {
	last   int64     // as last read, less what records of resets have told since; negative by what was lost unread
	fell   time.Time // since when it reads less than last, and no record says why; zero when it does not
	before uint64    // what it had been when an unexplained reset was believed
}

// resetPatience is how long the record of a reset may be under way, behind others.
const resetPatience = 5 * time.Second

// reset takes a reset by its record: what the counter stood at.
func (c *lostCounter) reset(old uint64) { c.last -= int64(old) }

// read takes what the counter says now and returns how many records were lost
// since. unexplained says that it was reset without a record: none is made while
// audit is off, and rules may exclude it. Then all it says is new, and what it
// counted between the last look and the reset is not known.
func (c *lostCounter) read(now uint64, recorded bool, at time.Time) (lost uint64, unexplained bool) {
	if int64(now) >= c.last {
		lost = uint64(int64(now) - c.last)
		c.last, c.fell = int64(now), time.Time{}
		return lost, false
	}
	if c.fell.IsZero() {
		c.fell = at
	}
	if recorded && at.Sub(c.fell) < resetPatience {
		return 0, false
	}
	c.before = uint64(c.last)
	c.last, c.fell = int64(now), time.Time{}
	return now, true
}
