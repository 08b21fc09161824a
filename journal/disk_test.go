package journal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
	"auditbridge/journal/ring"
)

// disk is the seam: it passes every file operation on to real directories,
// writes down those that change something, and can fail any of them.
type disk struct {
	mu    sync.Mutex
	ops   []op
	files int
	// before is called before each changing operation.
	before func(i int, o op)
	// fault decides whether an operation fails, and whether it takes effect
	// although it does.
	fault func(o op) (err error, effect bool)
}

// op is one operation that changes the disk.
type op struct {
	kind string // create write sync truncate allocate rename remove symlink syncdir
	dir  string
	name string // of the file, as it was opened
	to   string // rename: new name; symlink: target
	file int    // identity of an open file
	off  int64  // write: where; truncate: size
	data []byte
	mode os.FileMode
}

func (o op) String() string {
	return fmt.Sprintf("%s %s/%s %s #%d @%d (%d bytes)", o.kind, filepath.Base(o.dir), o.name, o.to, o.file, o.off, len(o.data))
}

// do runs an operation under the fault in force.
func (d *disk) do(o op, act func() error) error {
	d.mu.Lock()
	if d.before != nil {
		d.before(len(d.ops), o)
	}
	var err error
	effect := true
	if d.fault != nil {
		err, effect = d.fault(o)
	}
	if err == nil || effect {
		d.ops = append(d.ops, o)
	}
	d.mu.Unlock()
	if err == nil {
		return act()
	}
	if effect {
		act()
	}
	return err
}

func (d *disk) open(path string, mode os.FileMode, gid int) (durable.Dir, error) {
	real, err := durable.OpenDir(path, mode, gid)
	if err != nil {
		return nil, err
	}
	return &tracedDir{real, d}, nil
}

type tracedDir struct {
	durable.Dir
	disk *disk
}

type tracedFile struct {
	durable.File
	disk *disk
	dir  string
	name string
	id   int
}

func (d *tracedDir) Open(name string, flag int, mode os.FileMode) (f durable.File, err error) {
	d.disk.mu.Lock()
	d.disk.files++
	id := d.disk.files
	d.disk.mu.Unlock()
	act := func() error { f, err = d.Dir.Open(name, flag, mode); return err }
	if flag&(os.O_RDWR|os.O_CREATE) != 0 && name != lockName {
		kind := "open"
		if flag&os.O_CREATE != 0 {
			kind = "create"
		}
		err = d.disk.do(op{kind: kind, dir: d.Path(), name: name, file: id, mode: mode, off: int64(flag)}, act)
	} else {
		err = act()
	}
	if err != nil {
		if f != nil {
			f.Close()
		}
		return nil, err
	}
	return &tracedFile{f, d.disk, d.Path(), name, id}, nil
}

func (d *tracedDir) Rename(from, to string) error {
	return d.disk.do(op{kind: "rename", dir: d.Path(), name: from, to: to}, func() error { return d.Dir.Rename(from, to) })
}

func (d *tracedDir) Remove(name string) error {
	return d.disk.do(op{kind: "remove", dir: d.Path(), name: name}, func() error { return d.Dir.Remove(name) })
}

func (d *tracedDir) Symlink(target, name string) error {
	return d.disk.do(op{kind: "symlink", dir: d.Path(), name: name, to: target}, func() error { return d.Dir.Symlink(target, name) })
}

func (d *tracedDir) Sync() error {
	return d.disk.do(op{kind: "syncdir", dir: d.Path()}, d.Dir.Sync)
}

func (f *tracedFile) do(o op, act func() error) error {
	o.dir, o.name, o.file = f.dir, f.name, f.id
	return f.disk.do(o, act)
}

func (f *tracedFile) WriteAt(b []byte, off int64) (n int, err error) {
	err = f.do(op{kind: "write", off: off, data: bytes.Clone(b)}, func() error { n, err = f.File.WriteAt(b, off); return err })
	return n, err
}

func (f *tracedFile) Sync() error { return f.do(op{kind: "sync"}, f.File.Sync) }

func (f *tracedFile) Truncate(size int64) error {
	return f.do(op{kind: "truncate", off: size}, func() error { return f.File.Truncate(size) })
}

func (f *tracedFile) Allocate(off, n int64) error {
	return f.do(op{kind: "allocate", off: off}, func() error { return f.File.Allocate(off, n) })
}

// survival says what of the operations before a crash is found after it.
type survival int

const (
	killed    survival = iota // the process died: all of it
	powerLost                 // the machine died: nothing that was not synced
	kept                      // the machine died: all of it, but what was in memory
	zeroed                    // the machine died: names and sizes, but zeros where data was not synced
	namesOnly                 // the machine died: names, but no data that was not synced
	torn                      // the machine died: of each write that was not synced the first sectors, zeros for the others
	tornAhead                 // ... the last sectors
	reordered                 // ... every other write, and every other name
	lastOnly                  // ... the latest write and the latest name only
	shuffled                  // ... any of them, by dice thrown anew for each crash
)

