package journal

import (
	"bytes"
	"fmt"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
	"auditbridge/seal"

	"golang.org/x/sys/unix"
)

// recover makes the journal sound, whatever the last process left, in an order
// in which dying anywhere leaves the rest to the next start:
//
//  1. find the end: last whole block, then whole lines
//  2. copy to quarantine what is to be cut or left behind, cut, sync
//  3. tell the ring how much of the write under way had reached the file
//  4. finish or undo a key change, tell on record, sign
func (j *Journal) recover(now time.Time) error {
	page, err := readMark(j.dir)
	if err != nil {
		return err
	}
	f, err := j.find(page)
	if err != nil {
		return err
	}
	j.ended = f.ended
	j.grant(f.names)
	if j.mark, err = takeMark(j.dir, j.id, f.durable, &j.cfg); err != nil {
		return err
	}
	j.sync = newSyncer(j.mark.raise, j.ring)
	j.keys = keyring{dir: j.state, algorithm: j.cfg.Algorithm}
	j.lastLine = now
	err = j.begin(f, now)
	switch {
	case err == nil || !isFull(err):
	case !j.begun():
		j.late = f
		j.enter(StateFull, err, now)
		err = nil
	default:
		j.fill(err, now)
		err = nil
	}
	j.publish(now)
	return err
}

// begin makes what was found the journal to write on. When the disk is too full
// for it nothing has happened, and it may be called again.
func (j *Journal) begin(f *found, now time.Time) error {
	if j.seg == nil {
		notes, firsts := len(f.notes), len(f.firsts)
		if err := j.mend(f, now); err != nil {
			f.notes, f.firsts = f.notes[:notes], f.firsts[:firsts]
			return err
		}
		if err := j.dir.Sync(); err != nil {
			return err
		}
		if err := j.listSegments(f.firsts, now); err != nil {
			return err
		}
	}
	return j.announce(f, now)
}

// begun says whether there is a segment to write to and a key to sign with.
func (j *Journal) begun() bool { return j.seg != nil && j.keys.current != nil }

// beginLate is begin once more, for a start that found the disk full.
func (j *Journal) beginLate(now time.Time) error {
	err := j.begin(j.late, now)
	if j.begun() {
		j.late = nil
	}
	return err
}

func (j *Journal) openSegmentFile(first auditbridge.Sequence, flag int) (durable.File, int64, error) {
	file, err := j.dir.Open(segmentName(first), flag, 0)
	if err != nil {
		return nil, 0, err
	}
	size, err := file.Size()
	if err != nil {
		file.Close()
		return nil, 0, err
	}
	return file, size, nil
}

