package durable

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"os"

	"golang.org/x/sys/unix"
)

// slotSize is the size in bytes of one slot of a state file: a multiple of
// every sector size, so that writing one slot cannot tear the other.
const slotSize = 4096

// maxState is the longest state a slot holds, in bytes.
const maxState = slotSize - slotHead - 4

// slotHead: magic 8, version 4, length 4, generation 8.
const slotHead = 24

// ErrNewer is wrapped by errors about files a later auditbridge wrote. Such a
// file is not damaged: it is left alone.
var ErrNewer = errors.New("written by a newer version of auditbridge")

// Slots is a file of two slots written in turn, for small state that must be
// old or new after a crash and never in between. It is as long as it will ever
// be from its creation on, so a full disk does not stop it. One writer owns it;
// it is not safe for concurrent use.
type Slots struct {
	f          File
	path       string
	magic      [8]byte
	version    uint32
	generation uint64
	next       int // the slot Store writes: never the one that is in force
	state      []byte
	buf        [slotSize]byte
}

// OpenSlots opens or creates the state file name. It fails with an error that
// wraps ErrNewer when the state in force has a later version, and with a
// *StateError when there is something in the file, yet no slot is whole.
func OpenSlots(d Dir, name string, magic [8]byte, version uint32, mode os.FileMode, gid int) (*Slots, error) {
	s := &Slots{path: d.Path() + "/" + name, magic: magic, version: version}
	f, err := d.Open(name, unix.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		if err := Create(d, name, make([]byte, 2*slotSize), mode, gid); err != nil {
			return nil, err
		}
		f, err = d.Open(name, unix.O_RDWR, 0)
	}
	if err != nil {
		return nil, err
	}
	s.f = f
	if err := s.load(); err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// ReadSlots returns the state in force in the file name, or nil when it holds
// none. It changes nothing, and sees old or new while a writer writes.
func ReadSlots(d Dir, name string, magic [8]byte, version uint32) ([]byte, error) {
	f, err := d.Open(name, unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &Slots{f: f, path: d.Path() + "/" + name, magic: magic, version: version}
	if err := s.load(); err != nil {
		return nil, err
	}
	return s.state, nil
}

// StateError says that a state file holds bytes and none of them are whole.
type StateError struct{ Path string }

func (e *StateError) Error() string { return e.Path + ": neither slot is whole" }

// State is what was stored last, nil when nothing ever was. It is the
// caller's to keep.
func (s *Slots) State() []byte { return bytes.Clone(s.state) }

// Store makes state the one in force; when it returns without error the state
// is durable. If we die in between, the one before is in force. After an error
// the file must be opened anew: which of the two is in force is not known.
func (s *Slots) Store(state []byte) error {
	if len(state) > maxState {
		return fmt.Errorf("store %s: %d bytes are more than a slot holds (%d)", s.path, len(state), maxState)
	}
	n := encodeSlot(s.buf[:], s.magic, s.version, s.generation+1, state)
	clear(s.buf[n:])
	if _, err := s.f.WriteAt(s.buf[:], int64(s.next)*slotSize); err != nil {
		return err
	}
	if err := s.f.Sync(); err != nil {
		return err
	}
	s.generation++
	s.next = 1 - s.next
	s.state = append(s.state[:0], state...)
	return nil
}

// Close closes the file.
func (s *Slots) Close() error { return s.f.Close() }

func (s *Slots) load() error {
	file := make([]byte, 2*slotSize)
	n, err := s.f.ReadAt(file, 0)
	if n < len(file) && err != nil && n > 0 {
		file = file[:n]
	}
	whole := false
	for i := range 2 {
		version, generation, state, ok := decodeSlot(file, i, s.magic)
		if !ok || whole && generation < s.generation {
			continue
		}
		if version > s.version {
			return fmt.Errorf("open %s: version %d: %w", s.path, version, ErrNewer)
		}
		whole = true
		s.generation, s.state, s.next = generation, bytes.Clone(state), 1-i
	}
	if !whole && len(bytes.Trim(file, "\x00")) > 0 {
		return &StateError{s.path}
	}
	return nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func encodeSlot(dst []byte, magic [8]byte, version uint32, generation uint64, state []byte) int {
	copy(dst, magic[:])
	binary.LittleEndian.PutUint32(dst[8:], version)
	binary.LittleEndian.PutUint32(dst[12:], uint32(len(state)))
	binary.LittleEndian.PutUint64(dst[16:], generation)
	n := slotHead + copy(dst[slotHead:], state)
	binary.LittleEndian.PutUint32(dst[n:], crc32.Checksum(dst[:n], castagnoli))
	return n + 4
}

func decodeSlot(file []byte, slot int, magic [8]byte) (version uint32, generation uint64, state []byte, ok bool) {
	at := slot * slotSize
	if len(file) < at+slotHead+4 || !bytes.Equal(file[at:at+8], magic[:]) {
		return 0, 0, nil, false
	}
	b := file[at:min(len(file), at+slotSize)]
	n := uint64(binary.LittleEndian.Uint32(b[12:]))
	if n > maxState || slotHead+int(n)+4 > len(b) {
		return 0, 0, nil, false
	}
	end := slotHead + int(n)
	if crc32.Checksum(b[:end], castagnoli) != binary.LittleEndian.Uint32(b[end:]) {
		return 0, 0, nil, false
	}
	return binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint64(b[16:]), b[slotHead:end], true
}
