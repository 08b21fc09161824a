package journal

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"unsafe"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"

	"golang.org/x/sys/unix"
)

// markFile is the file behind the writer's page. What the page says is written to
// it and never stored through a mapping: a store waits where write(2) would, on a
// frozen or slow file system, but with the runtime waiting for it, and so all of
// the process. The words reach the mappings of readers at once all the same.
type markFile struct {
	mu   sync.Mutex
	file durable.File // nil once closed
	// stale is set when a write failed: the file says less than the page. It was
	// true when it was written, and so is still.
	stale bool
}

func (f *markFile) close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file == nil {
		return nil
	}
	file := f.file
	f.file = nil
	return file.Close()
}

// put writes some words of the page to the file. It does not go through the
// file's own WriteAt: nothing here need ever be durable.
func (f *markFile) put(page *markPage, words ...span) error {
	for _, w := range words {
		b := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(page), w.from)), w.to-w.from)
		n, err := unix.Pwrite(int(f.file.Fd()), b, int64(w.from))
		if err == nil && n < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			f.stale = true
			return fmt.Errorf("write the durable mark: %w", err)
		}
	}
	return nil
}

// span is a range of the page in bytes.
type span struct{ from, to uintptr }

// The page's words as they change together, in the order they are written.
var (
	wholePage     = span{0, unsafe.Sizeof(markPage{})}
	spareWords    = span{unsafe.Offsetof(markPage{}.spare), unsafe.Offsetof(markPage{}.sparing) + 8}
	durableWord   = span{unsafe.Offsetof(markPage{}.durable), unsafe.Offsetof(markPage{}.durable) + 8}
	checkWord     = span{unsafe.Offsetof(markPage{}.check), unsafe.Offsetof(markPage{}.check) + 8}
	wakeWord      = span{unsafe.Offsetof(markPage{}.wake), unsafe.Offsetof(markPage{}.wake) + 4}
	progressWords = span{unsafe.Offsetof(markPage{}.written), unsafe.Offsetof(markPage{}.heartbeat) + 8}
	stateWords    = span{unsafe.Offsetof(markPage{}.state), unsafe.Offsetof(markPage{}.state) + 4}
	refusedWord   = span{unsafe.Offsetof(markPage{}.refused), unsafe.Offsetof(markPage{}.refused) + 8}
	segmentWord   = span{unsafe.Offsetof(markPage{}.segment), unsafe.Offsetof(markPage{}.segment) + 8}
	epochWord     = span{unsafe.Offsetof(markPage{}.epoch), unsafe.Offsetof(markPage{}.epoch) + 8}
)

// begin publishes the page of a new writer, which believes that all up to a
// sequence is durable.
func (m *Mark) begin(at auditbridge.Sequence) error {
	m.out.mu.Lock()
	defer m.out.mu.Unlock()
	m.change(at)
	if err := m.out.put(m.page, wholePage); err != nil {
		return err
	}
	m.wakeAll()
	return nil
}

// raise publishes a new durable mark and wakes who waits for it. It never lowers
// it. Where the file cannot be written readers in other processes hear of it
// later; turn says so.
func (m *Mark) raise(to auditbridge.Sequence) {
	if to <= m.Durable() {
		return
	}
	m.out.mu.Lock()
	defer m.out.mu.Unlock()
	m.change(to)
	if !m.out.stale && m.out.file != nil {
		m.out.put(m.page, spareWords, durableWord, checkWord, wakeWord)
	}
	m.wakeAll()
}

// change changes both copies of the durable mark in the page, one after the
// other.
func (m *Mark) change(to auditbridge.Sequence) {
	atomic.StoreUint64(&m.page.spare, uint64(to))
	atomic.StoreUint64(&m.page.sparing, ^uint64(to))
	atomic.StoreUint64(&m.page.durable, uint64(to))
	atomic.StoreUint64(&m.page.check, ^uint64(to))
	atomic.AddUint32(&m.page.wake, 1)
}

// wakeAll wakes who waits in this process and in others.
func (m *Mark) wakeAll() {
	futexWake(&m.page.wake)
	if m.mem != nil {
		futexWake(&(*markPage)(unsafe.Pointer(&m.mem[0])).wake)
	}
}

// turn publishes the append loop's progress.
func (m *Mark) turn(p progress) error {
	m.out.mu.Lock()
	defer m.out.mu.Unlock()
	atomic.StoreUint64(&m.page.written, uint64(p.written))
	atomic.StoreInt64(&m.page.heartbeat, p.at.UnixNano())
	words := [3]span{progressWords}
	n := 1
	if atomic.SwapUint64(&m.page.refused, p.refused) != p.refused {
		words[n], n = refusedWord, n+1
	}
	if atomic.SwapUint32(&m.page.state, uint32(p.state)) != uint32(p.state) {
		words[n], n = stateWords, n+1
	}
	if m.out.file == nil {
		return nil
	}
	if m.out.stale {
		return m.catchUp()
	}
	return m.out.put(m.page, words[:n]...)
}

// catchUp writes what the file has missed: the durable mark last, so that nobody
// believes it before all else it says.
func (m *Mark) catchUp() error {
	if err := m.out.put(m.page, progressWords, stateWords, refusedWord, segmentWord, epochWord, spareWords, durableWord, checkWord, wakeWord); err != nil {
		return err
	}
	m.out.stale = false
	m.wakeAll()
	return nil
}

// opened publishes that another segment is the open one, before anything in
// it can be durable.
func (m *Mark) opened(first auditbridge.Sequence) error {
	m.out.mu.Lock()
	defer m.out.mu.Unlock()
	atomic.StoreUint64(&m.page.segment, uint64(first))
	atomic.AddUint64(&m.page.epoch, 1)
	return m.out.put(m.page, segmentWord, epochWord)
}
