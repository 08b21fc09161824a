// Package durable does what must hold after a power failure: files that are
// replaced whole, names that stay, small state that is either old or new. All
// of it goes through Dir and File, so that a test can fail any step.
//
// What is assumed of the disk: fdatasync returns only when what was written
// before it survives; a write of one sector is not torn; a rename is all or
// nothing. Nothing is assumed of a write that was not synced.
package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Dir is one directory, held open, so that no later change of the path above
// it leads elsewhere. Names are single path elements. No method follows a
// symbolic link in the last element.
type Dir interface {
	// Path is the name the directory was opened by, for messages only.
	Path() string
	// Open opens or creates a regular file; flag as for open(2).
	Open(name string, flag int, mode os.FileMode) (File, error)
	Rename(from, to string) error
	Remove(name string) error
	// Symlink makes name point at target.
	Symlink(target, name string) error
	Readlink(name string) (string, error)
	// Names lists the directory in no order.
	Names() ([]string, error)
	// Grant gives the directory itself a mode, and a group.
	Grant(mode os.FileMode, gid int) error
	// Sync makes created, renamed and removed names durable.
	Sync() error
	Close() error
}

// File is an open regular file.
type File interface {
	io.ReaderAt
	io.WriterAt
	// Sync makes the bytes, and the size needed to read them, durable
	// (fdatasync). A failed Sync is final: a second one may say yes although
	// the data is gone (LWN 752063), so nobody calls it again on this file.
	Sync() error
	// Allocate reserves n bytes from off without moving the end of the file
	// (FALLOC_FL_KEEP_SIZE): writing there cannot fail for want of space.
	Allocate(off, n int64) error
	// Truncate sets the size and gives back what was allocated beyond it.
	Truncate(size int64) error
	Size() (int64, error)
	// Grant gives the file a mode, whatever the umask is, and the group gid
	// when that is not negative. What has them already is left alone, and so is
	// what is not the caller's own.
	Grant(mode os.FileMode, gid int) error
	Fd() uintptr
	Close() error
}

type osDir struct {
	f    *os.File
	path string
}

type osFile struct{ *os.File }

func (d *osDir) Path() string { return d.path }

func (d *osDir) Open(name string, flag int, mode os.FileMode) (File, error) {
	fd, err := ignoringEINTR(func() (int, error) {
		return unix.Openat(int(d.f.Fd()), name, flag|unix.O_CLOEXEC|unix.O_NOFOLLOW|unix.O_NONBLOCK, uint32(mode.Perm()))
	})
	if err != nil {
		return nil, d.fail("open", name, err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, d.fail("stat", name, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		unix.Close(fd)
		return nil, &PathError{d.path + "/" + name, "is not a regular file"}
	}
	return osFile{os.NewFile(uintptr(fd), d.path+"/"+name)}, nil
}

func (d *osDir) Rename(from, to string) error {
	if err := unix.Renameat(int(d.f.Fd()), from, int(d.f.Fd()), to); err != nil {
		return d.fail("rename to "+to, from, err)
	}
	return nil
}

func (d *osDir) Remove(name string) error {
	if err := unix.Unlinkat(int(d.f.Fd()), name, 0); err != nil {
		return d.fail("remove", name, err)
	}
	return nil
}

func (d *osDir) Symlink(target, name string) error {
	if err := unix.Symlinkat(target, int(d.f.Fd()), name); err != nil {
		return d.fail("make link", name, err)
	}
	return nil
}

func (d *osDir) Readlink(name string) (string, error) {
	buf := make([]byte, 4096)
	n, err := unix.Readlinkat(int(d.f.Fd()), name, buf)
	if err != nil {
		return "", d.fail("read link", name, err)
	}
	return string(buf[:n]), nil
}

func (d *osDir) Names() ([]string, error) {
	fd, err := unix.Openat(int(d.f.Fd()), ".", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, d.fail("list", ".", err)
	}
	f := os.NewFile(uintptr(fd), d.path)
	defer f.Close()
	return f.Readdirnames(-1)
}

func (d *osDir) Sync() error  { return d.f.Sync() }
func (d *osDir) Close() error { return d.f.Close() }

func (d *osDir) fail(op, name string, err error) error {
	if errors.Is(err, unix.ELOOP) {
		return &PathError{d.path + "/" + name, "is a symbolic link"}
	}
	return &fs.PathError{Op: op, Path: d.path + "/" + name, Err: err}
}

func (f osFile) Sync() error {
	_, err := ignoringEINTR(func() (int, error) { return 0, unix.Fdatasync(int(f.Fd())) })
	if err != nil {
		return &fs.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

func (f osFile) Allocate(off, n int64) error {
	_, err := ignoringEINTR(func() (int, error) {
		return 0, unix.Fallocate(int(f.Fd()), unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
	if err != nil {
		return &fs.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
	return nil
}

func (f osFile) Size() (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (f osFile) Grant(mode os.FileMode, gid int) error { return grant(f.File, mode, gid) }
func (d *osDir) Grant(mode os.FileMode, gid int) error { return grant(d.f, mode, gid) }

func grant(f *os.File, mode os.FileMode, gid int) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return &fs.PathError{Op: "stat", Path: f.Name(), Err: err}
	}
	if int(st.Uid) != os.Geteuid() {
		return nil
	}
	// The group first: the old one must not come by the new one's rights.
	if gid >= 0 && int(st.Gid) != gid {
		if err := f.Chown(-1, gid); err != nil {
			return err
		}
	}
	if os.FileMode(st.Mode).Perm() == mode.Perm() {
		return nil
	}
	return f.Chmod(mode.Perm())
}

func ignoringEINTR(f func() (int, error)) (int, error) {
	for {
		if n, err := f(); err != syscall.EINTR {
			return n, err
		}
	}
}

// LockedError says that another process holds a lock.
type LockedError struct{ Path string }

func (e *LockedError) Error() string {
	return fmt.Sprintf("lock %s: another process holds it", e.Path)
}

// Hint says what an operator can do.
func (e *LockedError) Hint() string {
	return "another auditbridge already works on this directory: stop it, or give this one a directory of its own"
}

// Lock takes the lock file name in d, creating it, and holds it until the
// returned file is closed or the process ends, however it ends. It is a
// *LockedError when somebody else holds it.
func Lock(d Dir, name string) (io.Closer, error) {
	f, err := d.Open(name, unix.O_RDWR|unix.O_CREAT, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if err == unix.EWOULDBLOCK {
			return nil, &LockedError{d.Path() + "/" + name}
		}
		return nil, &fs.PathError{Op: "lock", Path: d.Path() + "/" + name, Err: err}
	}
	return held{f}, nil
}

// held is a locked file.
type held struct{ File }

// Close gives the lock back, also where a child that we are about to start still
// has the file: it has every one of ours until it has become its own program.
func (h held) Close() error {
	return errors.Join(unix.Flock(int(h.Fd()), unix.LOCK_UN), h.File.Close())
}
