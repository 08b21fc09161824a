package journal

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/faultdisk"
	"auditbridge/journal/ring"
)

// recorder is a journal that records on a real disk, and the books of what it was
// handed.
type recorder struct {
	cfg  Config
	path string // of the ring, on another disk
	ring *ring.Ring
	j    *Journal
	fed  int
	done chan error
}

// recordOn begins to record in dir.
func recordOn(t *testing.T, dir string) *recorder {
	t.Helper()
	r := &recorder{
		cfg:  Config{Dir: dir + "/journal", StateDir: dir + "/state", Source: "kernel", GroupID: -1, SegmentSize: 2 << 20, reserve: 1 << 20},
		path: filepath.Join(memoryDir(t), "ring"),
	}
	r.start(t, "a boot")
	return r
}

func (r *recorder) start(t *testing.T, boot string) {
	t.Helper()
	var err error
	if r.ring, err = ring.Open(ring.Config{Path: r.path, Size: 4 << 20, BootID: boot}); err != nil {
		t.Fatal(err)
	}
	r.j = mustOpen(t, r.cfg, r.ring)
	r.done = make(chan error, 1)
	go func() { r.done <- r.j.Run(context.Background()) }()
}

func (r *recorder) feed(t *testing.T, n int) {
	t.Helper()
	feed(t, r.ring, r.fed+1, n)
	r.fed += n
}

// settle waits until the ring is empty: everything is stored or counted.
func (r *recorder) settle(t *testing.T) {
	t.Helper()
	until(t, "the ring is empty", func() bool {
		s := r.j.Stats()
		return r.ring.Stats().Bytes == 0 && (s.State != StateOK || s.Durable == s.Written)
	})
}

func (r *recorder) untilState(t *testing.T, s State) {
	t.Helper()
	until(t, "state "+s.String(), func() bool { return r.j.Stats().State == s })
}

// stop ends recording in order, and hands back the disk.
func (r *recorder) stop(t *testing.T) error {
	t.Helper()
	r.ring.Close()
	err := <-r.done
	r.j.Close()
	r.ring.Unmap()
	return err
}

// wants ends recording in order and holds the books: every record is there once,
// or told of as missing.
func (r *recorder) wants(t *testing.T, ops ...string) contents {
	t.Helper()
	if err := r.stop(t); err != nil {
		t.Fatal(err)
	}
	c := checkJournal(t, r.cfg)
	balance(t, c, r.fed)
	for _, op := range ops {
		if !strings.Contains(strings.Join(c.ours, "\n"), "op="+op+" ") {
			t.Errorf("op=%s is not on record", op)
		}
	}
	t.Logf("%d of %d records are stored", len(c.records), r.fed)
	return c
}

// A file system that takes no more writes because it has met an error stays so
// until it is checked. What came meanwhile is counted, and told of by the process
// that starts after.
func TestADiskThatTurnsReadOnlyIsCountedOverARestart(t *testing.T) {
	disk := faultdisk.Make(t, faultdisk.Options{Kind: "ext4"})
	r := recordOn(t, disk.Dir)
	r.feed(t, 3000)
	r.settle(t)
	disk.TurnReadOnly(t)
	r.feed(t, 3000)
	r.untilState(t, StateFailed)
	r.feed(t, 1000)
	r.settle(t)
	if err := r.stop(t); err == nil {
		t.Error("an end whose last words could not be written is called orderly")
	}
	disk.Remount(t)
	r.start(t, "a boot")
	r.feed(t, 100)
	r.settle(t)
	r.wants(t, "abnormal-end", "refused")
}

// A device that fails under a mounted file system: what was written to memory
// and never reached it is written again elsewhere or, when the file system turns
// read-only for it, counted, and told of after a check and a start.
func TestADeviceThatFailsUnderAFileSystem(t *testing.T) {
	disk := faultdisk.Make(t, faultdisk.Options{Kind: "ext4", Starved: 24})
	r := recordOn(t, disk.Dir)
	r.feed(t, 3000)
	r.settle(t)
	disk.Starve(t)
	for i := 0; r.j.Stats().State != StateFailed; i++ {
		if i > 100 {
			t.Fatal("the device does not fail")
		}
		r.feed(t, 3000)
		r.settle(t)
	}
	r.feed(t, 1000)
	r.settle(t)
	if err := r.stop(t); err == nil {
		t.Error("an end whose last words could not be written is called orderly")
	}
	disk.Feed(t)
	disk.Remount(t)
	r.start(t, "a boot")
	r.feed(t, 100)
	r.settle(t)
	r.wants(t, "abnormal-end", "refused")
	disk.Remount(t) // what is in memory only is gone
	balance(t, checkJournal(t, r.cfg), r.fed)
}

