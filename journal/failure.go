package journal

import (
	"bytes"
	"fmt"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/seal"
)

// fail gives up the open segment after an error: it ends at the durable mark.
// What was written beyond is written once more, from memory, to a new segment;
// the same file is never synced again, because a second fsync may say yes to
// data that is gone. When the new segment fails too, the state is StateFailed.
func (j *Journal) fail(why error, now time.Time) {
	if j.seg == nil {
		j.enter(StateFailed, why, now)
		return
	}
	end := j.sync.settled()
	runs, bytes, records := j.unsynced.take(end.at)
	j.log.Error("the open segment ends at the durable mark", "segment", segmentName(end.segment), "seq", uint64(end.at), "err", why)
	lines, ok := j.ring.Replay(nil, bytes)
	if !ok {
		lines = nil
	}
	err := j.newSegmentAfter(end, now)
	if err == nil {
		err = j.replay(runs, lines, why, now)
	}
	if err != nil {
		j.giveUp(records, err, now)
		return
	}
	if j.trouble.state != StateOK {
		j.enter(StateOK, nil, now)
	}
}

// newSegmentAfter opens a segment that follows on the durable end of the one
// that failed. The chain goes on: the lines of the open block that are durable
// are read back and hashed again.
func (j *Journal) newSegmentAfter(end position, now time.Time) error {
	old := j.seg
	j.block = reopenBlock(end)
	j.chain = seal.NewWriter(j.block.first, j.block.prev)
	j.chain.Write(j.block.carried, int(end.at+1-j.block.first))
	if old != nil {
		// Beyond the durable mark nothing was promised. If this fails the bytes
		// stay, and readers stop where the next segment begins.
		old.file.Truncate(end.size)
		j.segmentSize(end.segment, end.size)
	}
	if err := j.openSegment(end.at+1, now); err != nil {
		return err
	}
	if old != nil && old != j.seg {
		old.file.Close()
	}
	return nil
}

// reopenBlock returns the block that is open at a durable position, with its
// lines carried over.
func reopenBlock(end position) blockStart {
	b := end.block
	b.offset = 0
	if end.size == end.block.offset || end.file == nil {
		return b
	}
	lines, err := readAll(end.file, end.block.offset, end.size)
	if err != nil {
		// These lines stay unsealed; the next block begins behind them.
		return blockStart{first: end.at + 1, prev: end.block.prev}
	}
	b.carried = append(bytes.Clone(b.carried), lines...)
	return b
}

// replay writes the runs that are not durable once more and syncs them.
func (j *Journal) replay(runs []run, lines []byte, why error, now time.Time) error {
	var again, lost int
	for _, r := range runs {
		switch {
		case r.note != nil:
			if err := j.appendOwn(r.note, now); err != nil {
				return err
			}
		case len(lines) >= r.bytes && r.bytes > 0:
			if err := j.appendAgain(lines[:r.bytes], r.records, now); err != nil {
				return err
			}
			lines = lines[r.bytes:]
			again += r.records
		default:
			lost += r.records
		}
	}
	j.books.lost.Add(uint64(lost))
	n := selfNote("disk-error", text("why", errorWord(why)), number("again", again), number("lost", lost))
	n.Type, n.Failed = auditbridge.TypeDaemonErr, true
	if err := j.appendNote(&n, now); err != nil {
		return err
	}
	if err := j.sync.flush(); err != nil {
		return fmt.Errorf("sync the new segment: %w", err)
	}
	return createNext(j.dir, &j.cfg)
}

// appendAgain appends lines whose segment failed.
func (j *Journal) appendAgain(lines []byte, records int, now time.Time) error {
	if len(lines) > j.roomInBlock() {
		if err := j.closeBlock(now, false, seal.PublicKey{}); err != nil {
			return err
		}
	}
	if err := j.seg.extend(len(lines)); err != nil {
		return err
	}
	if err := j.seg.write(lines); err != nil {
		return err
	}
	j.appended(lines, records, now)
	j.unsynced.add(run{last: j.at, bytes: len(lines), records: records}, j.mark.Durable())
	j.seg.content = true
	return nil
}

// giveUp enters StateFailed: the new segment fails too. What is not durable is
// a gap, told of when storing goes on.
func (j *Journal) giveUp(records int, why error, now time.Time) {
	end := j.sync.settled()
	end.block = reopenBlock(end)
	j.books.lost.Add(uint64(records))
	j.unsynced.take(j.at)
	j.seg.file.Close()
	j.seg = nil
	j.at = end.at
	j.sync.install(position{segment: end.segment, at: end.at, block: end.block})
	j.enter(StateFailed, why, now)
	j.trouble.lost += records
}
