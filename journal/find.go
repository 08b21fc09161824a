package journal

import (
	"errors"
	"fmt"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal/ring"
	"auditbridge/seal"

	"golang.org/x/sys/unix"
)

// found is what a start finds on disk, and what it mends.
type found struct {
	names  []string               // in the directory
	firsts []auditbridge.Sequence // of the segments
	floor  auditbridge.Sequence   // no sequence up to here is used again
	// durable is what the mark said; blind, that it was damaged and what was
	// durable is not known.
	durable  auditbridge.Sequence
	blind    bool
	removed  bool      // segments the mark knows of are gone
	unsynced ring.Sync // behind which nothing is believed; Segment 0: all is
	again    [][]byte  // lines of our own from there
	tail     *tail     // of the last segment; nil when there is none
	before   *tail     // of the one in front of it; nil when there is none
	end      seal.ChainEnd
	notes    []auditbridge.Note // what is to be put on record
	ended    Ended
}

// find reads the end of the journal. It changes nothing.
func (j *Journal) find(page markPage) (*found, error) {
	names, err := j.dir.Names()
	if err != nil {
		return nil, err
	}
	f := &found{names: names, firsts: segmentsIn(names)}
	if err := j.identify(f, page); err != nil {
		return nil, err
	}
	if err := j.findUnsynced(f, page); err != nil {
		return nil, err
	}
	if err := j.readTails(f); err != nil {
		return nil, err
	}
	if err := j.findFloor(f, page); err != nil {
		return nil, err
	}
	j.findAbnormalEnd(f, page)
	return f, j.findRemoved(f, page)
}

// findAbnormalEnd notes that the last process died: nothing is behind an orderly
// end but its checkpoint. A segment that was opened and never written to says
// nothing.
func (j *Journal) findAbnormalEnd(f *found, page markPage) {
	if f.tail == nil {
		return
	}
	if !f.tail.farewell.IsZero() && len(f.tail.torn) == 0 {
		f.ended = Ended{f.tail.farewell, true}
		return
	}
	n := auditbridge.OwnFailure("abnormal-end", auditbridge.Number("last", f.tail.last()))
	if page.id == j.id && page.heartbeat != 0 {
		f.ended.At = time.Unix(0, page.heartbeat)
		n.Fields = append(n.Fields, auditbridge.Moment("alive", f.ended.At), auditbridge.Number("was", page.pid))
	}
	f.notes = append(f.notes, n)
}

// Ended is how the last process to write a journal ended.
type Ended struct {
	At      time.Time // of its last words, else of its last sign of life; zero when not known
	Orderly bool
}

// Ended says how the last process before this one ended. Any goroutine may call it.
func (j *Journal) Ended() Ended { return j.ended }

// farthestAhead is how far beyond the journal's end a mark or cursor may be and
// still be believed. Segments that were lost, and a directory restored from a
// copy of years ago, stay below it; what is damaged hardly does.
const farthestAhead = 1 << 40

// findFloor finds up to where sequences were used, by the durable mark and the
// cursors. What cannot be is damage on record, and nothing to number by.
func (j *Journal) findFloor(f *found, page markPage) error {
	var end auditbridge.Sequence
	if f.tail != nil {
		end = f.tail.last()
	}
	raise := func(file string, at auditbridge.Sequence, whole bool) (believed bool) {
		if whole && at <= end+farthestAhead {
			f.floor = max(f.floor, at)
			return true
		}
		f.notes = append(f.notes, auditbridge.OwnFailure("damage",
			auditbridge.Text("file", file), auditbridge.Number("says", at), auditbridge.Number("last", end)))
		return false
	}
	if page.id == j.id {
		at, whole := page.known()
		if !whole {
			at = auditbridge.Sequence(page.durable)
		}
		if raise(markName, at, whole) {
			f.durable = at
		} else {
			f.blind = true
		}
	}
	cursors, err := cursorsOf(j.state, j.id)
	for _, c := range cursors {
		raise(c.name, c.at, true)
	}
	return err
}

// readTails reads the end of the last segment, and of as many before it as it
// takes to know the chain: the last block and the last checkpoint. These are
// nearly always in the last two; a disk that failed again and again may have
// left more without any.
func (j *Journal) readTails(f *found) error {
	if len(f.firsts) == 0 {
		return nil
	}
	for from := len(f.firsts) - 2; ; from-- {
		sealed, err := j.readTailsFrom(f, max(from, 0))
		if err != nil || sealed || from <= 0 {
			return err
		}
	}
}

func (j *Journal) readTailsFrom(f *found, from int) (sealed bool, err error) {
	f.tail, f.before = nil, nil
	for i, first := range f.firsts[from:] {
		f.before = f.tail
		file, size, err := j.openSegmentFile(first, unix.O_RDONLY)
		if err != nil {
			return false, err
		}
		if uint64(first) == f.unsynced.Segment {
			size = min(size, int64(f.unsynced.Offset))
		}
		f.tail, err = readTail(file, first, size, f.before)
		if next := from + i + 1; err == nil && next < len(f.firsts) && f.tail.last() >= f.firsts[next] {
			f.tail, err = readTailTo(f.firsts[next], file, first, size, f.before)
		}
		var end seal.ChainEnd
		var signed bool
		if err == nil {
			end, signed, err = chainEnd(file, first, f.tail.blockEnd)
		}
		file.Close()
		if err != nil {
			return false, fmt.Errorf("read the end of segment %s: %w", segmentName(first), err)
		}
		if signed {
			f.end, sealed = end, true
		}
	}
	return sealed && !f.tail.open.prev.IsZero(), nil
}

// identify finds the journal's id: in the newest header that can be read, else
// in the mark; a new journal gets a new one.
func (j *Journal) identify(f *found, page markPage) error {
	for i := len(f.firsts) - 1; i >= max(0, len(f.firsts)-2); i-- {
		file, _, err := j.openSegmentFile(f.firsts[i], unix.O_RDONLY)
		if err != nil {
			return err
		}
		h, err := readHeader(file, segmentName(f.firsts[i]))
		file.Close()
		if err == nil {
			j.id = h.journal
			return nil
		}
		if !errors.Is(err, errNoHeader) {
			return err
		}
	}
	j.id = page.id
	if j.id == (ID{}) {
		j.id = newID()
	}
	return nil
}
