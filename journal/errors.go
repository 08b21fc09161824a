package journal

import (
	"errors"
	"fmt"
	"syscall"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
)

// ErrNewer is wrapped by the error about a journal, a cursor or a mark that a
// later version wrote. It is not damage: nothing is touched.
var ErrNewer = durable.ErrNewer

// NewerError says which file has which version.
type NewerError struct {
	Path    string
	Version uint64
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("open %s: format version %d, known up to %d: %v", e.Path, e.Version, FormatVersion, ErrNewer)
}

// Unwrap lets errors.Is find ErrNewer.
func (e *NewerError) Unwrap() error { return ErrNewer }

// Hint says what an operator can do.
func (e *NewerError) Hint() string {
	return "install the auditbridge that wrote it, or a later one; nothing was changed"
}

// CorruptionError says where a journal does not read as it was written.
type CorruptionError struct {
	Segment string // file name
	Offset  int64  // of the line's first byte
	Err     error
}

func (e *CorruptionError) Error() string {
	return fmt.Sprintf("read segment %s at byte %d: %v", e.Segment, e.Offset, e.Err)
}

func (e *CorruptionError) Unwrap() error { return e.Err }

// Hint says what an operator can do.
func (e *CorruptionError) Hint() string {
	return "auditbridge verify names the first bad block and record; the segment is evidence, leave it as it is"
}

// ReadOnlyError says that the journal's directory cannot be written to.
type ReadOnlyError struct {
	Path string
	Err  error
}

func (e *ReadOnlyError) Error() string { return fmt.Sprintf("open journal %s: %v", e.Path, e.Err) }
func (e *ReadOnlyError) Unwrap() error { return e.Err }

// Hint says what an operator can do.
func (e *ReadOnlyError) Hint() string {
	return "journal-dir and state-dir must lie on a file system that is mounted read-write, and belong to the user auditbridge runs as"
}

// FullError says that the disk has no room even for the directories, locks and
// the mark without which a journal cannot be opened.
type FullError struct {
	Path string
	Err  error
}

func (e *FullError) Error() string { return fmt.Sprintf("open journal %s: %v", e.Path, e.Err) }
func (e *FullError) Unwrap() error { return e.Err }

// Hint says what an operator can do.
func (e *FullError) Hint() string {
	return "free some space on the file systems of journal-dir and state-dir; a journal that was opened once keeps a reserve"
}

// namingError says that a segment may have its name or not: the rename failed,
// or making it durable. The segment before cannot be gone on with then, for its
// next lines would have the numbers that the name says are the new one's.
type namingError struct {
	first auditbridge.Sequence
	err   error
}

func (e *namingError) Error() string { return fmt.Sprintf("name segment %d: %v", e.first, e.err) }
func (e *namingError) Unwrap() error { return e.err }

// isFull tells a full disk, which is a state, from a broken one, which is not.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
