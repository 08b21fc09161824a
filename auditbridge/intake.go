package auditbridge

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"auditbridge/journal/ring"
)

// Overload says what a source does when the ring is nearly full because the
// disk does not keep up.
type Overload string

const (
	// ProtectAudit stops receiving for a bounded time, so that the kernel (or the
	// pipe) holds back the processes that are being audited, and then goes on as
	// with ProtectHost.
	ProtectAudit Overload = "protect-audit"
	// ProtectHost holds nobody back: what finds the ring full is counted and lost.
	ProtectHost Overload = "protect-host"
)

// Pressure is a source's behaviour under overload.
type Pressure struct {
	Overload Overload      // "" means ProtectAudit
	HoldBack time.Duration // how long ProtectAudit holds back; 0 means 10 s
}

func (p *Pressure) complete() error {
	if p.Overload == "" {
		p.Overload = ProtectAudit
	}
	if p.HoldBack == 0 {
		p.HoldBack = 10 * time.Second
	}
	if p.Overload != ProtectAudit && p.Overload != ProtectHost {
		return fmt.Errorf("overload %q: must be %q or %q", p.Overload, ProtectAudit, ProtectHost)
	}
	if p.HoldBack < 0 {
		return errors.New("the time to hold back processes must not be negative")
	}
	return nil
}

// intake puts lines into the ring and commits many of them at once. What is
// not committed when the process dies was never taken from the slots either.
type intake struct {
	ring    *ring.Ring
	slots   *ring.Slots // nil when records do not come through slots
	room    []byte      // lines written into the ring's free space, not yet published
	records int
	before  func() // called before lines are published; nil: nothing is to be done
	taken   int    // messages of the slots' batch dealt with

	refusing    bool // until a quarter of the ring is free again
	refused     int
	first, last uint32 // serials of the refused ones
}

// admit tells whether a line of MaxLine bytes can be appended to room. If not,
// the caller refuses its record. A record is never admitted while others are
// refused, until a quarter of the ring is free: a gap is better than a sieve.
func (in *intake) admit() bool {
	if cap(in.room)-len(in.room) >= MaxLine {
		return true
	}
	if in.refusing && in.ring.Free() < in.ring.Size()/4 {
		return false
	}
	in.commit()
	in.room = in.ring.Room()
	in.refusing = cap(in.room) < MaxLine
	if in.refusing {
		in.room = nil
	}
	return !in.refusing
}

// refuse counts a record that found no room, 0 when its type is not known. text is
// the record's text or its whole line.
func (in *intake) refuse(t RecordType, text []byte) {
	in.ring.OfType(uint16(t))
	serial, _ := serialOf(text)
	if in.refused == 0 {
		in.first = serial
	}
	in.last = serial
	in.refused++
}

// commit makes what was done since the last commit final, all of it at once:
// records are either admitted or refused in between, never both.
func (in *intake) commit() {
	if in.slots != nil {
		in.slots.Take(in.taken)
	}
	if in.refused > 0 {
		in.ring.Refuse(in.refused, in.first, in.last)
		in.refused = 0
		return
	}
	if in.before != nil {
		in.before()
	}
	in.ring.Publish(len(in.room), in.records)
	in.room, in.records = nil, 0
}

// serialOf finds the serial in "audit(SEC.MMM:SERIAL)".
func serialOf(text []byte) (serial uint32, ok bool) {
	_, rest, _ := bytes.Cut(text, []byte("audit("))
	_, rest, _ = bytes.Cut(rest, []byte{':'})
	n, _, ok := cutUint(rest, ')', 1<<32-1)
	return uint32(n), ok
}
