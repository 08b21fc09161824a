package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// PathError says why a path is not one to keep evidence or keys under.
type PathError struct{ Path, Why string }

func (e *PathError) Error() string { return fmt.Sprintf("%s %s", e.Path, e.Why) }

// Hint says what an operator can do.
func (e *PathError) Hint() string {
	return "every directory on the way must be a real directory of root's (or of the user auditbridge runs as) that nobody else may write to: name the real path, or mend owner and mode"
}

// OpenDir opens the directory at path, an absolute path, walking down from /
// and refusing with a *PathError whatever another user could turn: symbolic
// links, directories of foreign owners, and directories others may write to
// unless they are sticky. What is missing is created and made durable: the last
// element with mode (and group gid when that is not negative), those on the way
// to it with 0755; mode 0 creates nothing.
func OpenDir(path string, mode os.FileMode, gid int) (Dir, error) {
	if !filepath.IsAbs(path) {
		return nil, &PathError{path, "is not an absolute path"}
	}
	path = filepath.Clean(path)
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: "/", Err: err}
	}
	at := "/"
	names := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, name := range names {
		if name == "" {
			break
		}
		below := filepath.Join(at, name)
		next, err := openBelow(fd, name, below)
		switch last := i == len(names)-1; {
		case !errors.Is(err, unix.ENOENT) || mode == 0:
		case last:
			next, err = createBelow(fd, name, below, mode, gid)
		default:
			next, err = createBelow(fd, name, below, 0o755, -1)
		}
		unix.Close(fd)
		if err != nil {
			return nil, err
		}
		fd, at = next, below
	}
	return &osDir{os.NewFile(uintptr(fd), path), path}, nil
}

func openBelow(parent int, name, path string) (int, error) {
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err == unix.ENOTDIR || err == unix.ELOOP {
		return -1, &PathError{path, "is a symbolic link or not a directory"}
	}
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return -1, &fs.PathError{Op: "stat", Path: path, Err: err}
	}
	if why := unsafe(&st, os.Geteuid()); why != "" {
		unix.Close(fd)
		return -1, &PathError{path, why}
	}
	return fd, nil
}

// unsafe says why a directory is not to be trusted by user euid, or nothing.
func unsafe(st *unix.Stat_t, euid int) string {
	if st.Uid != 0 && int(st.Uid) != euid {
		return fmt.Sprintf("belongs to uid %d", st.Uid)
	}
	if st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0 {
		return fmt.Sprintf("may be written by others (mode %04o)", st.Mode&0o7777)
	}
	return ""
}

func createBelow(parent int, name, path string, mode os.FileMode, gid int) (int, error) {
	fail := func(op string, err error) (int, error) {
		return -1, &fs.PathError{Op: op, Path: path, Err: err}
	}
	if err := unix.Mkdirat(parent, name, uint32(mode.Perm())); err != nil && err != unix.EEXIST {
		return fail("create directory", err)
	}
	fd, err := openBelow(parent, name, path)
	if err != nil {
		return -1, err
	}
	// The mode again, because mkdir heeds the umask.
	if err := unix.Fchmod(fd, uint32(mode.Perm())); err != nil {
		unix.Close(fd)
		return fail("set mode of", err)
	}
	if gid >= 0 {
		if err := unix.Fchown(fd, -1, gid); err != nil {
			unix.Close(fd)
			return fail("set group of", err)
		}
	}
	if err := unix.Fsync(parent); err != nil {
		unix.Close(fd)
		return fail("make durable", err)
	}
	return fd, nil
}

// OpenRegular opens the file at path for reading. It follows no symbolic link in
// the last element and waits for no FIFO: what is no regular file is a *PathError.
func OpenRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, &PathError{path, "is a symbolic link"}
	}
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		if err == nil {
			err = &PathError{path, "is not a regular file"}
		}
		return nil, err
	}
	return f, nil
}

// CheckProgram says why the program at path is not one to start as root: it must
// be a regular file, named from the root, and it and all directories above it
// root's (or ours), and writable for nobody else.
func CheckProgram(path string) error {
	if !filepath.IsAbs(path) {
		return &PathError{path, "is not an absolute path"}
	}
	dir, err := OpenDir(filepath.Dir(path), 0, -1)
	if err != nil {
		return err
	}
	dir.Close()
	f, err := OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	switch {
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return &PathError{path, fmt.Sprintf("belongs to uid %d", st.Uid)}
	case st.Mode&0o022 != 0:
		return &PathError{path, fmt.Sprintf("may be written by others (mode %04o)", st.Mode&0o7777)}
	case st.Mode&0o100 == 0:
		return &PathError{path, fmt.Sprintf("cannot be executed (mode %04o)", st.Mode&0o7777)}
	}
	return nil
}
