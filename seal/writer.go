package seal

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"

	"auditbridge/auditbridge"
)

// Writer is the chain while it is written: it hashes lines as they go into the
// journal and makes the block lines between them. It does no I/O; its owner
// writes what Close returns. It is not safe for concurrent use.
type Writer struct {
	hash  hash.Hash
	first auditbridge.Sequence // of the open block
	n     uint64               // lines in the open block
	bytes int
	prev  Hash
	steps []byte
	sum   Hash

	closing Hash // of the line Close has made
}

// NewWriter continues a chain: next is the sequence the next line will have,
// prev the hash of the last block line (HashLine), zero in a new journal.
// After recovery the whole lines behind that block line are given to Write.
func NewWriter(next auditbridge.Sequence, prev Hash) *Writer {
	return &Writer{hash: sha256.New(), first: next, prev: prev, steps: make([]byte, 0, stepSize*maxSteps)}
}

// Write takes n whole lines, each with its LF, as they stand in the journal.
// It keeps nothing of lines and allocates nothing.
func (w *Writer) Write(lines []byte, n int) {
	w.n += uint64(n)
	w.bytes += len(lines)
	for len(lines) > 0 && len(w.steps) < stepSize*maxSteps {
		end := bytes.IndexByte(lines, '\n') + 1
		w.hash.Write(lines[:end])
		w.steps = appendStep(w.steps, w.hash, &w.sum)
		lines = lines[end:]
	}
	w.hash.Write(lines)
}

// Open returns how many lines, of how many bytes, the open block holds.
func (w *Writer) Open() (lines uint64, bytes int) { return w.n, w.bytes }

// Next returns the sequence of the next line to be written.
func (w *Writer) Next() auditbridge.Sequence { return w.first + auditbridge.Sequence(w.n) }

// Prev returns the hash of the last block line.
func (w *Writer) Prev() Hash { return w.prev }

// Skip continues the numbering at next: the sequences before it were used for
// lines that are lost. The block line that follows vouches for the gap, so a
// reader can tell it from removed lines. The open block must be empty.
func (w *Writer) Skip(next auditbridge.Sequence) error {
	if w.n > 0 || next < w.first {
		return fmt.Errorf("skip to sequence %d: open block holds %d lines from %d", next, w.n, w.first)
	}
	w.first = next
	return nil
}

// Close makes the open block's line: it fills in b's First, N, SHA256, Prev and
// Steps and appends the line, LF included, to dst; with a signer a checkpoint. The
// rest of b is the caller's. The block stays open, and may be closed otherwise,
// until Closed.
func (w *Writer) Close(dst []byte, b *Block, signer Signer) ([]byte, error) {
	if w.first == 0 {
		return dst, errors.New("close block: sequences begin at 1")
	}
	b.First, b.N, b.Prev, b.Steps = w.first, w.n, w.prev, Steps(w.steps)
	w.hash.Sum(b.SHA256[:0])
	start := len(dst)
	dst, err := AppendBlock(dst, b, signer)
	if err != nil {
		return dst, fmt.Errorf("close block: at sequence %d: %w", b.First, err)
	}
	w.closing = HashLine(dst[start:])
	return dst, nil
}

// Closed says that the line Close made stands in the journal, with the sequence
// Next gives: the next block begins behind it.
func (w *Writer) Closed() {
	w.prev = w.closing
	w.first, w.n, w.bytes = w.Next()+1, 0, 0
	w.hash.Reset()
	w.steps = w.steps[:0]
}

// HashLine is the hash by which the next block line refers to a block line.
// Line may have its LF or not; the hash is over it with one.
func HashLine(line []byte) Hash {
	if len(line) > 0 && line[len(line)-1] == '\n' {
		return sha256.Sum256(line)
	}
	h := sha256.New()
	h.Write(line)
	h.Write([]byte{'\n'})
	var sum Hash
	h.Sum(sum[:0])
	return sum
}