func (s survival) String() string {
	return [...]string{"killed", "power lost", "power lost, all kept", "power lost, zeros", "power lost, names kept",
		"power lost, writes torn", "power lost, writes torn ahead", "power lost, reordered", "power lost, the latest kept", "power lost, shuffled"}[s]
}

// sector is what a disk writes whole.
const sector = 512

// tear returns what is found where data was written at off and not synced.
func (s survival) tear(data []byte, off int64) []byte {
	out := make([]byte, len(data))
	whole := int(off+int64(len(data))/2) / sector * sector // a sector's border in the middle
	at := min(max(whole-int(off), 0), len(data))
	switch s {
	case torn:
		copy(out[:at], data[:at])
	case tornAhead:
		copy(out[at:], data[at:])
	}
	return out
}

// replay does ops anew in base's directories, as far as they survive.
func replayOps(t testing.TB, ops []op, how survival, base string) {
	t.Helper()
	synced := survivors(ops, how)
	files := map[int]*os.File{}
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	for i, o := range ops {
		dir := filepath.Join(base, filepath.Base(o.dir))
		if o.dir != "" && filepath.Base(filepath.Dir(o.dir)) == "journal" {
			dir = filepath.Join(base, "journal", filepath.Base(o.dir))
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, o.name)
		f := files[o.file]
		inPart := how == zeroed || how == torn || how == tornAhead
		switch {
		case !synced[i] && !(inPart && o.kind == "write"):
			// For a name that did not survive the file itself may be written on.
			if o.kind == "create" || o.kind == "open" {
				files[o.file], _ = os.CreateTemp(t.TempDir(), "")
			}
		case o.kind == "create" || o.kind == "open":
			f, err := os.OpenFile(path, int(o.off)&(os.O_RDWR|os.O_CREATE|os.O_TRUNC), o.mode)
			if err == nil {
				files[o.file] = f
			}
		case o.kind == "write" && f != nil:
			data := o.data
			if !synced[i] {
				data = how.tear(data, o.off)
			}
			f.WriteAt(data, o.off)
		case o.kind == "truncate" && f != nil:
			f.Truncate(o.off)
		case o.kind == "rename":
			os.Rename(path, filepath.Join(dir, o.to))
		case o.kind == "remove":
			os.Remove(path)
		case o.kind == "symlink":
			os.Symlink(o.to, path)
		}
	}
}

// survivors marks the operations that are found after the crash.
func survivors(ops []op, how survival) []bool {
	is := make([]bool, len(ops))
	dice := rand.New(rand.NewPCG(uint64(len(ops)), 1)) // each crash its own throws, the same each time
	unsynced := map[bool]int{}                         // so many data and name operations that are not synced, from the end
	for i := len(ops) - 1; i >= 0; i-- {
		o := ops[i]
		var durable, name bool
		switch o.kind {
		case "write", "truncate":
			durable = followedBy(ops[i:], "sync", func(p op) bool { return p.dir == o.dir && (p.file == o.file || p.name == o.name) })
		case "create", "rename", "remove", "symlink":
			durable, name = followedBy(ops[i:], "syncdir", func(p op) bool { return p.dir == o.dir }), true
		default:
			durable = true
		}
		if is[i] = durable; durable {
			continue
		}
		n := unsynced[name]
		unsynced[name]++
		switch how {
		case killed, kept:
			is[i] = true
		case zeroed, namesOnly, torn, tornAhead:
			is[i] = name
		case reordered:
			is[i] = n%2 == 0
		case lastOnly:
			is[i] = n == 0
		case shuffled:
			is[i] = dice.IntN(2) == 0
		}
	}
	return is
}

func followedBy(ops []op, kind string, same func(op) bool) bool {
	for _, o := range ops {
		if o.kind == kind && same(o) {
			return true
		}
	}
	return false
}

// memRing is an intake whose state can be copied at any instant, as a shared
// mapping keeps it when a process dies.
type memRing struct {
	mu      sync.Mutex
	data    []byte
	tail    int
	left    [2]uint64
	n       int
	written int
	refused int
	first   uint32 // serials of the refused that no note tells of …
	last    uint32 // … and the last
	closed  bool
	wake    chan struct{}
	lost    int
	behind  [2]uint64 // the abandoned place
	told    [2]int    // refused, lost
	toldAt  uint64
	syncing ring.Sync
}

func newMemRing() *memRing { return &memRing{wake: make(chan struct{}, 1)} }

