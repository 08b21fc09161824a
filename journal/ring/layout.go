package ring

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The file, in order: a page of control, the slots (slots.go), the data area.
// Numbers are in the machine's own byte order: a ring never outlives the boot.
// Whatever changes here needs another version.
const (
	version     = 2
	controlSize = 4096
	maxFileSize = 1 << 30
)

var magic = [8]byte{'a', 'b', '-', 'r', 'i', 'n', 'g', '\n'}

// control is the first page of the file. The producer, the consumer and who syncs
// what that has written each own two cells and a turn: what they commit goes into the cell that is not current
// and becomes current by one store to the turn, so that a process killed at any
// instruction leaves either the old state or the new one, never half of it.
type control struct {
	magic   [8]byte // written last: without it the file was never finished
	version uint32
	slots   uint32 // number of message slots
	slot    uint32 // bytes in each
	_       uint32
	size    uint64 // bytes of the data area
	boot    [64]byte

	_            [32]byte
	produced     [2]production
	producedTurn atomic.Uint64
	_            [56]byte
	consumed     [2]consumption
	consumedTurn atomic.Uint64
	_            [56]byte
	batch        atomic.Uint64 // number of the batch the slots hold, or are about to
	_            [56]byte
	syncs        [2]Sync // whoever syncs the journal's files owns these two
	syncTurn     atomic.Uint64
}

// production is the producer's state. Positions count bytes since the ring was
// made; byte p lies at offset p modulo size.
type production struct {
	head         uint64 // end of the published lines
	received     uint64 // records published, refused ones not included
	refused      uint64 // records received but not stored because the ring was full
	batch        uint64 // the last batch of which messages were taken …
	taken        uint64 // … and how many of it
	firstRefused uint32 // serials of the latest run of refused records
	lastRefused  uint32
	_            [16]byte
}

// consumption is the consumer's state.
type consumption struct {
	tail    uint64 // end of what was written to the journal's files
	written uint64 // records in it
	noted   uint64 // refused records that a note in the journal tells of
	intent  intent // the write under way; n is 0 when there is none

	discarded      uint64 // records given up because the journal could not store them
	untold         uint64 // of those, how many no note tells of yet
	firstDiscarded uint32 // serials of the first and last of the untold
	lastDiscarded  uint32

	told      told
	lost      uint32 // records written that the disk has lost, and no durable note tells of
	abandoned point  // behind it nothing counts as stored; the zero point when there is none
}

// told counts what the note at a sequence, and those before it, tell of: until it
// is durable it may be lost, and who comes after has to tell of it all once more.
type told struct {
	at        uint64 // 0 when everything told is settled
	refused   uint32 // by the producer
	discarded uint32
	lost      uint32
}

// point is a place in the journal's files.
type point struct{ segment, offset uint64 }

type intent struct{ segment, offset, n uint64 }

// problem tells what makes the file unfit to be taken over; nil when nothing.
// Nothing in it is believed: every number that is later used as an offset or a
// length is checked here.
func (c *control) problem(fileSize int64, boot string) error {
	p, q := c.produced[c.producedTurn.Load()&1], c.consumed[c.consumedTurn.Load()&1]
	batch := c.batch.Load()
	inRing := p.head - q.tail
	switch {
	case c.version != version:
		return fmt.Errorf("it has version %d, this program reads %d", c.version, version)
	case c.slots != Batch || c.slot != slotSize:
		return errors.New("its message slots are of another size")
	case c.size < minSize || c.size > maxFileSize || c.size%controlSize != 0 || fileSize != int64(dataOffset)+int64(c.size):
		return fmt.Errorf("its length is %d bytes, its data area %d", fileSize, c.size)
	case string(bytes.TrimRight(c.boot[:], "\x00")) != boot:
		return errors.New("it was made before the machine was last started")
	case p.head < q.tail || inRing > c.size:
		return fmt.Errorf("its head %d and tail %d contradict each other", p.head, q.tail)
	case batch != p.batch && batch != p.batch+1:
		return fmt.Errorf("its batches %d and %d contradict each other", batch, p.batch)
	case p.taken > Batch:
		return fmt.Errorf("it has %d messages taken from a batch of %d", p.taken, Batch)
	case q.intent.n > inRing:
		return fmt.Errorf("its last write had %d bytes, but it holds %d", q.intent.n, inRing)
	case q.untold > q.discarded || uint64(q.told.discarded) > q.untold || q.told.lost > q.lost || q.noted+uint64(q.told.refused) > p.refused:
		return fmt.Errorf("its counts of what is missing contradict each other: %+v", q)
	case q.noted > p.refused:
		return fmt.Errorf("it has %d refused records, but noted %d", p.refused, q.noted)
	}
	return nil
}

func (c *control) init(size int, boot string) {
	c.version, c.slots, c.slot, c.size = version, Batch, slotSize, uint64(size)
	copy(c.boot[:], boot)
	(*atomic.Uint64)(unsafe.Pointer(&c.magic)).Store(*(*uint64)(unsafe.Pointer(&magic)))
}

// mapping is the file in memory: control, slots, data, and once more the
// beginning of the data, so that what runs over the end is contiguous.
type mapping struct {
	base    unsafe.Pointer
	length  uintptr
	control *control
	table   *slotTable
	data    []byte // size + overhang bytes
}

// mapFile maps the file whole and then the first overhang bytes of its data
// area again, right behind it.
func mapFile(fd int, size int) (m mapping, err error) {
	file, over := uintptr(dataOffset+size), uintptr(min(overhang, size))
	m.length = file + over
	m.base, err = unix.MmapPtr(-1, 0, nil, m.length, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return m, err
	}
	const access, shared = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_FIXED
	if _, err = unix.MmapPtr(fd, 0, m.base, file, access, shared); err == nil {
		_, err = unix.MmapPtr(fd, int64(dataOffset), unsafe.Add(m.base, file), over, access, shared)
	}
	if err != nil {
		m.unmap()
		return m, err
	}
	m.control = (*control)(m.base)
	m.table = (*slotTable)(unsafe.Add(m.base, controlSize))
	m.data = unsafe.Slice((*byte)(unsafe.Add(m.base, dataOffset)), uintptr(size)+over)
	return m, nil
}

func (m *mapping) unmap() error { return unix.MunmapPtr(m.base, m.length) }
