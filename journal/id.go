package journal

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
)

// ID names one journal for ever: a journal that is copied keeps it, a new one
// gets a new one. Positions of two journals are never comparable.
type ID [16]byte

// String returns the 32 hexadecimal digits that stand in the journal's lines.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID is the inverse of String.
func ParseID(s string) (id ID, err error) {
	if len(s) != 2*len(id) {
		return id, fmt.Errorf("journal id %q: want %d hexadecimal digits", s, 2*len(id))
	}
	if _, err := hex.Decode(id[:], []byte(s)); err != nil {
		return id, fmt.Errorf("journal id %q: %w", s, err)
	}
	return id, nil
}

func newID() (id ID) {
	rand.Read(id[:]) // never fails (crypto/rand, Go 1.24)
	return id
}
