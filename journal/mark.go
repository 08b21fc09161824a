package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
	"unsafe"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"

	"golang.org/x/sys/unix"
)

// markSize is the size of the mark file in bytes: one page.
const markSize = 4096

var markMagic = [8]byte{'A', 'B', 'm', 'a', 'r', 'k', '\r', '\n'}

// markPage is the mark file. Every word is written whole, in the machine's order, which is little-endian wherever auditbridge runs. The
// file need not survive a power failure, but whatever value of durable is
// found on disk was true when it was stored, and so is still.
type markPage struct {
	magic     [8]byte
	version   uint32
	pid       uint32
	id        [16]byte
	durable   uint64 // last durable sequence; raised after fdatasync only
	written   uint64 // last sequence written, for those who may look ahead
	heartbeat int64  // Unix nanoseconds of the append loop's last turn
	wake      uint32 // futex: moves with every raise of durable
	state     uint32 // a State
	segment   uint64 // first sequence of the open segment
	refused   uint64 // records refused so far by this journal's process
	epoch     uint64 // moves when a segment is opened, or a new process takes over
	check     uint64 // complement of durable
	spare     uint64 // durable once more, written before it
	sparing   uint64 // complement of spare
}

// known returns the durable mark for recovery, which must not take a flipped
// bit for it. Of the two copies the writer changes one after the other, so that
// a death in between leaves one whole. It is not ok when neither is.
func (p *markPage) known() (durable auditbridge.Sequence, ok bool) {
	if p.durable == ^p.check {
		durable, ok = auditbridge.Sequence(p.durable), true
	}
	if p.spare == ^p.sparing {
		durable, ok = max(durable, auditbridge.Sequence(p.spare)), true
	}
	return durable, ok
}

// Mark is the page that tells how far a journal is durable. The writer
// publishes in it, readers in any process map it. Its methods are safe for
// concurrent use.
type Mark struct {
	page *markPage // who writes has a copy of its own, who reads has the mapped file
	mem  []byte    // the mapped file
	out  *markFile // nil for who reads
}

// OpenMark maps the mark of the journal in dir for reading. It fails with
// os.ErrNotExist when there is no journal yet, and with ErrNewer.
func OpenMark(dir string) (*Mark, error) {
	path := filepath.Join(dir, markName)
	f, err := durable.OpenRegular(path)
	if err != nil {
		return nil, fmt.Errorf("open durable mark: %w", err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || st.Size() < markSize {
		return nil, fmt.Errorf("open durable mark: %s: not a mark", path)
	}
	return mapMark(int(f.Fd()), path)
}

func mapMark(fd int, path string) (*Mark, error) {
	mem, err := unix.Mmap(fd, 0, markSize, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map durable mark: %s: %w", path, err)
	}
	m := &Mark{page: (*markPage)(unsafe.Pointer(&mem[0])), mem: mem}
	if err := m.page.valid(path); err != nil {
		unix.Munmap(mem)
		return nil, err
	}
	return m, nil
}

func (p *markPage) valid(path string) error {
	if p.magic != markMagic {
		return fmt.Errorf("open durable mark: %s: not a mark", path)
	}
	if p.version > FormatVersion {
		return &NewerError{path, uint64(p.version)}
	}
	return nil
}

// takeMark maps the mark for writing, in place when it is this journal's, so
// that readers who mapped it see the new process in it; else it makes one. From
// then on it says at, which is what the caller believes of what it said before.
func takeMark(dir durable.Dir, id ID, at auditbridge.Sequence, cfg *Config) (*Mark, error) {
	old, err := readMark(dir)
	if err != nil {
		return nil, err
	}
	if old.magic != markMagic || old.id != id {
		page := markPage{magic: markMagic, version: FormatVersion, id: id, check: ^uint64(0), sparing: ^uint64(0)}
		data := make([]byte, markSize)
		copy(data, unsafe.Slice((*byte)(unsafe.Pointer(&page)), unsafe.Sizeof(page)))
		if err := durable.Create(dir, markName, data, cfg.fileMode(), cfg.GroupID); err != nil {
			return nil, fmt.Errorf("create durable mark: %w", err)
		}
	}
	f, err := dir.Open(markName, unix.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open durable mark: %w", err)
	}
	if err := f.Grant(cfg.fileMode(), cfg.GroupID); err != nil {
		cfg.Logger.Warn("who may read the durable mark cannot be set", "err", err)
	}
	m, err := mapMark(int(f.Fd()), dir.Path()+"/"+markName)
	if err != nil {
		f.Close()
		return nil, err
	}
	own := *m.page
	own.pid, own.refused, own.epoch = uint32(os.Getpid()), 0, own.epoch+1
	m.page, m.out = &own, &markFile{file: f}
	if err := m.begin(at); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// readMark returns what the mark in dir says, for recovery: the zero page when
// there is none or it cannot be read.
func readMark(dir durable.Dir) (p markPage, err error) {
	data, err := durable.Read(dir, markName, markSize)
	if err != nil || len(data) < int(unsafe.Sizeof(p)) {
		return p, nil
	}
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&p)), unsafe.Sizeof(p)), data)
	err = p.valid(dir.Path() + "/" + markName)
	if err != nil && !errors.Is(err, ErrNewer) {
		return markPage{}, nil
	}
	return p, err
}