// takeInodes is another program, whose small files take all inodes.
func takeInodes(t *testing.T, dir string) (free func()) {
	t.Helper()
	at := filepath.Join(dir, "small")
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		f, err := os.Create(filepath.Join(at, fmt.Sprint(i)))
		if err != nil {
			break
		}
		f.Close()
	}
	return func() {
		if err := os.RemoveAll(at); err != nil {
			t.Error(err)
		}
	}
}

// Where another program has taken all inodes no segment can be begun and no key
// changed; the open segment grows as long as there is room, and nothing is lost.
func TestWithoutInodesTheOpenSegmentGrows(t *testing.T) {
	for _, o := range []faultdisk.Options{{Kind: "ext4", Inodes: 64}, {Kind: "tmpfs", Inodes: 64}} {
		t.Run(o.Kind, func(t *testing.T) {
			disk := faultdisk.Make(t, o)
			r := recordOn(t, disk.Dir)
			r.feed(t, 3000)
			r.settle(t)
			free := takeInodes(t, disk.Dir)
			for range 20 {
				r.feed(t, 2000)
				r.settle(t)
			}
			if n := len(r.j.Segments()); n > 2 {
				t.Errorf("%d segments: the inodes were not exhausted", n)
			}
			free()
			until(t, "another segment is begun", func() bool {
				r.feed(t, 500)
				return len(r.j.Segments()) > 2
			})
			c := r.wants(t)
			wantRecords(t, c, 1, r.fed)
			if !strings.Contains(strings.Join(c.ours, "\n"), `why="no space left on device" segment=1 res=failed`) {
				t.Error("that no segment could be begun is not on record")
			}
		})
	}
}

// Both at once: no inodes, and then no room.
func TestWithoutInodesAndThenRoom(t *testing.T) {
	disk := faultdisk.Make(t, faultdisk.Options{Kind: "tmpfs", Inodes: 64})
	r := recordOn(t, disk.Dir)
	r.feed(t, 3000)
	r.settle(t)
	room := fillUp(t, disk.Dir)
	inodes := takeInodes(t, disk.Dir)
	for r.j.Stats().State != StateFull {
		r.feed(t, 2000)
		r.settle(t)
	}
	room()
	r.untilState(t, StateOK)
	r.feed(t, 20000)
	r.settle(t)
	inodes()
	r.wants(t, "disk-full", "resumed", "refused")
}

// The power fails under load. What was durable is there; what is not there was
// handed over within the last flush interval, and that the end was abrupt is on
// record. How many went with the memory of the machine nobody can tell any more.
func TestAPowerCutCostsAFlushInterval(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs"} {
		t.Run("T-STG-PERSIST "+kind, func(t *testing.T) {
			disk := faultdisk.Make(t, faultdisk.Options{Kind: kind})
			r := recordOn(t, disk.Dir)
			var when []time.Time        // each record was handed over
			longest := time.Duration(0) // a sync, or that nobody here got to run
			looked := time.Now()
			look := func() {
				longest = max(longest, r.syncing(), time.Since(looked))
				looked = time.Now()
			}
			for range 200 {
				for len(when) < r.fed+20 {
					when = append(when, time.Now())
				}
				r.feed(t, 20)
				time.Sleep(2 * time.Millisecond) // the load's pace; nothing waits for it
				look()
			}
			durable := r.j.Mark().Durable()
			look()
			cut := time.Now() // it takes its time
			disk.CutPower(t)
			r.stop(t)
			disk.Remount(t)
			os.Remove(r.path) // memory is gone, too
			r.start(t, "another boot")
			if err := r.stop(t); err != nil {
				t.Fatal(err)
			}
			c := checkJournal(t, r.cfg)
			wantRecords(t, c, 1, len(c.records))
			if c.last < durable {
				t.Errorf("the journal ends at %d, %d was durable", c.last, durable)
			}
			if !strings.Contains(strings.Join(c.ours, "\n"), "op=abnormal-end ") {
				t.Error("the abrupt end is not on record")
			}
			lost := r.fed - len(c.records)
			if lost == 0 {
				return
			}
			old := cut.Sub(when[len(c.records)])
			t.Logf("%d of %d records are lost, the oldest handed over %v before the power went; the longest sync took %v", lost, r.fed, old, longest)
			if most := syncDelay + 2*longest + time.Second; old > most {
				t.Errorf("the oldest of the %d lost records was handed over %v before the power went, more than %v", lost, old, most)
			}
		})
	}
}

// syncing is how long the oldest byte that is not durable has been waiting.
func (r *recorder) syncing() time.Duration {
	s := r.j.sync
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written.at == s.done.at {
		return 0
	}
	return time.Since(s.since)
}
