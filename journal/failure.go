package journal

import (
	"bytes"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal/ring"
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
	end := j.sync.stop(why)
	runs, bytes, records := j.unsynced.take(end.at)
	j.again = ring.Place{Bytes: uint64(bytes), Records: uint64(records)}
	j.log.Error("the open segment ends at the durable mark", "segment", segmentName(end.segment), "seq", uint64(end.at), "err", why)
	lines, ok := j.ring.Replay(nil, bytes)
	if !ok {
		lines = nil
	}
	if j.owed.why == "" {
		j.owed.at = now
	}
	j.owed.why = errorWord(why)
	err := j.newSegmentAfter(end, now)
	for err == nil && len(runs) > 0 {
		if lines, err = j.appendAgain(runs[0], lines, now); err == nil {
			runs = runs[1:]
		}
	}
	j.carryNotes(uint64(j.at))
	if err == nil {
		err = j.sync.flush()
	}
	if err != nil {
		j.giveUp(runs, err, now)
		return
	}
	j.owed.again += records
	if j.trouble.state != StateOK {
		j.enter(StateOK, nil, now)
	}
}

// newSegmentAfter opens a segment that follows on the durable end of the one
// that failed. The chain goes on: the lines of the open block that are durable
// are read back and hashed again. If we die before what was behind that is written
// again and durable, the next process writes it, from the ring.
func (j *Journal) newSegmentAfter(end position, now time.Time) error {
	old := j.seg
	if old != nil {
		j.ring.Syncing(end.sync())
	}
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
	j.ring.Abandon(0, 0, 0)
	if j.ring.Telling() > uint64(end.at) {
		j.ring.Told(nowhere, 0, 0) // until it is written again
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

// appendAgain writes a run once more: a note, or the next of the ring's lines.
// What the ring no longer has is lost.
func (j *Journal) appendAgain(r run, lines []byte, now time.Time) (rest []byte, err error) {
	if r.note != nil {
		return lines, j.appendOld(r.note, now)
	}
	j.again.Bytes -= uint64(r.bytes)
	j.again.Records -= uint64(r.records)
	if len(lines) < r.bytes {
		j.lose(r.records, j.sync.position())
		return nil, nil
	}
	chunk := lines[:r.bytes]
	if len(chunk) > j.roomInBlock() {
		if err := j.closeBlock(now, false, seal.PublicKey{}); err != nil {
			return lines, err
		}
	}
	if err := j.seg.write(chunk); err != nil {
		return lines, err
	}
	j.appended(chunk, r.records, now)
	j.unsynced.add(run{last: j.at, bytes: len(chunk), records: r.records}, j.mark.Durable())
	j.seg.content = true
	return lines[r.bytes:], nil
}

// appendOld appends a line of our own that was written before.
func (j *Journal) appendOld(line []byte, now time.Time) error {
	if len(line) > j.roomInBlock() {
		if err := j.closeBlock(now, false, seal.PublicKey{}); err != nil {
			return err
		}
	}
	return j.appendOwn(line, now)
}

// giveUp enters StateFailed: the new segment fails too. What is not durable,
// written again or not, is a gap; our notes among it are written when storing
// goes on.
func (j *Journal) giveUp(rest []run, why error, now time.Time) {
	end := j.sync.settled()
	end.block = reopenBlock(end)
	again, _, _ := j.unsynced.take(end.at)
	lost := 0
	for _, r := range append(again, rest...) {
		if r.note != nil {
			j.owed.lines = append(j.owed.lines, r.note)
		}
		lost += r.records
	}
	j.lose(lost, end)
	j.again = ring.Place{}
	j.ring.Synced() // nothing is taken back that was counted as lost
	j.seg.file.Close()
	j.seg = nil
	j.at = end.at
	j.sync.install(position{segment: end.segment, at: end.at, block: end.block, place: j.ring.Place()})
	j.enter(StateFailed, why, now)
}

// owed is what must still be put on record about a disk that failed. How many
// records it has cost is kept in the ring, which outlives us.
type owed struct {
	lines [][]byte // our own, that were lost with it
	again int      // records
	why   string
	at    time.Time // of the failure
}

// lose counts records that were written and are lost, and says behind which place
// nothing counts as stored now.
func (j *Journal) lose(records int, end position) {
	j.ring.Abandon(uint64(end.segment), uint64(end.size), records)
	j.books.lost.Add(uint64(records))
}

// oweLosses takes over what the last process could not put on record.
func (j *Journal) oweLosses(now time.Time) {
	if j.ring.Lost() > 0 {
		j.owed.why, j.owed.at = errorWord(nil), now
	}
}

// payOwed puts on record what a failing disk has cost.
func (j *Journal) payOwed(now time.Time) error {
	for len(j.owed.lines) > 0 {
		if err := j.appendOld(j.owed.lines[0], now); err != nil {
			return err
		}
		j.owed.lines = j.owed.lines[1:]
	}
	j.carryNotes(uint64(j.at))
	if j.owed.why == "" {
		return nil
	}
	lost := j.ring.Lost()
	n := auditbridge.OwnFailure("disk-error", auditbridge.Text("why", j.owed.why), auditbridge.Number("again", j.owed.again), auditbridge.Number("lost", lost))
	if err := j.appendNoted(&noted{n, j.owed.at}, now); err != nil {
		return err
	}
	j.tell(0, lost)
	j.owed = owed{}
	return nil
}
