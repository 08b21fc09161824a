package journal

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world is a journal on a disk with faults that come and go, and the model it
// is held to: how many records came, each to be stored once or told of.
type world struct {
	t     *testing.T
	cfg   Config
	disk  *disk
	ring  *memRing
	j     *Journal
	now   time.Time
	fed   int
	fault string // in force: "", "full", "broken", "sync", "write"
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

func TestTheJournalBehavesLikeItsModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		w := &world{t: t, cfg: testConfig(t), disk: &disk{}, ring: newMemRing(), now: time.Now()}
		w.cfg.SegmentSize, w.cfg.reserve = 70<<10, 128<<10
		w.disk.fault = func(o op) (error, bool) { return w.decide(o) }
		w.open(rt)
		rt.Repeat(map[string]func(*rapid.T){
			"feed": func(rt *rapid.T) {
				n := rapid.IntRange(1, 300).Draw(rt, "n")
				w.ring.feed(w.fed+1, n)
				w.fed += n
			},
			"turn": func(*rapid.T) { w.turn() },
			"sync": func(*rapid.T) { w.j.sync.flush() },
			"note": func(*rapid.T) { w.j.Note(configNote("test")) },
			"fault": func(rt *rapid.T) {
				w.fault = rapid.SampledFrom([]string{"", "full", "broken", "sync", "write"}).Draw(rt, "fault")
			},
			"restart": func(rt *rapid.T) {
				if w.fault != "" || w.j.trouble.state == StateFailed {
					return
				}
				w.turn()
				w.j.finish()
				w.j.Close()
				w.open(rt)
			},
			"kill": func(rt *rapid.T) {
				// What a failing disk took is counted in memory until it is told.
				if w.fault != "" || w.j.sync.failed() != nil {
					return
				}
				w.j.Close()
				w.open(rt)
			},
		})
		w.fault = ""
		for range 5 {
			w.turn()
			w.j.sync.flush()
		}
		if w.j.trouble.state != StateOK {
			rt.Fatalf("state %s on a good disk: %v", w.j.trouble.state, w.j.trouble.err)
		}
		w.ring.turnUntilEmpty(t, w.j, &w.now)
		if err := w.j.finish(); err != nil {
			rt.Fatalf("finish: %v", err)
		}
		w.j.Close()
		c, err := readJournal(w.cfg)
		if err != nil {
			rt.Fatalf("%v\n%s", err, listing(w.cfg.Dir))
		}
		if err := c.balance(w.fed); err != nil {
			rt.Fatalf("%v\n%s", err, strings.Join(c.ours, "\n"))
		}
	})
}
