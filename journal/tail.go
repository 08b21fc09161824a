package journal

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/seal"
)

// tail is what the end of a segment says: its last whole block and the good
// lines behind it.
type tail struct {
	first auditbridge.Sequence // of the segment
	size  int64                // of its file

	blockEnd int64                // offset behind the last block line that holds; 0 when there is none
	next     auditbridge.Sequence // of the line at blockEnd
	open     blockStart           // the open block; its offset is blockEnd
	good     int64                // offset behind the last whole, sane line: where to go on
	lines    int                  // lines from blockEnd to good
	bytes    []byte               // these lines
	torn     []byte               // what is behind good
	farewell time.Time            // of the farewell with which the last block ends, and nothing is behind it; zero else
}

// last is the sequence of the last good line.
func (t *tail) last() auditbridge.Sequence {
	return t.next + auditbridge.Sequence(t.lines) - 1
}

// tailWindow is what is read of a segment's end at first: the last block, its
// line, what came after, and the block before in case the last does not hold.
const tailWindow = 4 * blockSize

// readTail reads the end of a segment. before is the tail of the segment in
// front of it, nil when there is none: an open block may reach across, and the
// chain comes from there. The cost does not depend on the segment's size,
// unless its end is damaged.
func readTail(f io.ReaderAt, first auditbridge.Sequence, size int64, before *tail) (*tail, error) {
	for window := int64(tailWindow); ; window *= 4 {
		from := max(0, size-window)
		data, err := readAll(f, from, size)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if from > 0 {
			i := bytes.IndexByte(data, '\n') + 1
			data, from = data[i:], from+int64(i)
		}
		t := &tail{first: first, size: size}
		if t.findBlock(data, from, before) {
			t.takeLines(data[t.blockEnd-from:])
			return t, nil
		}
		if from == 0 {
			t.startOfSegment(before)
			t.takeLines(data)
			return t, nil
		}
	}
}

// readTailTo is readTail of a segment that another one follows, which begins at
// sequence end. What lies behind that was given up when the disk failed, and
// nobody reads it; it could not be cut off, or that has not lasted.
func readTailTo(end auditbridge.Sequence, f io.ReaderAt, first auditbridge.Sequence, size int64, before *tail) (*tail, error) {
	lines, at := bufio.NewReaderSize(io.NewSectionReader(f, 0, size), blockSize), int64(0)
	for s := first; s < end; {
		part, err := lines.ReadSlice('\n')
		at += int64(len(part))
		switch {
		case err == nil:
			s++
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			return nil, err
		}
	}
	return readTail(f, first, at, before)
}

// findBlock looks from the end of data for a block line that holds: whose
// lines, as many as it counts, have its hash, and whose chain goes back to the
// block line in front of these. A line that only looks like one, as content
// may, does not.
func (t *tail) findBlock(data []byte, from int64, before *tail) bool {
	starts := lineStarts(data)
	for k := len(starts) - 1; k >= 0; k-- {
		line := firstLine(data[starts[k]:])
		block, err := parseBlock(line)
		if err != nil {
			continue
		}
		first, carried := 0, []byte(nil)
		switch {
		case uint64(k) > block.N:
			if first = k - int(block.N); !follows(&block, data, starts, k) {
				continue
			}
		case from > 0:
			continue
		case before != nil && !before.open.prev.IsZero() && before.open.prev != block.Prev:
			continue
		case block.First < t.first && before == nil:
			// Its beginning was dropped with the segment before, where the disk had
			// failed in between: that its numbers fit is all there is to go by.
			if block.Sequence() != t.first+auditbridge.Sequence(k) {
				continue
			}
			t.ended(&block, line, from+int64(starts[k]))
			return true
		case block.First < t.first && before != nil:
			carried = before.from(block.First)
		}
		if holds(&block, carried, data[starts[first]:starts[k]]) {
			t.ended(&block, line, from+int64(starts[k]))
			if k == len(starts)-1 && k > 0 {
				t.farewell = farewellAt(firstLine(data[starts[k-1]:]))
			}
			return true
		}
	}
	return false
}

// farewellAt is the time of the record with which an orderly end is put on record;
// zero when line is another.
func farewellAt(line []byte) (at time.Time) {
	h, ok := auditbridge.ParseHeader(line)
	if ok && h.Type == auditbridge.TypeDaemonEnd && h.ID.Serial >= auditbridge.FirstNoteSerial {
		at = h.ID.Time()
	}
	return at
}

// ended makes the block line at offset at the last that holds.
func (t *tail) ended(b *seal.Block, line []byte, at int64) {
	t.blockEnd, t.next = at+int64(len(line))+1, b.Sequence()+1
	t.open = blockStart{first: t.next, offset: t.blockEnd, prev: seal.HashLine(line)}
	t.lines = 0
}

