package ring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// open returns a ring whose file is locked, mapped and fit for use; the rest of
// Ring is Open's.
func open(cfg Config) (*Ring, error) {
	if cfg.Path == "" {
		fd, err := unix.MemfdCreate("auditbridge-ring", unix.MFD_CLOEXEC)
		if err != nil {
			return nil, err
		}
		return create(os.NewFile(uintptr(fd), "memfd"), cfg)
	}
	var aside string
	for range 10 {
		file, fresh, err := lockFile(cfg.Path)
		if err != nil {
			return nil, err
		}
		if fresh {
			r, err := create(file, cfg)
			if err == nil {
				r.aside = aside
			}
			return r, err
		}
		r, why := takeOver(file, cfg)
		if why == nil {
			return r, nil
		}
		// Another ring size asked for is no fault: nothing is lost by starting anew.
		if why == errEmptyAndOtherSize {
			err = os.Remove(cfg.Path)
		} else {
			aside = fmt.Sprintf("%s.aside: %v", cfg.Path, why)
			err = os.Rename(cfg.Path, cfg.Path+".aside")
		}
		file.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, errors.New("another process keeps replacing it")
}

// lockFile opens the file, makes it when there is none, and locks it. fresh
// tells that nothing was ever finished in it.
func lockFile(path string) (file *os.File, fresh bool, err error) {
	for {
		file, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if errors.Is(err, unix.ELOOP) {
			return nil, false, errors.New("it is a symbolic link, which this program never follows there")
		}
		if err != nil {
			return nil, false, errors.Unwrap(err)
		}
		fresh, err = inspect(file, path)
		if err != errReplaced {
			break
		}
		file.Close()
	}
	if err != nil {
		file.Close()
		return nil, false, err
	}
	return file, fresh, nil
}

var (
	errReplaced          = errors.New("the file was replaced while it was being locked")
	errEmptyAndOtherSize = errors.New("it is empty and of another size than configured")
)

// inspect locks file and makes sure that it still is what path names and that
// nobody else can write to it.
func inspect(file *os.File, path string) (fresh bool, err error) {
	fd := int(file.Fd())
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if err == unix.EWOULDBLOCK {
			return false, ErrInUse
		}
		return false, fmt.Errorf("lock: %w", err)
	}
	var opened, named unix.Stat_t
	if err := unix.Fstat(fd, &opened); err != nil {
		return false, err
	}
	if err := unix.Lstat(path, &named); err != nil || named.Ino != opened.Ino || named.Dev != opened.Dev {
		return false, errReplaced
	}
	switch {
	case opened.Mode&unix.S_IFMT != unix.S_IFREG:
		return false, errors.New("it is not a regular file")
	case int(opened.Uid) != os.Geteuid():
		return false, fmt.Errorf("it belongs to uid %d, not to uid %d, as which this program runs", opened.Uid, os.Geteuid())
	case opened.Mode&0o077 != 0:
		return false, fmt.Errorf("its mode is %04o: others must have no access (0600)", opened.Mode&0o7777)
	case opened.Nlink != 1:
		return false, errors.New("it has a second name (hard link)")
	}
	// The magic is the last thing that is written.
	begin := make([]byte, len(magic))
	n, err := file.ReadAt(begin, 0)
	if err != nil && err != io.EOF {
		return false, err
	}
	return len(bytes.TrimRight(begin[:n], "\x00")) == 0, nil
}

// create sets up an empty ring in file, which it closes on failure.
func create(file *os.File, cfg Config) (*Ring, error) {
	length := int64(dataOffset + cfg.Size)
	r := &Ring{file: file}
	err := file.Truncate(0)
	if err == nil {
		// Memory is claimed now: a full tmpfs must be an error here, not SIGBUS later.
		err = unix.Fallocate(int(file.Fd()), 0, 0, length)
	}
	if err == nil {
		r.mapping, err = mapFile(int(file.Fd()), cfg.Size)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("reserve %d bytes: %w", length, err)
	}
	r.control.init(cfg.Size, cfg.BootID)
	return r, nil
}

// takeOver maps what a dead process left in file, unless it is not fit for it.
// The file stays open when it returns an error.
func takeOver(file *os.File, cfg Config) (*Ring, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() < int64(dataOffset+minSize) || info.Size() > maxFileSize {
		return nil, fmt.Errorf("its length is %d bytes", info.Size())
	}
	r := &Ring{file: file}
	if r.mapping, err = mapFile(int(file.Fd()), int(info.Size())-dataOffset); err != nil {
		return nil, err
	}
	if err = r.unfit(info.Size(), cfg); err != nil {
		r.mapping.unmap()
		return nil, err
	}
	return r, nil
}

func (r *Ring) unfit(fileSize int64, cfg Config) error {
	c := r.control
	if c.magic != magic {
		return errors.New("it is not a ring file")
	}
	if err := c.problem(fileSize, cfg.BootID); err != nil {
		return err
	}
	p, q := c.produced[c.producedTurn.Load()&1], c.consumed[c.consumedTurn.Load()&1]
	for at := q.tail; at < p.head; {
		n := len(r.wholeLines(at, p.head))
		if n == 0 {
			return fmt.Errorf("its lines are damaged %d bytes before the end", p.head-at)
		}
		at += uint64(n)
	}
	open := c.batch.Load() != p.batch || p.taken < Batch && r.table.headers[p.taken].length != 0
	if c.size != uint64(cfg.Size) && p.head == q.tail && !open && p.refused == q.noted && q.untold == 0 {
		return errEmptyAndOtherSize
	}
	return nil
}

// wholeLines returns whole lines between two positions, at most 1 MiB of them.
func (m *mapping) wholeLines(from, to uint64) []byte {
	at, n := from%m.control.size, min(to-from, overhang, m.control.size)
	part := m.data[at : at+n]
	n = uint64(bytes.LastIndexByte(part, '\n') + 1)
	return part[:n:n]
}
