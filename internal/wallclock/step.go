// Package wallclock notices that somebody sets the host's clock, and finds in the
// kernel's records who it was.
package wallclock

import (
	"time"

	"auditbridge/internal/boot"
)

// Reading is what the host's clock says, and the clock that nobody can set, at
// one moment.
type Reading struct {
	Wall time.Time
	Boot time.Duration // since boot, with the time asleep
}

// readingApart is how far apart two looks at the clocks may be to count as one
// moment; who is kept from running in between looks again.
const readingApart = time.Millisecond

// Read reads both clocks, as close together as it gets in a few tries.
func Read() (best Reading, err error) {
	closest := time.Duration(-1)
	for range 5 {
		before, err := boot.Age()
		if err != nil {
			return Reading{}, err
		}
		wall := time.Now().Round(0)
		after, err := boot.Age()
		if err != nil {
			return Reading{}, err
		}
		if apart := after - before; closest < 0 || apart < closest {
			closest, best = apart, Reading{wall, before + apart/2}
		}
		if closest <= readingApart {
			break
		}
	}
	return best, nil
}

// What may lie between two readings without a step: the kernel slews its clock by
// at most 500 ppm for adjtime(3) and as much for its frequency (kernel/time/ntp.c,
// MAXFREQ), and a reading is not sharper than whoever reads gets to run.
const (
	slew      = 1000 // parts per million
	sharpness = 50 * time.Millisecond
)

// Step is a jump of the host's clock: at one and the same moment it would have
// shown Old, and showed New. The moment is that of the look, not of the jump.
type Step struct{ Old, New time.Time }

// Follower tells steps from what a clock does otherwise. It is pure; the zero
// Follower has seen nothing.
type Follower struct {
	last Reading
	seen bool
}

// Read takes a reading and tells of a step since the one before.
func (f *Follower) Read(r Reading) (s Step, stepped bool) {
	last, seen := f.last, f.seen
	f.last, f.seen = r, true
	if !seen {
		return Step{}, false
	}
	passed := r.Boot - last.Boot
	s = Step{Old: last.Wall.Add(passed), New: r.Wall}
	return s, s.New.Sub(s.Old).Abs() > sharpness+passed*slew/1_000_000
}