// mend makes the end of the last segment the place to go on, or opens a new
// segment where numbering or damage want one.
func (j *Journal) mend(f *found, now time.Time) error {
	t := f.tail
	if t != nil {
		j.ring.Settle(uint64(t.last()))
	}
	j.ring.Untold()
	if t == nil {
		if f.floor > 0 {
			f.notes = append(f.notes, removedNote(0, f.floor+1))
		}
		j.chain = seal.NewWriter(f.floor+1, seal.Hash{})
		return j.openFirst(f, f.floor+1, now)
	}
	damaged := len(t.torn) > 0 && (t.last() < f.floor || f.blind && bytes.IndexByte(t.torn, '\n') >= 0)
	if err := j.keepTorn(f, damaged); err != nil {
		return err
	}
	if damaged || t.last() < f.floor {
		return j.goOnBehind(f, damaged, now)
	}
	file, _, err := j.openSegmentFile(t.first, unix.O_RDWR)
	if err != nil {
		return err
	}
	j.seg = &segment{file: file, first: t.first, size: t.good, allocated: t.good, reserve: j.cfg.reserve, created: j.createdAt(file, now), content: t.good > 0}
	if len(t.torn) > 0 {
		if err := file.Truncate(t.good); err != nil {
			return fmt.Errorf("cut the torn end: %w", err)
		}
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := j.findAbandoned(file, t); err != nil {
		return err
	}
	j.at, j.block = t.last(), t.open
	j.chain = seal.NewWriter(t.open.first, t.open.prev)
	j.chain.Write(t.open.carried, bytes.Count(t.open.carried, lf))
	j.chain.Write(t.bytes, t.lines)
	j.sync.install(j.position())
	j.mark.raise(j.at)
	if f.unsynced.Segment != 0 {
		return j.goOnUnsynced(f, now)
	}
	j.tellRing(t)
	if n, _ := j.chain.Open(); n > 0 {
		j.schedule.came(now)
	}
	return nil
}

// openFirst opens the first segment after all that is on disk.
func (j *Journal) openFirst(f *found, first auditbridge.Sequence, now time.Time) error {
	j.ring.Written(0, 0) // whatever write was under way, nothing of it is here
	f.firsts = append(f.firsts, first)
	j.block = blockStart{first: first, prev: j.chain.Prev()}
	return j.nameSegment(first, now)
}

// goOnBehind opens a new segment because the last cannot be gone on with: it
// is damaged where it was durable, or ends below a sequence that was used.
func (j *Journal) goOnBehind(f *found, damaged bool, now time.Time) error {
	t := f.tail
	first := max(f.floor, t.last()+auditbridge.Sequence(bytes.Count(t.torn, lf))) + 1
	gap := auditbridge.OwnFailure("gap", auditbridge.Number("after", t.last()), auditbridge.Number("before", first), auditbridge.Number("unsealed", t.lines))
	why := "lost"
	switch {
	case damaged:
		why = "damaged"
	case f.removed:
		why = "removed"
	}
	gap.Fields = append(gap.Fields, auditbridge.Text("why", why))
	f.notes = append(f.notes, gap)
	j.chain = seal.NewWriter(first, t.open.prev)
	j.at = t.last()
	return j.openFirst(f, first, now)
}

// keepTorn copies what will be cut, or was damaged, to quarantine. A line the
// ring still has, or the beginning of one, is no evidence and is not kept.
func (j *Journal) keepTorn(f *found, damaged bool) error {
	t := f.tail
	if len(t.torn) == 0 {
		return nil
	}
	n := configNote("cut", auditbridge.Text("segment", segmentName(t.first)), auditbridge.Number("offset", t.good), auditbridge.Number("bytes", len(t.torn)))
	if damaged {
		n.Op, n.Type, n.Failed = "damage", auditbridge.TypeDaemonErr, true
	}
	if bytes.IndexByte(t.torn, '\n') >= 0 {
		name := fmt.Sprintf("%020d-%d", uint64(t.first), t.good)
		dir, err := j.openDir(j.cfg.Dir+"/"+quarantineName, j.cfg.dirMode(), j.cfg.GroupID)
		if err != nil {
			return fmt.Errorf("keep a damaged end: %w", err)
		}
		defer dir.Close()
		if err := durable.Create(dir, name, t.torn, j.cfg.fileMode(), j.cfg.GroupID); err != nil {
			return fmt.Errorf("keep a damaged end: %w", err)
		}
		j.books.quarantined.Add(uint64(len(t.torn)))
		n.Fields = append(n.Fields, auditbridge.Text("quarantine", name))
	}
	f.notes = append(f.notes, n)
	return nil
}

// tellRing tells the ring how many of its lines the write that was under way
// had brought into the file, so that none is written twice.
func (j *Journal) tellRing(t *tail) {
	first, offset, n := j.ring.Left()
	pending := j.ring.Pending()
	there := 0
	if auditbridge.Sequence(first) == t.first && int64(offset) >= t.blockEnd && int64(offset) <= t.good && n <= len(pending) {
		inFile := t.bytes[int64(offset)-t.blockEnd:]
		there = commonLines(inFile, pending[:n])
	}
	j.ring.Written(there, bytes.Count(pending[:there], lf))
}

// commonLines returns the length of the longest beginning of whole lines that
// a and b share.
func commonLines(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for i < n && a[i] == b[i] {
		i++
	}
	return bytes.LastIndexByte(a[:i], '\n') + 1
}

// announce settles the key, and puts on record that the journal was opened and
// what was found.
func (j *Journal) announce(f *found, now time.Time) error {
	step, err := j.keys.settle(f.end)
	if err != nil {
		return err
	}
	if j.seg.size == 0 {
		if err := j.writeHeader(now); err != nil {
			return err
		}
	}
	opened := configNote("open", auditbridge.Text("journal", j.id.String()), auditbridge.Number("first", f.firsts[0]), auditbridge.Number("last", j.at), auditbridge.Text("key", keyWord(step)))
	for _, n := range append(f.notes, opened) {
		if n.Op == "damage" {
			j.books.damaged.Add(1)
		}
		j.pending = append(j.pending, noted{n, now})
	}
	content := j.seg.content
	j.oweLosses(now)
	if err := j.payOwed(now); err != nil {
		return err
	}
	if err := j.writeNotes(now); err != nil {
		return err
	}
	j.seg.content = content // what every start writes is no reason to rotate
	if err := createNext(j.dir, &j.cfg); err != nil {
		return err
	}
	if step == seal.FirstKey || step == seal.NewChain {
		err = j.closeBlock(now, true, seal.PublicKey{})
	} else {
		var next *seal.PrivateKey
		if next, err = j.nextKey(); err == nil {
			err = j.changeKey(next, now)
		}
	}
	if err != nil {
		return err
	}
	return j.sync.flush()
}

func keyWord(step seal.KeyStep) string {
	switch step {
	case seal.FirstKey:
		return "first"
	case seal.NewChain:
		return "lost-new-chain"
	}
	return "changed"
}

// findAbandoned tells the ring how many of the records stand in the file that
// the last process gave up because the disk failed.
func (j *Journal) findAbandoned(file durable.File, t *tail) error {
	segment, offset := j.ring.Abandoned()
	if auditbridge.Sequence(segment) != t.first || int64(offset) > t.good {
		return nil
	}
	lines, err := readAll(file, int64(offset), t.good)
	if err != nil {
		return err
	}
	found := 0
	for line := range bytes.Lines(lines) {
		if h, ok := auditbridge.ParseHeader(line); !ok || h.ID.Serial < auditbridge.FirstNoteSerial {
			found++
		}
	}
	j.ring.Found(found)
	return nil
}

// createdAt is when the segment in file was begun, by its header.
func (j *Journal) createdAt(file durable.File, now time.Time) time.Time {
	line, err := readAll(file, 0, 512)
	if err != nil && len(line) == 0 {
		return now
	}
	h, ok := auditbridge.ParseHeader(firstLine(line))
	if !ok {
		return now
	}
	return h.ID.Time()
}