// startOfSegment makes the start of the segment the place behind which no
// block ended yet.
func (t *tail) startOfSegment(before *tail) {
	t.next = t.first
	t.open = blockStart{first: t.first}
	if before == nil {
		return
	}
	t.open.prev = before.open.prev
	if before.last()+1 == t.first && before.lines > 0 {
		t.open.first, t.open.carried = before.open.first, append(bytes.Clone(before.open.carried), before.bytes...)
	}
}

// from returns the lines from sequence first to the tail's end.
func (t *tail) from(first auditbridge.Sequence) []byte {
	if first != t.open.first {
		return nil
	}
	return append(bytes.Clone(t.open.carried), t.bytes...)
}

// takeLines takes whole, sane lines from b, which begins at blockEnd. A block
// line among them whose lines are not what it says is a break, behind which
// nothing is gone on from. One that neither continues the chain nor knows its
// own number is no block line: its text is somebody's, and content.
func (t *tail) takeLines(b []byte) {
	n := 0
	for {
		i := bytes.IndexByte(b[n:], '\n')
		if i < 0 || !saneLine(b[n:n+i]) {
			break
		}
		line := b[n : n+i]
		if block, err := parseBlock(line); err == nil {
			continues := block.Prev == t.open.prev && block.First == t.open.first
			switch {
			case continues && !holds(&block, t.open.carried, b[:n]):
				n, t.lines = 0, 0
				t.bytes, t.torn, t.good = nil, bytes.Clone(b), t.blockEnd
				return
			case continues || block.Sequence() == t.next+auditbridge.Sequence(t.lines) && holds(&block, nil, lastLines(b[:n], block.N)):
				t.ended(&block, line, t.blockEnd+int64(n))
				b, n = b[n+i+1:], 0
				continue
			}
		}
		n += i + 1
		t.lines++
	}
	t.bytes, t.torn = bytes.Clone(b[:n]), bytes.Clone(b[n:])
	t.good = t.blockEnd + int64(n)
}

var errNoBlock = errors.New("no block line")

// parseBlock is seal.ParseBlock, at no cost for other lines.
func parseBlock(line []byte) (seal.Block, error) {
	if !seal.LooksLikeBlock(line) {
		return seal.Block{}, errNoBlock
	}
	return seal.ParseBlock(line)
}

// lastLines returns the last n lines of b, or all.
func lastLines(b []byte, n uint64) []byte {
	at := len(b)
	for ; n > 0 && at > 0; n-- {
		at = bytes.LastIndexByte(b[:at-1], '\n') + 1
	}
	return b[at:]
}

// lineStarts returns where whole lines in data begin.
func lineStarts(data []byte) (starts []int) {
	for at := 0; at < len(data); {
		i := bytes.IndexByte(data[at:], '\n')
		if i < 0 {
			break
		}
		starts = append(starts, at)
		at += i + 1
	}
	return starts
}

// saneLine says whether a line can be one that was appended: what a disk makes
// up after a power failure is mostly zeros.
func saneLine(line []byte) bool {
	if len(line) == 0 || len(line) >= auditbridge.MaxLine {
		return false
	}
	for _, c := range line {
		if c < 0x20 && c != 0x1d || c == 0x7f {
			return false
		}
	}
	return true
}

func holds(b *seal.Block, carried, lines []byte) bool {
	if uint64(bytes.Count(carried, lf)+bytes.Count(lines, lf)) != b.N {
		return false
	}
	h := sha256.New()
	h.Write(carried)
	h.Write(lines)
	return seal.Hash(h.Sum(nil)) == b.SHA256
}

// chainEnd returns what the last checkpoint in the segment first, before offset
// end, says; found is false when there is none. A line that only looks like a
// checkpoint, as content may, is none: it does not follow on a block line.
func chainEnd(f io.ReaderAt, first auditbridge.Sequence, end int64) (c seal.ChainEnd, found bool, err error) {
	const window, overlap = 1 << 20, 3 * blockSize
	for end > 0 {
		from := max(0, end-window)
		data, err := readAll(f, from, end)
		if err != nil && !errors.Is(err, io.EOF) {
			return c, false, err
		}
		skip := 0
		if from > 0 {
			skip = bytes.IndexByte(data, '\n') + 1
		}
		data = data[skip:]
		starts := lineStarts(data)
		for k := len(starts) - 1; k >= 0; k-- {
			b, err := parseBlock(firstLine(data[starts[k]:]))
			if err != nil || !b.Signed() {
				continue
			}
			if follows(&b, data, starts, k) || from == 0 && b.Sequence() == first+auditbridge.Sequence(k) {
				return seal.ChainEnd{Key: b.Key, Next: b.Next}, true, nil
			}
		}
		if from == 0 {
			break
		}
		end = from + overlap
	}
	return c, false, nil
}

// follows says whether the block line b, line k of data, has in front of it as
// many lines as it counts, and in front of these the block line it refers to.
func follows(b *seal.Block, data []byte, starts []int, k int) bool {
	return uint64(k) > b.N && seal.HashLine(firstLine(data[starts[k-int(b.N)-1]:])) == b.Prev
}
