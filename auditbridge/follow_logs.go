package auditbridge

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"auditbridge/internal/durable"

	"golang.org/x/sys/unix"
)

// logFile is an open log.
type logFile struct {
	durable.File
	name string // when it was opened
	identity
	owner    uint32
	size     int64
	modified int64 // Unix nanoseconds
}

// openLog opens a log for reading. Only root or we ourselves can have made it:
// a name could lead to anything that somebody else wants us to read.
func openLog(dir durable.Dir, name string) (*logFile, error) {
	file, err := dir.Open(name, unix.O_RDONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	f := &logFile{File: file, name: name}
	err = f.look()
	if err == nil && f.owner != 0 && int(f.owner) != os.Geteuid() {
		err = &durable.PathError{Path: dir.Path() + "/" + name, Why: fmt.Sprintf("belongs to uid %d", f.owner)}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return f, nil
}

// look takes another look at the file.
func (f *logFile) look() error {
	if err := f.identify(int(f.Fd()), ""); err != nil {
		return fmt.Errorf("stat %s: %w", f.name, err)
	}
	return nil
}

// before returns the bytes in front of offset, beforeBytes at most.
func (f *logFile) before(offset int64) ([]byte, error) {
	b := make([]byte, min(offset, beforeBytes))
	n, err := f.ReadAt(b, offset-int64(len(b)))
	if n == len(b) {
		err = nil
	}
	return b, err
}

// holds tells whether what stands before the place stands there in f.
func (f *logFile) holds(p filePlace) bool {
	if f.size < p.offset || p.offset == 0 {
		return false
	}
	b, err := f.before(p.offset)
	return err == nil && sumBefore(b) == p.before
}

// logs are the logs of one name in a directory, oldest first: what was rotated
// away, then the one that is written to, if it is there.
type logs []*logFile

// openLogs opens them all as they are at one moment: while a log is rotated, a file
// may be seen twice, or not at all. An error is that of the directory, or of the
// newest; a rotated log that cannot be opened is not there.
func openLogs(path, base string) (all logs, err error) {
	const tries = 20
	for range tries {
		dir, err := durable.OpenDir(path, 0, -1)
		if err != nil {
			return nil, err
		}
		all, err = openLogsOnce(dir, base)
		dir.Close()
		if err != nil {
			all.close(nil)
			return nil, err
		}
		if all.stillNamed(path) {
			slices.SortStableFunc(all, func(a, b *logFile) int { return compareLogs(a, b, base) })
			return all, nil
		}
		all.close(nil)
		time.Sleep(time.Millisecond)
	}
	return nil, fmt.Errorf("open %s/%s: it is being rotated all the time", path, base)
}

func openLogsOnce(dir durable.Dir, base string) (all logs, err error) {
	names, err := dir.Names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if name != base && !rotatedName(name, base) {
			continue
		}
		f, err := openLog(dir, name)
		switch {
		case err == nil:
			all = append(all, f)
		case name == base && !errors.Is(err, fs.ErrNotExist):
			return all, err
		}
	}
	return all, nil
}

// stillNamed tells whether each log still has the name it was opened by.
func (l logs) stillNamed(path string) bool {
	for _, f := range l {
		if !f.isAt(path + "/" + f.name) {
			return false
		}
	}
	return true
}

func (l logs) has(name string) bool {
	return slices.ContainsFunc(l, func(f *logFile) bool { return f.name == name })
}

// close closes all but one, which may be nil.
func (l logs) close(but *logFile) {
	for _, f := range l {
		if f != but {
			f.Close()
		}
	}
}

func (l logs) index(id identity) int {
	return slices.IndexFunc(l, func(f *logFile) bool { return f.identity == id })
}

// find finds the log that holds a place: if it can be, the same file.
func (l logs) find(p filePlace) int {
	same := slices.IndexFunc(l, func(f *logFile) bool { return f.dev == p.dev && f.inode == p.inode })
	if same >= 0 && l[same].holds(p) {
		return same
	}
	return slices.IndexFunc(l, func(f *logFile) bool { return f.holds(p) })
}

// begunWith finds the oldest log whose first line is among those that are stored.
func (l logs) begunWith(stored []LineSum) int {
	begin := make([]byte, beforeBytes+readBytes)
	return slices.IndexFunc(l, func(f *logFile) bool {
		n, err := f.readAt(begin, 0)
		line, _, whole := bytes.Cut(begin[:n], []byte{'\n'})
		return err == nil && whole && slices.Contains(stored, SumLine(line))
	})
}

// rotatedName tells whether name is what auditd or logrotate calls the log base
// when it is full: base.1, or base-20240131. What is compressed is not followed.
func rotatedName(name, base string) bool {
	rest, ok := strings.CutPrefix(name, base)
	return ok && len(rest) > 1 && (rest[0] == '.' || rest[0] == '-') && strings.Trim(rest[1:], "0123456789-") == ""
}

// compareLogs has the older first: the newest has the plain name, the higher number
// is older, and so is what was last written to earlier.
func compareLogs(a, b *logFile, base string) int {
	if a.name == base || b.name == base {
		return cmp.Compare(len(b.name), len(a.name))
	}
	m, notNumber := strconv.Atoi(strings.TrimPrefix(a.name, base+"."))
	n, neither := strconv.Atoi(strings.TrimPrefix(b.name, base+"."))
	if notNumber == nil && neither == nil {
		return cmp.Compare(n, m)
	}
	return cmp.Or(cmp.Compare(a.modified, b.modified), cmp.Compare(a.name, b.name))
}

// readAt is ReadAt for which the end of the file is no error.
func (f *logFile) readAt(p []byte, offset int64) (int, error) {
	n, err := f.ReadAt(p, offset)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
