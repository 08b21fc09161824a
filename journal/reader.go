package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
	"auditbridge/seal"
)

// ReaderOptions says how far a reader may go.
type ReaderOptions struct {
	// PastDurable reads to the end of what is in the files, with or without a
	// mark. What lies past the durable mark may be gone after a power failure,
	// and its sequences may come again with other lines.
	PastDurable bool
}

// readerBuffer is what a reader takes from a file at a time: room for the
// longest line and then some.
const readerBuffer = 256 << 10

// Reader reads a journal in order, in any process that may read its directory.
// It is not safe for concurrent use; its Mark is.
type Reader struct {
	dir  string
	opts ReaderOptions
	mark *Mark                // nil with PastDurable when there is none
	from auditbridge.Sequence // the first line wanted

	file  *os.File             // the segment being read, nil before the first
	name  string               // its name
	bound auditbridge.Sequence // first sequence of the segment after it, 0 when it is the newest
	at    auditbridge.Sequence // of the last line returned, or the one before the first wanted
	tip   seal.Hash            // of the last block line returned, zero when none was
	epoch uint64               // of the mark when bound and the buffer were last known to be right

	buf        []byte
	start, end int   // unread bytes in buf
	offset     int64 // in file, of buf[start]
}

// OpenReader opens the journal in dir for reading from the given sequence on,
// 0 meaning the oldest there is. When from was dropped already the first line
// is the oldest kept: compare its sequence.
func OpenReader(dir string, from auditbridge.Sequence, opts ReaderOptions) (*Reader, error) {
	mark, err := OpenMark(dir)
	if err != nil && !(opts.PastDurable && errors.Is(err, os.ErrNotExist)) {
		return nil, fmt.Errorf("open journal for reading: %w", err)
	}
	r := &Reader{dir: dir, opts: opts, mark: mark, from: from, buf: make([]byte, readerBuffer)}
	if from > 0 {
		r.at = from - 1
	}
	if err := r.seek(from); err != nil {
		r.Close()
		return nil, fmt.Errorf("open journal for reading: %w", err)
	}
	return r, nil
}

// Mark returns the journal's mark; nil when it has none.
func (r *Reader) Mark() *Mark { return r.mark }

// At is the sequence of the line Next returned last.
func (r *Reader) At() auditbridge.Sequence { return r.at }

// Next returns the next line without its LF, and its sequence. The bytes are
// the reader's and good until the next call. Sequences rise; where one is
// missing, that range was dropped, or is a gap the journal itself tells of.
// io.EOF means the durable mark is reached (Wait tells when there is more).
// A *CorruptionError is returned once where the journal does not read as it
// was written; the call after it goes on behind the damage.
func (r *Reader) Next() (auditbridge.Sequence, []byte, error) {
	for {
		if r.mark != nil {
			if err := r.followWriter(); err != nil {
				return 0, nil, err
			}
			if !r.opts.PastDurable && r.at >= r.mark.Durable() {
				return 0, nil, io.EOF
			}
		}
		if r.file == nil || r.bound != 0 && r.at+1 >= r.bound {
			if err := r.openAfter(); err != nil {
				return 0, nil, err
			}
		}
		if i := bytes.IndexByte(r.buf[r.start:r.end], '\n'); i >= 0 {
			seq, line, err := r.take(r.buf[r.start : r.start+i])
			if err == nil && seq < r.from {
				continue
			}
			return seq, line, err
		}
		more, err := r.fill()
		if err != nil {
			return 0, nil, err
		}
		if !more {
			if err := r.endOfFile(); err != nil {
				return 0, nil, err
			}
		}
	}
}

// Wait returns nil when Next has more, or ctx's error. It needs a mark.
func (r *Reader) Wait(ctx context.Context) error {
	if r.mark == nil {
		return errors.New("wait for more of a journal: it has no durable mark")
	}
	return r.mark.Wait(ctx, r.at)
}

// Close closes the reader and its mark.
func (r *Reader) Close() error {
	if r.mark != nil {
		r.mark.Close()
	}
	return r.closeFile()
}

// take consumes line and checks, where a block says so itself, that it stands
// where it was written. A line that looks like a block line and is not the next
// of the chain is content.
func (r *Reader) take(line []byte) (auditbridge.Sequence, []byte, error) {
	at := r.offset
	r.start += len(line) + 1
	r.offset += int64(len(line)) + 1
	r.at++
	block, err := parseBlock(line)
	if err != nil {
		return r.at, line, nil
	}
	own := block.Sequence()
	switch {
	case own == r.at:
		r.tip = seal.HashLine(line)
	case block.Prev == r.tip && !r.tip.IsZero():
		err := fmt.Errorf("by count this is line %d, by its own words it is %d", r.at, own)
		r.at, r.tip = own, seal.HashLine(line)
		return 0, nil, &CorruptionError{r.name, at, err}
	}
	return r.at, line, nil
}

