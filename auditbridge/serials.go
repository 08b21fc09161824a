package auditbridge

import (
	"math/bits"
	"time"
)

const (
	// serialWindow is how many serials back from the newest a record may still
	// come. A task that is preempted between taking a serial and queueing its
	// record is overtaken by others, at full rate by some thousands.
	serialWindow = 1 << 16
	// serialPatience is how long a serial may be missing before that is said. What
	// is missing is said after one to two of these.
	serialPatience = 2 * time.Second
	// serialStrays is how many serials from outside the window in a row mean that
	// the kernel counts from another number, as it does after a reboot.
	serialStrays = 64
)

// Serials finds holes in the serials that were seen. The kernel gives each event
// the next number since boot, wrapping at 2³² (kernel/audit.c, audit_serial); all
// records of an event carry it. What an exclude rule keeps from being logged, and
// what the full queue refuses, takes no number; what the rate limit or the lack of
// memory refuses, and what a socket's buffer has no room for, does.
//
// A hole is a missing event, not a record, and it is reported once: when it was
// not filled for serialPatience, or for serialWindow serials. A record that comes
// later still is none the worse for having been given up; while its serial is in the
// window it is counted as late, and is not missing after all.
//
// The zero value is ready. It allocates nothing and is not safe for use by
// several goroutines.
type Serials struct {
	begun  bool
	newest uint32
	seen   [serialWindow / 64]uint64 // by serial modulo serialWindow; those before the first count as seen
	gone   [serialWindow / 64]uint64 // of those that count as seen, which were given up
	late   uint64                    // given up, and came after all
	strays int

	marked uint32 // the newest serial …
	at     time.Time
	holes  Holes
}

// Holes are serials that did not come: how many, and the first and last of them.
type Holes struct {
	Missing     uint64
	First, Last uint32 // as the kernel counts: First may be the greater number
}

// Saw notes that a record with this serial was received.
func (s *Serials) Saw(serial uint32) {
	ahead := int32(serial - s.newest)
	switch {
	case !s.begun:
		s.restart(serial)
	case ahead > 0:
		s.advance(serial)
		s.strays = 0
	case ahead > -serialWindow:
		s.mark(serial)
		s.strays = 0
	default:
		if s.strays++; s.strays == serialStrays {
			s.giveUp(s.newest)
			s.restart(serial)
		}
	}
}

// Due reports the holes that have waited long enough by now.
func (s *Serials) Due(now time.Time) Holes {
	if now.Sub(s.at) >= serialPatience {
		s.giveUp(s.marked)
		s.marked, s.at = s.newest, now
	}
	return s.take()
}

// End reports all holes there are: nothing comes any more.
func (s *Serials) End() Holes {
	s.giveUp(s.newest)
	return s.take()
}

// Late is how many serials came after they had been reported as missing.
func (s *Serials) Late() uint64 { return s.late }

// Open tells whether a serial is missing that may still come.
func (s *Serials) Open() bool {
	for _, word := range s.seen {
		if s.begun && word != 1<<64-1 {
			return true
		}
	}
	return false
}

func (s *Serials) take() Holes {
	h := s.holes
	s.holes = Holes{}
	return h
}

func (s *Serials) restart(serial uint32) {
	s.begun, s.strays = true, 0
	s.newest, s.marked = serial, serial
	for i := range s.seen {
		s.seen[i] = 1<<64 - 1
	}
	clear(s.gone[:])
}

func (s *Serials) mark(serial uint32) {
	word, bit := serial%serialWindow/64, uint64(1)<<(serial%64)
	s.seen[word] |= bit
	if s.gone[word]&bit != 0 {
		s.gone[word] &^= bit
		s.late++
	}
}

// advance moves the window on to serial. What leaves it unseen is given up.
func (s *Serials) advance(serial uint32) {
	step := serial - s.newest
	if step > serialWindow {
		s.giveUp(s.newest)
		// Of what lies between, all but the last serialWindow serials were never in
		// the window: their places in it hold nothing that was given up already.
		s.lost(s.newest+1, step-serialWindow)
		s.newest += step - serialWindow
		step = serialWindow
	}
	for n := step; n > 0; {
		first := s.newest + 1
		count := min(n, 64-first%64) // up to the word's end
		s.slide(first, count)
		s.newest += count
		n -= count
	}
	s.mark(serial)
}

// slide makes room for count serials from first on, all in one word: those which
// stood there are older by serialWindow.
func (s *Serials) slide(first, count uint32) {
	word := &s.seen[first%serialWindow/64]
	mask := (uint64(1)<<count - 1) << (first % 64)
	s.giveUpWord(first-serialWindow, ^*word&mask)
	*word &^= mask
	s.gone[first%serialWindow/64] &^= mask
}

// giveUp gives up what is missing up to a serial of the window, that included.
func (s *Serials) giveUp(last uint32) {
	oldest := s.newest - serialWindow + 1
	if !s.begun || int32(last-oldest) < 0 { // the window has moved beyond it
		return
	}
	for serial, n := oldest, last-oldest+1; n > 0; {
		count := min(n, 64-serial%64)
		word := &s.seen[serial%serialWindow/64]
		mask := (uint64(1)<<count - 1) << (serial % 64)
		s.giveUpWord(serial, ^*word&mask)
		s.gone[serial%serialWindow/64] |= ^*word & mask
		*word |= mask
		serial += count
		n -= count
	}
}

// giveUpWord reports the serials whose bits are set; first has bit first%64.
func (s *Serials) giveUpWord(first uint32, missing uint64) {
	if missing == 0 {
		return
	}
	base := first - first%64
	s.lost(base+uint32(bits.TrailingZeros64(missing)), 1)
	s.holes.Missing += uint64(bits.OnesCount64(missing)) - 1
	s.holes.Last = base + uint32(63-bits.LeadingZeros64(missing))
}

// lost reports n serials in a row. Holes are given up in the order of serials.
func (s *Serials) lost(first, n uint32) {
	if s.holes.Missing == 0 {
		s.holes.First = first
	}
	s.holes.Missing += uint64(n)
	s.holes.Last = first + n - 1
}
