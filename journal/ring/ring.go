// Package ring carries lines from the one goroutine that receives records to the
// one that writes them to the journal's files, through memory that outlives the
// process: a file (or memfd) mapped MAP_SHARED. Whatever was received is in it;
// when the process is killed at any instruction, its successor finds every
// record exactly once: as a message not yet formatted (Slots.Unfinished), as a
// line not yet written (Pending), or as part of the write under way (Left).
//
// The ring survives the process, not the machine: what a power failure leaves
// is the journal's durable part.
package ring

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
)

const (
	// overhang bounds one slice of the data area, the producer's or the
	// consumer's. It bounds memory too: only so much is mapped twice.
	overhang    = 1 << 20
	minSize     = 256 << 10
	defaultSize = 16 << 20
)

// ErrInUse means that another living process works on the ring file. It has a
// Hint() string.
var ErrInUse error = inUse{}

type inUse struct{}

func (inUse) Error() string { return "another process is using it" }

func (inUse) Hint() string {
	return "another auditbridge already works on this run-dir: stop it, or give this one directories of its own"
}

// place is where the source stood when the ring's head was at end. It is of this
// process alone: who comes after finds in the journal how far that is.
type place struct {
	position string
	end      uint64
	received uint64 // records published until then
}

// Config says where the ring is.
type Config struct {
	Path   string // "" keeps the ring in a memfd, which ends with the process
	Size   int    // bytes for lines, a multiple of 4096; 0 means 16 MiB
	BootID string // of the running kernel: a ring of another boot is not taken over
}

// Validate names everything that is wrong with c.
func (c Config) Validate() error {
	if c.Size != 0 && (c.Size < minSize || c.Size > maxFileSize/2 || c.Size%controlSize != 0) {
		return fmt.Errorf("ring size %d: must be a multiple of %d from %d to %d", c.Size, controlSize, minSize, maxFileSize/2)
	}
	if len(c.BootID) > len(control{}.boot) {
		return fmt.Errorf("boot id %q is longer than %d bytes", c.BootID, len(control{}.boot))
	}
	return nil
}

// Ring is a mapped ring. Room, At, OfType, Publish, Refuse, Close and Slots belong to one
// goroutine, the producer; Pending, Position, Intent, Written, Left, Replay,
// Refused and Lost, with what changes these, to another, the consumer. Stats may be called by anyone.
type Ring struct {
	mapping
	file  *os.File // holds the lock
	size  uint64
	aside string // where a ring that could not be taken over was moved, and why
	slots Slots

	made production // the producer's own copy of what it committed
	done consumption

	// What each side tells the other while both live. The cells in the mapping
	// are only for who comes after.
	head, tail, reach                 atomic.Uint64
	received, refused, written, noted atomic.Uint64
	discarded                         atomic.Uint64
	refusedSerials                    atomic.Uint64 // first<<32 | last
	closed                            atomic.Bool

	types refusedTypes

	firstFresh uint32 // serial of the first record discarded that no note tells of

	position string                // said by At, not yet published
	places   atomic.Pointer[place] // the latest that was
	next     *place                // the consumer has not come to it yet …
	passed   place                 // … and this one it has

	wake  bell // rung by the producer: lines are pending
	space bell // rung by the consumer: there is room
}

// Open makes the ring, or takes over what a dead process left. A file that
// cannot be taken over (another boot or version, or damaged) is set aside next
// to it, never deleted, and SetAside says so; a file that is not a regular file
// of this user alone is refused.
func Open(cfg Config) (*Ring, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Size == 0 {
		cfg.Size = defaultSize
	}
	r, err := open(cfg)
	if err != nil {
		return nil, fmt.Errorf("open ring: %s: %w", cfg.Path, err)
	}
	r.size = r.control.size
	r.made = r.control.produced[r.control.producedTurn.Load()&1]
	r.done = r.control.consumed[r.control.consumedTurn.Load()&1]
	r.firstFresh = r.done.firstDiscarded
	r.head.Store(r.made.head)
	r.tail.Store(r.done.tail)
	r.reach.Store(r.made.head + r.size) // what lies behind the tail is of another process
	r.received.Store(r.made.received)
	r.refused.Store(r.made.refused)
	r.written.Store(r.done.written)
	r.noted.Store(r.done.noted)
	r.discarded.Store(r.done.discarded)
	r.refusedSerials.Store(uint64(r.made.firstRefused)<<32 | uint64(r.made.lastRefused))
	r.slots = Slots{r: r, used: Batch}
	r.slots.connect()
	r.wake, r.space = newBell(), newBell()
	return r, nil
}

// Unmap unmaps the ring and releases its lock. No slice of it may be used
// afterwards. What was not written stays in the file for the next Open.
func (r *Ring) Unmap() error {
	return errors.Join(r.mapping.unmap(), r.file.Close())
}

// SetAside tells where Open moved a ring it could not take over, and why; ""
// when there was none. Records in it may be lost: that is to be put on record.
func (r *Ring) SetAside() string { return r.aside }

// Size returns how many bytes of lines the ring holds.
func (r *Ring) Size() int { return int(r.size) }

// Stats counts since the ring was made, over the lives of several processes:
// Received = Written + Discarded + those in the ring.
type Stats struct {
	Received  uint64 // records published
	Written   uint64 // records the consumer has written
	Discarded uint64 // records it could not store and gave up
	Refused   uint64 // records that found the ring full, not in Received
	Noted     uint64 // of those, how many a note in the journal tells of
	Bytes     uint64 // bytes published and not yet written
}

// Stats may be called from any goroutine. Numbers are read one after the other:
// written first, so that a difference never comes out negative.
func (r *Ring) Stats() Stats {
	s := Stats{Written: r.written.Load(), Discarded: r.discarded.Load(), Noted: r.noted.Load()}
	tail := r.tail.Load()
	s.Received, s.Refused = r.received.Load(), r.refused.Load()
	s.Bytes = r.head.Load() - tail
	return s
}

// bell wakes one waiting goroutine, and costs who rings it one load when nobody
// waits.
type bell struct {
	waiting *atomic.Bool
	rung    chan struct{}
}

func newBell() bell { return bell{new(atomic.Bool), make(chan struct{}, 1)} }

// ring wakes who waits. The state it waits for must have been stored before.
func (b bell) ring() {
	if b.waiting.Load() && b.waiting.CompareAndSwap(true, false) {
		select {
		case b.rung <- struct{}{}:
		default:
		}
	}
}

// wait returns what to receive from. already, looked at after the announcement,
// tells whether the awaited state holds: so no ring falls between two looks.
func (b bell) wait(already func() bool) <-chan struct{} {
	b.waiting.Store(true)
	if already() {
		b.ring()
	}
	return b.rung
}
