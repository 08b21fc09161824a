package journal

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/auditbridge"

	"pgregory.net/rapid"
)

// world is a journal on a disk with faults that come and go, and the model it
// is held to: how many records came, each to be stored once or told of; every
// line that was ever durable, which must stay what it was until it is dropped; how
// far a reader has acknowledged, beyond which nothing is numbered anew.
type world struct {
	t       *testing.T
	cfg     Config
	disk    *disk
	before  string // a copy of what the disk held before its operations; "" when that was nothing
	ring    *memRing
	j       *Journal
	now     time.Time
	fed     int
	fault   string                          // in force: "", "full", "broken", "sync", "write"
	durable map[auditbridge.Sequence]string // every line that was read
	dropped auditbridge.Sequence            // the last line that was dropped
	records int                             // of these lines, how many were records
	acked   auditbridge.Sequence
	gone    int // records that went with the machine's memory
	told    int // records that lines dropped since told of as missing
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cfg: testConfig(t), ring: newMemRing(), now: time.Now(), durable: map[auditbridge.Sequence]string{}}
	w.cfg.SegmentSize, w.cfg.reserve = 70<<10, 128<<10
	w.newDisk()
	return w
}

func (w *world) newDisk() {
	w.disk = &disk{}
	w.disk.fault = func(o op) (error, bool) { return w.decide(o) }
}

func (w *world) open(rt *rapid.T) {
	j, err := open(w.cfg, w.ring, w.disk.open)
	if err != nil {
		rt.Fatalf("open: %v", err)
	}
	w.j = j
}

// decide is the disk's fault: "sync" and "write" strike once, the others last.
func (w *world) decide(o op) (error, bool) {
	segment := strings.HasSuffix(o.name, segmentSuffix) || o.name == nextName
	switch {
	case w.fault == "full" && o.kind == "allocate":
		return syscall.ENOSPC, false
	case w.fault == "broken" && segment && o.kind != "allocate" && o.kind != "truncate":
		return syscall.EIO, false
	case w.fault == o.kind && strings.HasSuffix(o.name, segmentSuffix):
		w.fault = ""
		return syscall.EIO, o.kind == "sync"
	}
	return nil, true
}

func (w *world) turn() {
	w.now = w.now.Add(1100 * time.Millisecond)
	w.j.turn(w.now)
}

func (w *world) feed(rt *rapid.T) {
	n := rapid.IntRange(1, 300).Draw(rt, "n")
	w.ring.feed(w.fed+1, n)
	w.fed += n
}

func (w *world) breaks(rt *rapid.T) {
	w.fault = rapid.SampledFrom([]string{"", "full", "broken", "sync", "write"}).Draw(rt, "fault")
}

// jump sets the clock ahead or, when nothing waits for a time, back.
func (w *world) jump(rt *rapid.T) {
	hours := rapid.IntRange(-10000, 10000).Draw(rt, "hours")
	if hours < 0 && w.j.trouble.state != StateOK {
		return
	}
	w.now = w.now.Add(time.Duration(hours) * time.Hour)
}

// read reads what is durable: what was read before is still what it was.
func (w *world) read(rt *rapid.T) {
	from := auditbridge.Sequence(rapid.IntRange(0, int(w.j.mark.Durable())).Draw(rt, "from"))
	r, err := OpenReader(w.cfg.Dir, from, ReaderOptions{})
	if err != nil {
		rt.Fatalf("read from %d: %v", from, err)
	}
	defer r.Close()
	for {
		at, line, err := r.Next()
		if err != nil {
			break
		}
		if at > w.j.mark.Durable() || at <= w.dropped {
			rt.Fatalf("read sequence %d; durable is %d, dropped %d", at, w.j.mark.Durable(), w.dropped)
		}
		if before, known := w.durable[at]; known && before != string(line) {
			rt.Fatalf("sequence %d was %q, now it is %q", at, before, line)
		}
		w.durable[at] = string(line)
	}
}

// ack moves a reader's cursor, as a relay does when its far end has it all.
func (w *world) ack(rt *rapid.T) {
	to := auditbridge.Sequence(rapid.IntRange(int(w.acked), int(max(w.acked, w.j.mark.Durable()))).Draw(rt, "to"))
	f, err := OpenCursor(w.cursor())
	if err != nil {
		rt.Fatal(err)
	}
	defer f.Close()
	if err := f.Store(Cursor{Journal: w.j.ID(), At: to}); err != nil {
		rt.Fatal(err)
	}
	w.acked = to
}