// fill reads more of the segment behind what is in the buffer.
func (r *Reader) fill() (more bool, err error) {
	if r.start > 0 {
		r.end = copy(r.buf, r.buf[r.start:r.end])
		r.start = 0
	}
	if r.end == len(r.buf) {
		at := r.offset
		r.offset += int64(r.end)
		r.end = 0
		return false, &CorruptionError{r.name, at, fmt.Errorf("no line ends within %d bytes", len(r.buf))}
	}
	n, err := r.file.ReadAt(r.buf[r.end:], r.offset+int64(r.end))
	r.end += n
	if n == 0 && err != io.EOF {
		return false, fmt.Errorf("read segment %s: %w", r.name, err)
	}
	return n > 0, nil
}

// endOfFile decides what the end of the segment's bytes means: the end of the
// journal so far (io.EOF), or that the next segment follows.
func (r *Reader) endOfFile() error {
	bound, err := r.segmentAfter()
	switch {
	case err != nil:
		return err
	case bound == 0:
		return io.EOF
	case bound != r.bound:
		// It was the newest a moment ago: look for last bytes once more.
		r.bound = bound
		return nil
	}
	if torn := r.end - r.start; torn > 0 {
		at := r.offset
		r.start, r.end = 0, 0
		r.at = bound - 1
		return &CorruptionError{r.name, at, fmt.Errorf("the segment ends within a line, after %d bytes of it", torn)}
	}
	if r.at+1 < bound {
		r.at = bound - 1 // a gap in the numbering; the journal tells of it there
	}
	return nil
}

// followWriter notices that the writer has opened a segment or was replaced,
// and forgets what was read ahead.
func (r *Reader) followWriter() error {
	epoch := r.mark.epoch()
	if epoch == r.epoch {
		return nil
	}
	r.epoch = epoch
	r.start, r.end = 0, 0
	if r.file == nil {
		return nil
	}
	if r.replaced() {
		// Nothing in it was durable, so nothing was read from it.
		r.closeFile()
		return nil
	}
	bound, err := r.segmentAfter()
	r.bound = bound
	return err
}

// seek opens the segment that holds from, or the oldest, and skips to from.
func (r *Reader) seek(from auditbridge.Sequence) error {
	firsts, err := r.segments()
	if err != nil || len(firsts) == 0 {
		return err
	}
	i := 0
	for i+1 < len(firsts) && firsts[i+1] <= from {
		i++
	}
	if err := r.open(firsts[i]); err != nil {
		return err
	}
	if i+1 < len(firsts) {
		r.bound = firsts[i+1]
	}
	r.at = firsts[i] - 1
	for r.at+1 < from {
		if n := r.skip(int(from - 1 - r.at)); n > 0 {
			continue
		}
		if more, err := r.fill(); err != nil || !more {
			return err
		}
	}
	return nil
}

// skip passes over at most n lines of the buffer without looking at them.
func (r *Reader) skip(n int) (skipped int) {
	for skipped < n {
		i := bytes.IndexByte(r.buf[r.start:r.end], '\n')
		if i < 0 {
			break
		}
		r.start += i + 1
		r.offset += int64(i) + 1
		skipped++
	}
	r.at += auditbridge.Sequence(skipped)
	return skipped
}

// openAfter opens the segment behind the open one, or, when none is open, the
// one to begin with. io.EOF means that there is none.
func (r *Reader) openAfter() error {
	if r.file == nil {
		if err := r.seek(max(r.from, r.at+1)); err != nil {
			return err
		}
		if r.file == nil {
			return io.EOF
		}
		return nil
	}
	first, err := r.segmentAfter()
	if err != nil {
		return err
	}
	if first == 0 {
		return io.EOF
	}
	if err := r.open(first); err != nil {
		return err
	}
	r.at = first - 1
	r.bound, err = r.segmentAfter()
	return err
}

func (r *Reader) open(first auditbridge.Sequence) error {
	r.closeFile()
	name := segmentName(first)
	f, err := durable.OpenRegular(filepath.Join(r.dir, name))
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	if err := checkFormat(f, name); err != nil {
		f.Close()
		return err
	}
	r.file, r.name, r.bound = f, name, 0
	r.start, r.end, r.offset = 0, 0, 0
	return nil
}

// segmentAfter returns the first sequence of the segment behind the open one.
func (r *Reader) segmentAfter() (auditbridge.Sequence, error) {
	own, _ := ParseSegmentName(r.name)
	firsts, err := r.segments()
	for _, first := range firsts {
		if first > own {
			return first, err
		}
	}
	return 0, err
}

// replaced says whether the open file's name belongs to another file now.
func (r *Reader) replaced() bool {
	now, err := os.Lstat(filepath.Join(r.dir, r.name))
	if err != nil {
		return false // dropped: what is open can still be read
	}
	was, err := r.file.Stat()
	return err == nil && !os.SameFile(was, now)
}

// Oldest is the first line kept in dir; 1 where there is none yet.
func Oldest(dir string) (auditbridge.Sequence, error) {
	firsts, err := listSegments(dir)
	if len(firsts) == 0 {
		return 1, err
	}
	return firsts[0], nil
}

func (r *Reader) segments() ([]auditbridge.Sequence, error) { return listSegments(r.dir) }

func listSegments(dir string) ([]auditbridge.Sequence, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("list journal: %w", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list journal: %w", err)
	}
	return segmentsIn(names), nil
}

func (r *Reader) closeFile() error {
	if r.file == nil {
		return nil
	}
	f := r.file
	r.file = nil
	return f.Close()
}
