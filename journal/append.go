package journal

import (
	"bytes"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/seal"
)

// appendPending appends the first lines of what the ring holds: as many as the
// open block takes. It allocates nothing.
func (j *Journal) appendPending(pending []byte, now time.Time) error {
	chunk := wholeLines(pending, j.roomInBlock())
	if len(chunk) == 0 {
		if err := j.endBlock(now); err != nil {
			return err
		}
		chunk = wholeLines(pending, j.roomInBlock())
	}
	if err := j.seg.extend(len(chunk)); err != nil {
		return err
	}
	return j.writePending(chunk, now)
}

// writePending writes whole lines of the ring's. If we die between Intent and
// Written, the next process compares what reached the file with the ring. The
// lines are the ring's until Written, so they are hashed before it.
func (j *Journal) writePending(chunk []byte, now time.Time) error {
	records := bytes.Count(chunk, lf)
	j.ring.Intent(uint64(j.seg.first), uint64(j.seg.size), len(chunk))
	if err := j.seg.write(chunk); err != nil {
		return err
	}
	j.hash(chunk, records, now)
	j.ring.Written(len(chunk), records)
	j.moved(len(chunk), records, now)
	j.unsynced.add(run{last: j.at, bytes: len(chunk), records: records}, j.mark.Durable())
	j.books.records.Add(uint64(records))
	j.seg.content = true
	return nil
}

var lf = []byte{'\n'}

// wholeLines returns the longest beginning of b that ends with a line and has
// at most limit bytes.
func wholeLines(b []byte, limit int) []byte {
	if len(b) > limit {
		b = b[:max(limit, 0)]
	}
	return b[:bytes.LastIndexByte(b, '\n')+1]
}

func (j *Journal) roomInBlock() int {
	_, n := j.chain.Open()
	return blockSize - n
}

// appended keeps the books of n lines that are in the file now.
func (j *Journal) appended(lines []byte, n int, now time.Time) {
	j.hash(lines, n, now)
	j.moved(len(lines), n, now)
}

func (j *Journal) hash(lines []byte, n int, now time.Time) {
	j.chain.Write(lines, n)
	j.at += auditbridge.Sequence(n)
	j.lastLine = now
	j.schedule.came(now)
}

// moved tells the syncer where the journal ends.
func (j *Journal) moved(bytes, lines int, now time.Time) {
	j.books.bytes.Add(uint64(bytes))
	j.books.lines.Add(uint64(lines))
	j.sync.wrote(j.position(), now)
}

func (j *Journal) position() position {
	place := j.ring.Place()
	place.Bytes -= j.again.Bytes
	place.Records -= j.again.Records
	return position{file: j.seg.file, segment: j.seg.first, size: j.seg.size, at: j.at, block: j.block, place: place}
}

// writeNotes appends what was noted. What an error keeps from being written
// stays for later.
func (j *Journal) writeNotes(now time.Time) error {
	var dropped int
	if j.pending, dropped = j.notes.take(j.pending); dropped > 0 {
		j.books.notesDropped.Add(uint64(dropped))
		j.pending = append(j.pending, noted{configNote("notes-dropped", auditbridge.Number("n", dropped)), now})
	}
	for i := range j.pending {
		if err := j.appendNoted(&j.pending[i], now); err != nil {
			n := copy(j.pending, j.pending[i:])
			clear(j.pending[n:])
			j.pending = j.pending[:n]
			return err
		}
		j.seg.content = true
	}
	clear(j.pending)
	j.pending = j.pending[:0]
	return nil
}

// appendNote appends one of our own lines. In trouble it may use the reserve.
func (j *Journal) appendNote(n *auditbridge.Note, now time.Time) error {
	return j.appendNoted(&noted{*n, now}, now)
}

// appendNoted is appendNote for what was so before now.
func (j *Journal) appendNoted(n *noted, now time.Time) error {
	j.buf = auditbridge.AppendNote(j.buf[:0], &n.Note, n.at, j.nextSerial())
	if len(j.buf) > j.roomInBlock() {
		line := bytes.Clone(j.buf)
		if err := j.endBlock(now); err != nil {
			return err
		}
		j.buf = append(j.buf[:0], line...)
	}
	err := j.appendOwn(j.buf, now)
	if err == nil && n.Gap() {
		j.books.gaps.Add(1)
	}
	return err
}

// appendOwn appends a finished line of our own.
func (j *Journal) appendOwn(line []byte, now time.Time) error {
	if j.trouble.state == StateOK {
		if err := j.seg.extend(len(line)); err != nil {
			return err
		}
	}
	if err := j.seg.write(line); err != nil {
		return err
	}
	j.appended(line, 1, now)
	j.unsynced.add(run{last: j.at, note: bytes.Clone(line)}, j.mark.Durable())
	return nil
}

// nextSerial numbers our own lines, in the range no kernel serial is compared
// with.
func (j *Journal) nextSerial() uint32 {
	serial := j.serial
	if j.serial++; j.serial < auditbridge.FirstNoteSerial {
		j.serial = auditbridge.FirstNoteSerial
	}
	return serial
}

// endBlock closes the open block, and with it the segment when that is due.
func (j *Journal) endBlock(now time.Time) error {
	if j.seg.size >= j.cfg.SegmentSize && j.trouble.state == StateOK {
		next, late, err := j.prepareIfCan(now)
		if err != nil {
			return err
		}
		if !late {
			return j.endSegmentFor(next, now)
		}
	}
	return j.closeBlock(now, j.schedule.signs(now), seal.PublicKey{})
}

// checkpoint closes the open block with a signature. When nothing but block
// lines came since the last there is nothing to sign.
func (j *Journal) checkpoint(now time.Time) error {
	if n, _ := j.chain.Open(); n == 0 && j.schedule.due().IsZero() {
		return nil
	}
	return j.closeBlock(now, true, seal.PublicKey{})
}

// closeBlock appends the block line of the open block; signed, it becomes a
// checkpoint, which may announce the next key. What is signed is durable
// first: no signature goes past the durable mark.
func (j *Journal) closeBlock(now time.Time, sign bool, next seal.PublicKey) error {
	b := seal.Block{
		At: now.Truncate(time.Millisecond), Serial: j.nextSerial(), PID: pid,
		Boot: j.boot, BootTime: sinceBoot(), Source: j.source(),
	}
	var signer seal.Signer
	if sign {
		if err := j.sync.flush(); err != nil {
			return err
		}
		signer = j.keys.current
		b.Next = next
		if j.cfg.Relays != nil {
			b.Relays = j.cfg.Relays()
		}
	}
	line, err := j.chain.Close(j.buf[:0], &b, signer)
	if err != nil {
		return err
	}
	j.buf = line
	if err := j.seg.write(line); err != nil {
		return err
	}
	j.chain.Closed()
	j.at++
	j.block = blockStart{first: j.at + 1, offset: j.seg.size, prev: j.chain.Prev()}
	j.books.blocks.Add(1)
	if sign {
		j.schedule.covered(now)
		j.books.checkpoints.Add(1)
		j.books.sealed.Store(uint64(j.at))
		j.books.sealedAt.Store(now.UnixNano())
	}
	j.moved(len(line), 1, now)
	return nil
}
