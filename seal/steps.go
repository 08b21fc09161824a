package seal

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"strings"

	"auditbridge/auditbridge"
)

// Steps says how a block's hash grew: three characters for each of its first
// lines, the first three of BASE64URL of the SHA-256 of all lines up to and with
// that one. Where a block's lines do not have its hash, they tell which line is
// the first that is not as it was. They prove nothing: 18 bits can be tried out
// by whoever wants the next line named instead. Empty in what an earlier program
// wrote.
type Steps string

const (
	stepSize = 3
	// maxSteps bounds a block line to what a server that files 8 KiB of a message
	// takes whole; 64 KiB of records are a few hundred lines.
	maxSteps = 2048

	stepAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

// appendStep appends the step of the lines that h has taken. It allocates
// nothing when dst has room; sum is for its use.
func appendStep(dst []byte, h hash.Hash, sum *Hash) []byte {
	h.Sum(sum[:0])
	return append(dst, stepAlphabet[sum[0]>>2], stepAlphabet[sum[0]&3<<4|sum[1]>>4], stepAlphabet[sum[1]&15<<2|sum[2]>>6])
}

// check holds s to a block of n lines.
func (s Steps) check(n uint64) error {
	switch {
	case len(s) == 0:
		return nil
	case uint64(len(s)) != stepSize*min(n, maxSteps):
		return fmt.Errorf("steps= is %d characters for %d lines", len(s), n)
	case strings.Trim(string(s), stepAlphabet) != "":
		return errors.New("steps= is not BASE64URL")
	}
	return nil
}

// firstBad returns the sequence of the first of l that is not as it was in b, and
// which of l that is: its length when what comes next is missing, or when only b's
// own line can be it. Sequence 0 means that the steps do not tell.
func (b *Block) firstBad(l *lines) (auditbridge.Sequence, int) {
	h, sum := sha256.New(), Hash{}
	var step [stepSize]byte
	known := len(b.Steps) / stepSize
	i := 0
	for ; i < min(l.len(), known); i++ {
		h.Write(l.line(i))
		if string(appendStep(step[:0], h, &sum)) != string(b.Steps[i*stepSize:][:stepSize]) {
			break
		}
	}
	if i == known && uint64(known) < max(b.N, 1) {
		return 0, 0
	}
	return b.First + auditbridge.Sequence(i), i
}
