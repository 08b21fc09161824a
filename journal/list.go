package journal

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"auditbridge/auditbridge"

	"golang.org/x/sys/unix"
)

// listSegments learns what segments there are and renews their links.
func (j *Journal) listSegments(firsts []auditbridge.Sequence, now time.Time) error {
	j.segmentsMu.Lock()
	defer j.segmentsMu.Unlock()
	j.segments = j.segments[:0]
	for i, first := range firsts {
		file, size, err := j.openSegmentFile(first, unix.O_RDONLY)
		if err != nil {
			return err
		}
		j.granted(file.Grant(j.cfg.fileMode(), j.cfg.GroupID))
		s := Segment{First: first, Bytes: size, Created: j.createdAt(file, now)}
		file.Close()
		j.segments = append(j.segments, s)
		if i > 0 {
			j.segments[i-1].Last, j.segments[i-1].Closed = first-1, s.Created
		}
	}
	if err := renewLinks(j.dir, firsts); err != nil {
		j.log.Warn("renew the links for ausearch", "err", err)
	}
	return nil
}

// segmentOpened keeps the list when append opens a segment.
func (j *Journal) segmentOpened(first auditbridge.Sequence, now time.Time) {
	j.segmentsMu.Lock()
	defer j.segmentsMu.Unlock()
	// One of the same name held nothing durable and was replaced.
	j.segments = slices.DeleteFunc(j.segments, func(s Segment) bool { return s.First >= first })
	if n := len(j.segments); n > 0 {
		j.segments[n-1].Last, j.segments[n-1].Closed = first-1, now
	}
	j.segments = append(j.segments, Segment{First: first, Created: now})
	if err := renewLinks(j.dir, j.firsts()); err != nil {
		j.log.Warn("renew the links for ausearch", "err", err)
	}
}

// segmentSize keeps the size of a segment that closes.
func (j *Journal) segmentSize(first auditbridge.Sequence, size int64) {
	j.segmentsMu.Lock()
	defer j.segmentsMu.Unlock()
	for i := range j.segments {
		if j.segments[i].First == first {
			j.segments[i].Bytes = size
		}
	}
}

func (j *Journal) firsts() []auditbridge.Sequence {
	firsts := make([]auditbridge.Sequence, len(j.segments))
	for i, s := range j.segments {
		firsts[i] = s.First
	}
	return firsts
}

// Oldest is the first line that is kept. It may be called from any goroutine.
func (j *Journal) Oldest() auditbridge.Sequence {
	j.segmentsMu.Lock()
	defer j.segmentsMu.Unlock()
	if len(j.segments) == 0 {
		return 1
	}
	return j.segments[0].First
}

// Segments lists the journal's segments, oldest first; the last is open. It
// may be called from any goroutine.
func (j *Journal) Segments() []Segment {
	j.segmentsMu.Lock()
	defer j.segmentsMu.Unlock()
	list := slices.Clone(j.segments)
	if n := len(list); n > 0 {
		list[n-1].Last = j.mark.Written()
		p := j.sync.position()
		if p.segment == list[n-1].First {
			list[n-1].Bytes = p.size
		}
	}
	return list
}

// Drop removes the n oldest segments, never the open one. First what is dropped,
// why, and more about it, is put on record, sealed and made durable; then the files go.
// If we die in between, fewer are gone than the record says: who decides what
// goes (retention.Keeper) finishes it. Drop works while Run does.
func (j *Journal) Drop(ctx context.Context, n int, why string, more ...auditbridge.Field) error {
	list := j.Segments()
	if n <= 0 || n >= len(list) {
		return fmt.Errorf("drop %d segments: of %d only the %d closed ones can go", n, len(list), max(0, len(list)-1))
	}
	list = list[:n]
	var bytes int64
	for _, s := range list {
		bytes += s.Bytes
	}
	note := configNote("drop", auditbridge.Number("segments", n), auditbridge.Number("first", list[0].First),
		auditbridge.Number("last", list[n-1].Last), auditbridge.Number("bytes", bytes), auditbridge.Text("why", why))
	note.Fields = append(note.Fields, more...)
	if err := j.inLoop(ctx, func(now time.Time) error { return j.sealDrop(&note, now) }); err != nil {
		return fmt.Errorf("drop segments: %w", err)
	}
	return j.unlink(list)
}

// sealDrop puts a drop on record and under a checkpoint, durable. So what is left
// holds the end of the chain, and the key that goes on with it, should we die
// before the next block ends.
func (j *Journal) sealDrop(n *auditbridge.Note, now time.Time) error {
	return j.atOnce(now, func(now time.Time) error { return j.appendNote(n, now) }, j.checkpoint)
}

// unlink removes files, oldest first, so that what is left is always one range.
// The list is not locked while a file goes, which takes the longer the larger it
// is: the append loop needs it to open a segment.
func (j *Journal) unlink(list []Segment) error {
	for _, s := range list {
		if err := j.dir.Remove(segmentName(s.First)); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("drop segments: %w", err)
		}
		j.forget(s.First)
	}
	j.relink()
	if err := j.dir.Sync(); err != nil {
		return fmt.Errorf("drop segments: %w", err)
	}
	return nil
}

// relink makes the links fit the list.
func (j *Journal) relink() {
	j.segmentsMu.Lock()
	defer j.segmentsMu.Unlock()
	if err := renewLinks(j.dir, j.firsts()); err != nil {
		j.log.Warn("renew the links for ausearch", "err", err)
	}
}
