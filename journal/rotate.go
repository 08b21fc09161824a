package journal

import (
	"time"

	"auditbridge/auditbridge"
	"auditbridge/seal"
)

// endSegment closes the open segment and opens the next. Durable one after the
// other, so that every segment but the last is whole whenever we die:
//
//  1. the next segment's file exists, with its reserve (else the disk is full)
//  2. the last checkpoint, announcing the next key, is synced
//  3. the next key has replaced the old one
//  4. the next segment has its name
//
// Then its header is written, and the names are put in order.
func (j *Journal) endSegment(now time.Time) error {
	next, err := j.prepareNext()
	if err != nil {
		return err
	}
	return j.endSegmentFor(next, now)
}

// prepareNext makes what the next segment needs room on the disk for: its file
// and its key's. Nothing has happened before it returns the key.
func (j *Journal) prepareNext() (*seal.PrivateKey, error) {
	if err := createNext(j.dir, &j.cfg); err != nil {
		return nil, err
	}
	return j.nextKey()
}

// endSegmentFor is endSegment, once the next is prepared.
func (j *Journal) endSegmentFor(next *seal.PrivateKey, now time.Time) error {
	j.overdue = time.Time{}
	if err := j.changeKey(next, now); err != nil {
		return err
	}
	old := j.seg
	if err := j.openSegment(j.at+1, now); err != nil {
		return err
	}
	// Not needed for anything but space: the reserve goes back.
	if err := old.file.Truncate(old.size); err != nil {
		j.log.Warn("give back a closed segment's reserve", "segment", segmentName(old.first), "err", err)
	}
	j.segmentSize(old.first, old.size)
	old.file.Close()
	if err := createNext(j.dir, &j.cfg); err != nil {
		return err
	}
	return nil
}

// openSegment makes the prepared file the open segment, from first on, and
// writes its header. The chain goes on across.
func (j *Journal) openSegment(first auditbridge.Sequence, now time.Time) error {
	if err := j.nameSegment(first, now); err != nil {
		return err
	}
	return j.writeHeader(now)
}

// nameSegment is openSegment without the header.
func (j *Journal) nameSegment(first auditbridge.Sequence, now time.Time) error {
	seg, err := openNext(j.dir, first, now, &j.cfg)
	if err != nil {
		return err
	}
	j.seg, j.at = seg, first-1
	if n, _ := j.chain.Open(); n == 0 {
		j.block = blockStart{first: first, prev: j.chain.Prev()}
	}
	j.sync.install(j.position())
	j.segmentOpened(first, now)
	return j.mark.opened(first)
}

func (j *Journal) writeHeader(now time.Time) error {
	h := segmentHeader{format: FormatVersion, journal: j.id, first: j.seg.first}
	n := h.note()
	j.buf = auditbridge.AppendNote(j.buf[:0], &n, now, j.nextSerial())
	if err := j.seg.write(j.buf); err != nil {
		return err
	}
	j.appended(j.buf, 1, now) // it belongs to this file: not written again elsewhere
	return nil
}

// prepareIfCan is prepareNext for a segment that is due to end. Where there is no
// room for another, no inode for one, say, but some for this one to grow, it is
// gone on with, on record; late says so.
func (j *Journal) prepareIfCan(now time.Time) (next *seal.PrivateKey, late bool, err error) {
	if !j.overdue.IsZero() && now.Sub(j.overdue) < retryWait {
		return nil, true, nil
	}
	next, err = j.prepareNext()
	if err == nil || !isFull(err) || j.seg.extend(blockSize) != nil {
		return next, false, err
	}
	if j.overdue.IsZero() {
		j.log.Error("the open segment is gone on with: another cannot be begun", "segment", segmentName(j.seg.first), "err", err)
		j.pending = append(j.pending, noted{auditbridge.OwnFailure("rotate", auditbridge.Text("why", errorWord(err)), auditbridge.Number("segment", j.seg.first)), now})
	}
	j.overdue = now
	return nil, true, nil
}

// endByAge closes a segment that is old, or was begun by a clock that was ahead: how
// old that is cannot be told.
func (j *Journal) endByAge(now time.Time) error {
	if now.Sub(j.seg.created).Abs() < j.cfg.SegmentAge {
		return nil
	}
	return j.rotate("age", now)
}

// rotate closes the open segment, on record with the reason given, unless there
// is nothing in it but what the journal puts into every segment.
func (j *Journal) rotate(why string, now time.Time) error {
	if !j.seg.content {
		return nil
	}
	next, late, err := j.prepareIfCan(now)
	if err != nil || late {
		return err
	}
	ending := j.seg
	n := configNote("rotate", auditbridge.Text("why", why), auditbridge.Number("segment", ending.first))
	if err := j.appendNote(&n, now); err != nil {
		return err
	}
	if j.seg != ending {
		// The record needed another block, and the one before was due to end the
		// segment: it has ended, with a key of its own, and the file of ours is gone.
		return nil
	}
	return j.endSegmentFor(next, now)
}
