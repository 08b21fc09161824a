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

// identity is what stays a file's own when it is renamed. The number alone is given
// to another file as soon as it is free.
type identity struct {
	dev, inode uint64
	born       int64 // Unix nanoseconds; 0 where the file system does not say
}

// identify fills in what a file is like: the one open at fd, or, when there is a
// path, what has that name.
func (f *logFile) identify(fd int, path string) error {
	flags := unix.AT_SYMLINK_NOFOLLOW
	if path == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	var st unix.Statx_t
	if err := unix.Statx(fd, path, flags, unix.STATX_BASIC_STATS|unix.STATX_BTIME, &st); err != nil {
		return err
	}
	nanoseconds := func(t unix.StatxTimestamp) int64 { return t.Sec*1e9 + int64(t.Nsec) }
	f.identity = identity{dev: unix.Mkdev(st.Dev_major, st.Dev_minor), inode: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		f.born = nanoseconds(st.Btime)
	}
	f.owner, f.size, f.modified = st.Uid, int64(st.Size), nanoseconds(st.Mtime)
	return nil
}

// isAt tells whether the name at path is f's.
func (f *logFile) isAt(path string) bool {
	var named logFile
	return named.identify(unix.AT_FDCWD, path) == nil && named.identity == f.identity
}
