package seal

import (
	"encoding/hex"
	"time"

	"auditbridge/auditbridge"
)

// MaxBlock is how many bytes of lines a block holds at most, in a journal
// written by us. A reader accepts larger ones.
const MaxBlock = 64 << 10

// Hash is a SHA-256 digest.
type Hash [32]byte

// IsZero says that there is no hash: what prev= holds in a journal's first
// block line.
func (h Hash) IsZero() bool { return h == Hash{} }

// String returns the digest in lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText gives String's form, so that a hash reads the same in JSON.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// Block is what a block line says. A signed one is a checkpoint.
type Block struct {
	At       time.Time // whole milliseconds
	Serial   uint32    // auditbridge.FirstNoteSerial or more
	PID      int
	First    auditbridge.Sequence // of the first line covered
	N        uint64               // lines covered: First … First+N-1; the block line itself is First+N
	Boot     string               // the kernel's boot_id: letters, digits, '-'
	BootTime time.Duration        // since boot, suspended time included; whole milliseconds
	Source   string               // where the lines came from: kernel, plugin, file:PATH …
	SHA256   Hash                 // of the covered lines as they stand, each with its LF
	Prev     Hash                 // of the previous block line with its LF; zero in the first
	Steps    Steps                // SHA256 line by line; empty is not known
	Relays   []RelayPosition      // what each relay had delivered; a checkpoint's only
	Next     PublicKey            // signs from the next checkpoint on; a checkpoint's only
	Key      PublicKey            // whose signature Sig is; zero unless this is a checkpoint
	Sig      []byte
}

// RelayPosition is how far a relay's cursor was when a checkpoint was made.
type RelayPosition struct {
	Name string               `json:"name"`
	At   auditbridge.Sequence `json:"sequence"`
}

// Sequence returns the block line's own sequence.
func (b *Block) Sequence() auditbridge.Sequence { return b.First + auditbridge.Sequence(b.N) }

// Signed says that the block line is a checkpoint. It does not say that the
// signature is good: Verify does.
func (b *Block) Signed() bool { return !b.Key.IsZero() }

// Verify says whether line, from which b was parsed, carries a good signature
// by b.Key. Whether that key is to be trusted is another question.
func (b *Block) Verify(line []byte) bool {
	return b.Signed() && b.Key.Verify(signedPart(line), b.Sig)
}
