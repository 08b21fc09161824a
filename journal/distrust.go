package journal

import (
	"bytes"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/seal"

	"golang.org/x/sys/unix"
)

// findUnsynced finds whether the last process died within a sync, or before it had
// dealt with one that failed. Then what lies behind the durable end is in memory,
// looks as if it were on disk, and another sync says yes whether it is or not. It
// is not believed: the ring takes it back. Where that has the lines no more, or the
// mark knows that the sync succeeded, the file is believed after all.
func (j *Journal) findUnsynced(f *found, page markPage) error {
	s, n := j.ring.Unsynced(), len(f.firsts)
	end := auditbridge.Sequence(s.At)
	if n > 1 && f.firsts[n-1] == end+1 && uint64(f.firsts[n-2]) == s.Segment {
		n-- // the last was begun for what was to be written again
	}
	if n == 0 || uint64(f.firsts[n-1]) != s.Segment {
		return nil
	}
	if durable, whole := page.known(); page.id == j.id && (!whole || durable > end) {
		return nil
	}
	file, size, err := j.openSegmentFile(f.firsts[n-1], unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer file.Close()
	if size < int64(s.Offset) || !j.ring.TakeBack(s.Place) {
		return nil
	}
	lines, err := readAll(file, int64(s.Offset), size)
	if err != nil {
		return err
	}
	f.again = ownLines(lines)
	f.firsts, f.unsynced = f.firsts[:n], s
	j.log.Warn("the last sync may have failed: what it was for is written again", "segment", segmentName(f.firsts[n-1]), "seq", s.At, "bytes", size-int64(s.Offset))
	return nil
}

// ownLines returns the whole lines of our own that are to be written once more:
// not those that belong to their file or block, nor what the ring tells of anew.
func ownLines(lines []byte) (own [][]byte) {
	for line := range bytes.Lines(lines) {
		h, ok := auditbridge.ParseHeader(line)
		if !ok || h.ID.Serial < auditbridge.FirstNoteSerial || line[len(line)-1] != '\n' || seal.LooksLikeBlock(line) {
			continue
		}
		switch op, _, _ := bytes.Cut(line[h.Body:], []byte{' '}); string(op) {
		case "op=segment", "op=refused", "op=disk-error":
		default:
			own = append(own, bytes.Clone(line))
		}
	}
	return own
}

// goOnUnsynced ends the segment at its durable end, as a failed sync does, and
// opens the next.
func (j *Journal) goOnUnsynced(f *found, now time.Time) error {
	j.owed.lines = f.again
	end := j.sync.settled()
	if end.at+1 != end.segment {
		f.firsts = append(f.firsts, end.at+1)
	}
	return j.newSegmentAfter(end, now)
}