// Journal is the journal's id.
func (m *Mark) Journal() ID { return m.page.id }

// Durable is the last sequence that survives a power failure.
func (m *Mark) Durable() auditbridge.Sequence {
	// While the writer changes one of the two copies the other is whole.
	for range 100 {
		if d := atomic.LoadUint64(&m.page.durable); d == ^atomic.LoadUint64(&m.page.check) {
			return auditbridge.Sequence(d)
		}
		if d := atomic.LoadUint64(&m.page.spare); d == ^atomic.LoadUint64(&m.page.sparing) {
			return auditbridge.Sequence(d)
		}
	}
	return 0 // it is damaged: nothing is known to be
}

// Written is the last sequence in the file, durable or not.
func (m *Mark) Written() auditbridge.Sequence {
	return auditbridge.Sequence(atomic.LoadUint64(&m.page.written))
}

// Heartbeat is when the append loop last went round. It does so at least every
// few seconds; an old heartbeat is a process that is dead or stuck.
func (m *Mark) Heartbeat() time.Time {
	return time.Unix(0, atomic.LoadInt64(&m.page.heartbeat))
}

// PID is the process that writes, or wrote last.
func (m *Mark) PID() int { return int(atomic.LoadUint32(&m.page.pid)) }

// State is the journal's state as last published.
func (m *Mark) State() State { return State(atomic.LoadUint32(&m.page.state)) }

// Refused counts the records the writing process could not store.
func (m *Mark) Refused() uint64 { return atomic.LoadUint64(&m.page.refused) }

// epoch moves when bytes beyond the durable mark may have come to stand
// elsewhere: a segment was opened, or another process has taken over.
func (m *Mark) epoch() uint64 { return atomic.LoadUint64(&m.page.epoch) }

// waitSlice bounds one sleep in the kernel, so that a wake-up lost between
// check and sleep costs no more than this.
const waitSlice = 250 * time.Millisecond

// Wait returns nil when a sequence beyond the given one is durable, or ctx's
// error.
func (m *Mark) Wait(ctx context.Context, beyond auditbridge.Sequence) error {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { futexWake(&m.page.wake); close(woken) })
	defer func() {
		if !stop() {
			<-woken // the page may be unmapped as soon as we return
		}
	}()
	for {
		word := atomic.LoadUint32(&m.page.wake)
		if m.Durable() > beyond {
			return nil
		}
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		futexWait(&m.page.wake, word, waitSlice)
	}
}

// Close gives back the mapping and the file. Of a mark that was read no method may
// be called afterwards; the writer's goes on saying what it said last.
func (m *Mark) Close() error {
	var err error
	if m.out != nil {
		err = m.out.close()
	} else {
		m.page = nil
	}
	mem := m.mem
	m.mem = nil
	if mem == nil {
		return err
	}
	return errors.Join(err, unix.Munmap(mem))
}
