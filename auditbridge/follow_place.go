package auditbridge

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// filePlace is where in a log we stand. The file's numbers find it quickly; what
// tells that it is the one is the sum of what stands before the place: a copy is
// as good, and a file that was cut or written anew is not.
type filePlace struct {
	dev, inode uint64
	offset     int64
	modified   int64  // when the file was last written to, Unix nanoseconds
	before     uint64 // sum of the beforeBytes bytes, or less, in front of offset
}

// beforeBytes are enough to hold the stamp of some record, which no other log has
// at that place.
const beforeBytes = 1024

func (p filePlace) String() string {
	return fmt.Sprintf("%d/%d/%d/%d/%016x", p.dev, p.inode, p.offset, p.modified, p.before)
}

func parsePlace(text string) (p filePlace, err error) {
	n, err := fmt.Sscanf(text, "%d/%d/%d/%d/%x", &p.dev, &p.inode, &p.offset, &p.modified, &p.before)
	if err == nil && (n != 5 || p.offset < 0 || p.String() != text) {
		err = fmt.Errorf("%q is no place in a file", text)
	}
	return p, err
}

func sumBefore(bytes []byte) uint64 {
	sum := sha256.Sum256(bytes)
	return binary.BigEndian.Uint64(sum[:])
}

// identity is what stays a file's own when it is renamed.
type identity struct{ dev, inode uint64 }

func identityOf(st *unix.Stat_t) identity { return identity{uint64(st.Dev), st.Ino} }
