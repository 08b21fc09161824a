// Package keyfile reads files that decide whom we believe or who we are: keys,
// certificates, known hosts. Nobody else may be able to exchange one.
package keyfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxSize bounds in bytes what is read as a key file.
const maxSize = 1 << 20

// What a file's mode must not have, by what is in it.
const (
	Secret = 0o077 // its owner's alone
	Public = 0o022 // for everybody to read
)

// Read reads the file that the configuration's key names. Nobody but its
// owner and root may be able to change it, on the whole path; forbidden are
// the mode bits the file itself must not have.
// What is wrong is an *Error.
func Read(key, path string, forbidden uint32) ([]byte, error) {
	fail := func(problem, advice string, err error) ([]byte, error) {
		return nil, &Error{Key: key, Path: path, Problem: problem, Advice: advice, Err: err}
	}
	if dir, err := openToOthers(filepath.Dir(path)); err != nil {
		return fail("look at its directories", "the path must exist", err)
	} else if dir != "" {
		return fail("others may replace it, for "+dir+" is theirs to write", "chown root "+dir+" && chmod go-w "+dir, nil)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if errors.Is(err, unix.ELOOP) {
		return fail("it is a symbolic link", "name the file itself", nil)
	}
	if err != nil {
		return fail("open", fmt.Sprintf("it has to exist and be readable by uid %d", os.Geteuid()), err)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fail("fstat", "", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fail("it is not a regular file", "name the file itself", nil)
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return fail(fmt.Sprintf("it belongs to uid %d", st.Uid), fmt.Sprintf("chown %d %s", os.Geteuid(), path), nil)
	case st.Mode&forbidden != 0:
		return fail(fmt.Sprintf("its mode %04o lets others at it", st.Mode&0o7777), fmt.Sprintf("chmod %04o %s", st.Mode&0o7777&^forbidden, path), nil)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return fail("read", "", err)
	}
	if len(text) > maxSize {
		return fail("it is longer than 1 MiB", "name the right file", nil)
	}
	return text, nil
}

// openToOthers returns the first directory from the root down to dir, or the
// first symbolic link among them and behind them, that somebody else could
// replace or in which he could replace what lies in it. A sticky directory like
// /tmp protects what is in it.
func openToOthers(dir string) (string, error) {
	at, rest := "/", strings.Split(filepath.Clean(dir), "/")
	for links := 0; ; {
		var st unix.Stat_t
		if err := unix.Lstat(at, &st); err != nil {
			return "", fmt.Errorf("stat %s: %w", at, err)
		}
		isLink := st.Mode&unix.S_IFMT == unix.S_IFLNK
		foreign := st.Uid != 0 && int(st.Uid) != os.Geteuid()
		if foreign || !isLink && st.Mode&0o022 != 0 && st.Mode&unix.S_ISVTX == 0 {
			return at, nil
		}
		if isLink {
			target, err := os.Readlink(at)
			if err != nil {
				return "", err
			}
			if links++; links > 40 {
				return "", fmt.Errorf("%s: %w", dir, unix.ELOOP)
			}
			at = filepath.Dir(at)
			if filepath.IsAbs(target) {
				at = "/"
			}
			rest = append(strings.Split(target, "/"), rest...)
		}
		for len(rest) > 0 && rest[0] == "" {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return "", nil
		}
		at, rest = filepath.Join(at, rest[0]), rest[1:]
	}
}

// Look reads a file that the configuration's key names, whoever else may get at
// it: whoever checks may be another user than the one who will Read.
func Look(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxSize))
}

// Error: a key file is not as a key file has to be.
type Error struct {
	Key, Path string // Key is the configuration key that names Path
	Problem   string
	Advice    string
	Err       error
}

func (e *Error) Error() string {
	text := fmt.Sprintf("read %s: %s: %s", e.Key, e.Path, e.Problem)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

// Hint says what to do.
func (e *Error) Hint() string { return e.Advice }

// Unwrap returns the system's own error, if there was one.
func (e *Error) Unwrap() error { return e.Err }
