package retention

import (
	"errors"
	"time"

	"auditbridge/internal/boot"

	"golang.org/x/sys/unix"
)

// Reading is what the host's clocks say at one moment.
type Reading struct {
	Wall         time.Time
	BootID       string        // names the boot that Boot counts from
	Boot         time.Duration // since boot, with the time asleep; nobody can set it
	Synchronised bool          // the kernel has been told the true time (NTP)
}

// ReadClocks reads the host's clocks.
func ReadClocks() (Reading, error) {
	id, err := boot.ID()
	if err != nil {
		return Reading{}, err
	}
	r := Reading{Wall: time.Now().Round(0), BootID: id}
	if r.Boot, err = boot.Age(); err != nil {
		return Reading{}, err
	}
	var kernel unix.Timex
	state, err := unix.Adjtimex(&kernel)
	r.Synchronised = err == nil && state != unix.TIME_ERROR && kernel.Status&unix.STA_UNSYNC == 0
	return r, nil
}

// longestOutage is how far the wall clock may be ahead after a reboot without
// anybody vouching for it: a reboot takes time, and clocks drift.
const longestOutage = time.Hour

// Clock is the time by which segments age. Within a boot it goes no faster than
// the boot clock, however far somebody sets the wall clock; across a reboot, whose
// length nobody has measured, it believes a wall clock that is more than an hour
// ahead only when that is synchronised or root confirms it. Until then it stands
// still where it was last seen, and nothing is dropped for its age. A wall clock
// that is behind after a reboot, as without a battery, is no reason to stand still:
// it is believed when it is synchronised. The zero Clock has seen nothing and begins
// at its first reading.
type Clock struct {
	Time   time.Time     `json:"time"` // as last seen
	BootID string        `json:"boot_id"`
	Boot   time.Duration `json:"boot"`
	Behind bool          `json:"behind,omitempty"` // the wall clock was when this boot began
}

// ErrHeld means that the wall clock is not believed.
var ErrHeld = errors.New("after a reboot the clock is more than an hour ahead of when it was last seen, and not synchronised")

// Advance takes a reading and returns the time by which segments age. With
// ErrHeld that is the time as last seen.
func (c *Clock) Advance(r Reading) (time.Time, error) {
	switch {
	case c.BootID == r.BootID:
		c.Time, c.Boot = c.Time.Add(max(0, r.Boot-c.Boot)), max(c.Boot, r.Boot)
		if c.Behind && r.Synchronised {
			c.Confirm(r)
		}
	case c.BootID != "" && !r.Synchronised && r.Wall.Sub(c.Time) > longestOutage:
		return c.Time, ErrHeld
	default:
		c.Confirm(r)
		c.Behind = !r.Synchronised && r.Wall.Before(c.Time)
	}
	return c.Time, nil
}

// Confirm believes the reading's wall clock, where it is ahead.
func (c *Clock) Confirm(r Reading) {
	if r.Wall.After(c.Time) {
		c.Time = r.Wall
	}
	c.BootID, c.Boot, c.Behind = r.BootID, r.Boot, false
}

// jumped is how much further than the boot clock it went since it was was.
func (c *Clock) jumped(was Clock) time.Duration {
	passed := time.Duration(0)
	if c.BootID == was.BootID {
		passed = c.Boot - was.Boot
	}
	return c.Time.Sub(was.Time) - passed
}
