package journal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"

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

// findBlock looks from the end of data for a block line that holds: whose
// lines, from the block line before it or the start of the segment, have its
// count and hash.
func (t *tail) findBlock(data []byte, from int64, before *tail) bool {
	starts := blockLines(data)
	for k := len(starts) - 1; k >= 0; k-- {
		line := firstLine(data[starts[k]:])
		block, err := seal.ParseBlock(line)
		if err != nil {
			continue
		}
		begin, carried := 0, []byte(nil)
		switch {
		case k > 0:
			begin = starts[k-1] + len(firstLine(data[starts[k-1]:])) + 1
		case from > 0:
			return false
		case block.First < t.first && before != nil:
			carried = before.from(block.First)
		}
		if !holds(&block, carried, data[begin:starts[k]]) {
			continue
		}
		end := from + int64(starts[k]+len(line)+1)
		t.blockEnd, t.next = end, block.Sequence()+1
		t.open = blockStart{first: t.next, offset: end, prev: seal.HashLine(line)}
		return true
	}
	return false
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

// takeLines takes whole, sane lines from b, which begins at blockEnd.
func (t *tail) takeLines(b []byte) {
	n := 0
	for {
		i := bytes.IndexByte(b[n:], '\n')
		if i < 0 || !saneLine(b[n:n+i]) {
			break
		}
		if seal.LooksLikeBlock(b[n : n+i]) {
			// It does not hold, so which of the lines before it are right is
			// not known: none of them is gone on from.
			n, t.lines = 0, 0
			break
		}
		n += i + 1
		t.lines++
	}
	t.bytes, t.torn = bytes.Clone(b[:n]), bytes.Clone(b[n:])
	t.good = t.blockEnd + int64(n)
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

// blockLines returns where whole lines in data begin that look like block lines.
func blockLines(data []byte) (starts []int) {
	for at := 0; at < len(data); {
		i := bytes.IndexByte(data[at:], '\n')
		if i < 0 {
			break
		}
		if seal.LooksLikeBlock(data[at : at+i]) {
			starts = append(starts, at)
		}
		at += i + 1
	}
	return starts
}

// chainEnd returns what the last checkpoint before offset end says; found is
// false when the segment has none.
func chainEnd(f io.ReaderAt, end int64) (c seal.ChainEnd, found bool, err error) {
	const window = 1 << 20
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
		starts := blockLines(data[skip:])
		for k := len(starts) - 1; k >= 0; k-- {
			b, err := seal.ParseBlock(firstLine(data[skip+starts[k]:]))
			if err == nil && b.Signed() {
				return seal.ChainEnd{Key: b.Key, Next: b.Next}, true, nil
			}
		}
		if from == 0 || skip == 0 {
			break
		}
		end = from + int64(skip)
	}
	return c, false, nil
}
