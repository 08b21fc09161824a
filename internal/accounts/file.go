package accounts

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// file is one of the two files, as it was when it was last looked at.
type file struct {
	path  string
	of    database
	stamp stamp
	table *Table // nil until it has been read
}

// stamp tells one state of a file from another.
type stamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

// settled is how old a file's last change must be for its stamp to be believed:
// what is written within one tick of the file system's clock leaves no mark.
const settled = 2 * time.Second

// look reads the file when it has changed since the last look, and reports
// whether it did. What cannot be read leaves the table as it was.
func (f *file) look(now time.Time) (read bool, err error) {
	var st unix.Stat_t
	if err := unix.Stat(f.path, &st); err != nil {
		return false, &os.PathError{Op: "stat", Path: f.path, Err: err}
	}
	if f.table != nil && stampOf(&st) == f.stamp {
		return false, nil
	}
	from, err := os.OpenFile(f.path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return false, err
	}
	defer from.Close()
	if err := unix.Fstat(int(from.Fd()), &st); err != nil {
		return false, &os.PathError{Op: "stat", Path: f.path, Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false, fmt.Errorf("%s is not a regular file", f.path)
	}
	t, err := f.of.read(from)
	if err != nil {
		return false, err
	}
	f.table, f.stamp = t, stampOf(&st)
	if now.Sub(time.Unix(st.Ctim.Unix())) < settled {
		f.stamp = stamp{}
	}
	return true, nil
}

func stampOf(st *unix.Stat_t) stamp {
	return stamp{uint64(st.Dev), st.Ino, st.Size, st.Mtim, st.Ctim}
}

// names is the table, empty before there is one.
func (f *file) names() map[uint32]string {
	if f.table == nil {
		return nil
	}
	return f.table.Names
}