func (r *memRing) clone() *memRing {
	r.mu.Lock()
	defer r.mu.Unlock()
	return &memRing{data: bytes.Clone(r.data), tail: r.tail, left: r.left, n: r.n, written: r.written, refused: r.refused, lost: r.lost, behind: r.behind, told: r.told, toldAt: r.toldAt, syncing: r.syncing, wake: make(chan struct{}, 1)}
}

func (r *memRing) feed(from, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range n {
		r.data = append(r.data, record(from+i)...)
	}
	signal(r.wake)
}

func (r *memRing) Pending() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.data[r.tail:]
	if len(b) > 1<<20 {
		b = wholeLines(b, 1<<20)
	}
	return b
}

func (r *memRing) Position() (string, uint64) { return "", 0 }

func (r *memRing) EachUnwritten(do func([]byte)) { do(r.Pending()) }

func (r *memRing) Drained() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed && r.tail == len(r.data)
}

func (r *memRing) Wake() <-chan struct{} { return r.wake }

func (r *memRing) Intent(first, offset uint64, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left, r.n = [2]uint64{first, offset}, n
}

func (r *memRing) Written(n, records int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tail, r.n, r.written = r.tail+n, 0, r.written+records
}

func (r *memRing) Left() (uint64, uint64, int) { return r.left[0], r.left[1], r.n }

func (r *memRing) Discard(n, records int, first, last uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refused == r.told[0] {
		r.first = first
	}
	r.last = last
	r.tail, r.n, r.refused = r.tail+n, 0, r.refused+records
}

func (r *memRing) Refused() (int, uint32, uint32) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused - r.told[0], r.first, r.last
}

func (r *memRing) DiscardTypes(ring.Types) {}
func (r *memRing) TypesTold(ring.Types)    {}
func (r *memRing) RefusedTypes() (int, uint32, uint32, ring.Types) {
	n, first, last := r.Refused()
	return n, first, last, nil
}

func (r *memRing) Abandon(segmentFirst, offset uint64, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.behind, r.lost = [2]uint64{segmentFirst, offset}, r.lost+lost
}

func (r *memRing) Abandoned() (segmentFirst, offset uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.behind[0], r.behind[1]
}

func (r *memRing) Found(records int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lost := min(records, r.lost)
	r.lost, r.refused, r.behind = r.lost-lost, r.refused-min(records-lost, r.refused), [2]uint64{}
}

func (r *memRing) Lost() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lost - r.told[1]
}

func (r *memRing) Told(at uint64, refused, lost int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.toldAt, r.told = at, [2]int{r.told[0] + refused, r.told[1] + lost}
}

func (r *memRing) Telling() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.toldAt
}

func (r *memRing) Settle(durable uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.toldAt <= durable {
		r.refused, r.lost = r.refused-r.told[0], r.lost-r.told[1]
		r.told, r.toldAt = [2]int{}, 0
	}
}

func (r *memRing) Untold() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told, r.toldAt = [2]int{}, 0
}

func (r *memRing) Replay(dst []byte, n int) ([]byte, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append(dst, r.data[r.tail-n:r.tail]...), true
}

func (r *memRing) Place() ring.Place {
	r.mu.Lock()
	defer r.mu.Unlock()
	return ring.Place{Bytes: uint64(r.tail), Records: uint64(r.written)}
}

func (r *memRing) Syncing(s ring.Sync) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.syncing = s
}

func (r *memRing) Synced() { r.Syncing(ring.Sync{}) }

func (r *memRing) Unsynced() ring.Sync { return r.syncing }

func (r *memRing) TakeBack(p ring.Place) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.Bytes > uint64(r.tail) || bytes.Count(r.data[p.Bytes:r.tail], lf) != r.written-int(p.Records) {
		return false
	}
	r.tail, r.written, r.n = int(p.Bytes), int(p.Records), 0
	return true
}

// drain lets the append loop go round until the ring is empty.
func (r *memRing) drain(t testing.TB, j *Journal) {
	t.Helper()
	for i := 0; len(r.Pending()) > 0; i++ {
		if i > 1000 {
			t.Fatal("the ring is not drained")
		}
		j.turn(time.Now().Add(time.Duration(i) * retryWait))
	}
}

// setMark puts a durable mark into the mark file of a replayed directory.
func setMark(t testing.TB, base string, at auditbridge.Sequence) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(base, "journal", markName), os.O_RDWR, 0)
	if err != nil {
		return
	}
	defer f.Close()
	writeMark(t, f, at, ^at, at, ^at)
}

// writeMark sets the words of the mark that hold what is durable.
func writeMark(t testing.TB, f *os.File, durable, check, spare, sparing auditbridge.Sequence) {
	t.Helper()
	for offset, word := range map[int64]auditbridge.Sequence{32: durable, 88: check, 96: spare, 104: sparing} {
		if _, err := f.WriteAt(binary.LittleEndian.AppendUint64(nil, uint64(word)), offset); err != nil {
			t.Fatal(err)
		}
	}
}
