package journal

import (
	"fmt"
	"io"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"

	"golang.org/x/sys/unix"
)

// defaultReserve is what the open segment, and the next one, own on disk beyond
// their end, in bytes: they stay writable when others fill the disk.
const defaultReserve = 8 << 20

// segment is the open segment: the one lines are appended to.
type segment struct {
	file      durable.File
	first     auditbridge.Sequence
	size      int64 // bytes in it
	allocated int64 // end of what is allocated
	created   time.Time
	reserve   int64 // bytes to own beyond the end
	content   bool  // holds anything but its header, block lines and heartbeats
}

// write appends b. On error nothing counts as appended, whatever reached the
// file.
func (s *segment) write(b []byte) error {
	if _, err := s.file.WriteAt(b, s.size); err != nil {
		return err
	}
	s.size += int64(len(b))
	return nil
}

// extend sees to it that n bytes and the reserve behind them are allocated. An
// error for which isFull holds means that the disk is full: the reserve stands.
func (s *segment) extend(n int) error {
	need := s.size + int64(n) + s.reserve
	if need <= s.allocated {
		return nil
	}
	end := need + s.reserve/2
	if err := s.file.Allocate(s.allocated, end-s.allocated); err != nil {
		// Half as much again is a convenience; the reserve is not.
		if err := s.file.Allocate(s.allocated, need-s.allocated); err != nil {
			return err
		}
		end = need
	}
	s.allocated = end
	return nil
}

// left is how many bytes can be written without allocating.
func (s *segment) left() int64 { return s.allocated - s.size }

// outOfInodes says whether a file's file system has none left. Some never run out
// and say that they have none at all.
func outOfInodes(f durable.File) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &st) == nil && st.Files > 0 && st.Ffree == 0
}

// createNext makes the file of the next segment, with its reserve, unless it
// is there. It need not be durable: if it is gone after a crash, another is made.
func createNext(dir durable.Dir, cfg *Config) error {
	f, err := dir.Open(nextName, unix.O_RDWR|unix.O_CREAT, cfg.fileMode())
	if err != nil {
		return fmt.Errorf("prepare next segment: %w", err)
	}
	defer f.Close()
	if err := f.Grant(cfg.fileMode(), cfg.GroupID); err != nil {
		return fmt.Errorf("prepare next segment: %w", err)
	}
	if size, err := f.Size(); err != nil || size > 0 {
		if err == nil {
			err = f.Truncate(0) // never was a segment: a segment has its name before its first byte
		}
		if err != nil {
			return fmt.Errorf("prepare next segment: %w", err)
		}
	}
	if err := f.Allocate(0, cfg.reserve); err != nil {
		return fmt.Errorf("prepare next segment: %w", err)
	}
	return nil
}

// openNext turns the prepared file into the segment first, durably named.
func openNext(dir durable.Dir, first auditbridge.Sequence, now time.Time, cfg *Config) (*segment, error) {
	if err := createNext(dir, cfg); err != nil {
		return nil, err
	}
	if err := durable.Rename(dir, nextName, segmentName(first)); err != nil {
		return nil, &namingError{first, err}
	}
	f, err := dir.Open(segmentName(first), unix.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open segment %d: %w", first, err)
	}
	return &segment{file: f, first: first, allocated: cfg.reserve, reserve: cfg.reserve, created: now}, nil
}

// Segment describes one file of the journal.
type Segment struct {
	First, Last     auditbridge.Sequence // Last of the open segment grows
	Bytes           int64
	Created, Closed time.Time // Closed is zero for the open one
}

func readAll(f io.ReaderAt, from, to int64) ([]byte, error) {
	b := make([]byte, to-from)
	n, err := f.ReadAt(b, from)
	if n == len(b) {
		err = nil
	}
	return b[:n], err
}