// trim drops the oldest segment, unless the disk does not let it go.
func (w *world) trim(rt *rapid.T) {
	if len(w.j.Segments()) < 2 {
		return
	}
	oldest := w.j.Segments()[0]
	last := oldest.Last
	c, _ := readJournal(w.cfg) // nothing of it may be signed yet
	n := configNote("drop", auditbridge.Number("first", oldest.First), auditbridge.Number("last", last))
	if w.j.sealDrop(&n, w.now) != nil {
		return
	}
	w.j.unlink([]Segment{oldest})
	if _, err := os.Lstat(filepath.Join(w.cfg.Dir, segmentName(oldest.First))); err == nil {
		return
	}
	for at, line := range c.lines {
		if at > last {
			continue
		}
		if strings.HasPrefix(line, "type=SYSCALL") {
			w.records++
		}
		w.told += toldIn(line)
	}
	w.dropped = last
}

func (w *world) restart(rt *rapid.T) {
	if w.fault != "" || w.j.trouble.state == StateFailed {
		return
	}
	w.turn()
	w.j.finish()
	w.j.Close()
	w.open(rt)
}

// kill ends the process; the disk is good again when the next begins.
func (w *world) kill(rt *rapid.T) {
	w.j.Close()
	w.fault = ""
	w.open(rt)
}

// powerCut ends the machine: the ring is gone, and of what was not synced
// anything is left.
func (w *world) powerCut(rt *rapid.T) {
	how := survival(rapid.IntRange(int(powerLost), int(shuffled)).Draw(rt, "survival"))
	durable, base := w.j.mark.Durable(), filepath.Dir(w.cfg.Dir)
	w.j.Close()
	cursor, _ := os.ReadFile(w.cursor())
	os.RemoveAll(w.cfg.Dir)
	os.RemoveAll(w.cfg.StateDir)
	if w.before != "" {
		copyTree(rt, base, w.before)
	}
	replayOps(w.t, w.disk.ops, how, base)
	if cursor != nil { // it was synced
		if err := os.WriteFile(w.cursor(), cursor, 0o600); err != nil {
			rt.Fatal(err)
		}
	}
	setMark(w.t, base, durable)
	w.before = memoryDir(w.t)
	copyTree(rt, w.before, base)
	w.fault, w.ring = "", newMemRing()
	w.newDisk()
	w.open(rt)
	c, err := readJournal(w.cfg)
	if err != nil {
		rt.Fatalf("after the power failed (%s): %v\n%s", how, err, listing(w.cfg.Dir))
	}
	if c.last < durable {
		rt.Fatalf("after the power failed (%s) the journal ends at %d, %d was durable", how, c.last, durable)
	}
	w.gone = w.fed - len(c.records) - w.records - c.told() - w.told
	if w.gone < 0 {
		rt.Fatalf("after the power failed (%s) there are %d records too many", how, -w.gone)
	}
}

func (w *world) cursor() string { return filepath.Join(w.cfg.StateDir, "siem"+CursorSuffix) }

func copyTree(rt *rapid.T, to, from string) {
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		rt.Fatal(err)
	}
}

func TestTheJournalBehavesLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		w.open(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"feed": w.feed, "turn": func(*rapid.T) { w.turn() }, "sync": func(*rapid.T) { w.j.sync.flush() },
			"note": func(*rapid.T) { w.j.Note(configNote("test")) }, "fault": w.breaks, "clock jump": w.jump,
			"checkpoint": func(*rapid.T) { w.j.atOnce(w.now, w.j.writeNotesIfCan, w.j.checkpoint) },
			"read":       w.read, "ack": w.ack, "trim": w.trim, "restart": w.restart, "kill": w.kill, "power cut": w.powerCut,
		})
		w.ends(rt)
	})
}

// ends heals the disk, ends recording in order, and holds the journal to what the
// model knows.
func (w *world) ends(rt *rapid.T) {
	w.fault = ""
	for range 5 {
		w.turn()
		w.j.sync.flush()
	}
	if w.j.trouble.state != StateOK {
		rt.Fatalf("state %s on a good disk: %v", w.j.trouble.state, w.j.trouble.err)
	}
	w.ring.turnUntilEmpty(w.t, w.j, &w.now)
	if err := w.j.finish(); err != nil {
		rt.Fatalf("finish: %v", err)
	}
	w.j.Close()
	c, err := readJournal(w.cfg)
	if err != nil {
		rt.Fatalf("%v\n%s", err, listing(w.cfg.Dir))
	}
	for at, line := range maps.All(w.durable) {
		if at > w.dropped && c.lines[at] != line {
			rt.Fatalf("sequence %d was read as %q, now it is %q", at, line, c.lines[at])
		}
	}
	if c.last < w.acked {
		rt.Fatalf("the journal ends at %d, a reader has acknowledged %d", c.last, w.acked)
	}
	if err := c.inOrder(w.fed); err != nil {
		rt.Fatal(err)
	}
	if got := len(c.records) + w.records + c.told() + w.told + w.gone; got != w.fed {
		rt.Fatalf("%d records stored, %d dropped, %d told of as missing, %d gone with the power: %d came\n%s",
			len(c.records), w.records, c.told()+w.told, w.gone, w.fed, strings.Join(c.ours, "\n"))
	}
}
