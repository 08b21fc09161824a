package journal

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"

	"golang.org/x/sys/unix"
)

// lookPause is how often it is looked whether the open segment still has its
// name: an rm, an mv or a log rotation not meant for it would else take all that
// comes until the next segment.
const lookPause = 3 * time.Second

// removedNote tells of lines that somebody took away.
func removedNote(after, before auditbridge.Sequence) auditbridge.Note {
	return auditbridge.OwnFailure("gap", auditbridge.Number("after", after), auditbridge.Number("before", before), auditbridge.Text("why", "removed"))
}

// replaceRemoved opens another segment when the open one has lost its name. The
// one that was taken away ends like any other, so that nothing is wrong with it
// should it come back.
func (j *Journal) replaceRemoved(now time.Time) error {
	if now.Sub(j.looked) < lookPause {
		return nil
	}
	j.looked = now
	named, stands, err := j.named()
	if err != nil {
		j.log.Warn("whether the open segment still has its name is not known", "err", err)
		return nil // if the disk fails, writing says so
	}
	if named {
		return nil
	}
	gone := j.seg.first
	j.log.Error("the open segment was taken away; another one is opened", "segment", segmentName(gone), "seq", uint64(j.at))
	if err := j.endSegment(now); err != nil {
		return err
	}
	j.books.removed.Add(1)
	if !stands {
		j.forget(gone)
		j.relink()
	}
	n := removedNote(gone-1, j.seg.first)
	return j.appendNote(&n, now)
}

// named says whether the open segment's name leads to it, and whether there is
// anything of that name.
func (j *Journal) named() (named, stands bool, err error) {
	there, err := j.dir.Open(segmentName(j.seg.first), unix.O_RDONLY, 0)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return false, false, nil
	case errors.As(err, new(*durable.PathError)):
		return false, true, nil // not even a file
	case err != nil:
		return false, false, fmt.Errorf("look after the open segment: %w", err)
	}
	defer there.Close()
	var a, b unix.Stat_t
	if err := errors.Join(unix.Fstat(int(j.seg.file.Fd()), &a), unix.Fstat(int(there.Fd()), &b)); err != nil {
		return false, false, fmt.Errorf("look after the open segment: %w", err)
	}
	return a.Ino == b.Ino && a.Dev == b.Dev, true, nil
}

// forget takes a segment off the list.
func (j *Journal) forget(first auditbridge.Sequence) {
	j.segmentsMu.Lock()
	defer j.segmentsMu.Unlock()
	j.segments = slices.DeleteFunc(j.segments, func(s Segment) bool { return s.First == first })
}

// findRemoved finds what was taken away while nobody wrote: the segment the mark
// calls the open one, or what stood between the last two. What was dropped, or
// found missing by a start before, is on record.
func (j *Journal) findRemoved(f *found, page markPage) error {
	if f.tail == nil {
		return nil // nothing is left
	}
	opened := auditbridge.Sequence(page.segment)
	f.removed = page.id == j.id && opened > f.tail.last() && opened <= f.floor
	if f.before == nil || f.before.last()+1 >= f.tail.first || len(f.before.torn) > 0 {
		return nil
	}
	file, size, err := j.openSegmentFile(f.tail.first, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer file.Close()
	told, err := tells(io.NewSectionReader(file, 0, size), f.before.last(), f.tail.first)
	if err == nil && !told {
		f.notes = append(f.notes, removedNote(f.before.last(), f.tail.first))
	}
	return err
}

// tells says whether a gap is on record in lines, in which each start that finds
// one puts it.
func tells(lines io.Reader, after, before auditbridge.Sequence) (bool, error) {
	want := fmt.Appendf(nil, " after=%d before=%d ", after, before)
	buf := make([]byte, readerBuffer)
	kept := 0
	for {
		n, err := lines.Read(buf[kept:])
		if bytes.Contains(buf[:kept+n], want) {
			return true, nil
		}
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for a gap on record: %w", err)
		}
		n += kept
		kept = copy(buf, buf[max(0, n-len(want)):n])
	}
}
