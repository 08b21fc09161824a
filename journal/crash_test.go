package journal

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
)

// instant is what exists outside the files when a process dies.
type instant struct {
	op      string
	ring    *memRing
	durable auditbridge.Sequence
	dropped auditbridge.Sequence // up to here the journal may have been dropped
	fed     int
}

// life runs a journal through starts, records, notes, checkpoints, segment
// ends, drops and stops, and remembers every instant before an operation on
// the disk. It returns all lines that ever were in the journal, too.
func life(t *testing.T, cfg Config) (*disk, []instant, map[auditbridge.Sequence]string) {
	t.Helper()
	d, r := &disk{}, newMemRing()
	var instants []instant
	var j *Journal
	fed, dropped, whole := 0, auditbridge.Sequence(0), map[auditbridge.Sequence]string{}
	d.before = func(i int, o op) {
		at := instant{op: o.String(), ring: r.clone(), dropped: dropped, fed: fed}
		if j != nil && j.mark != nil {
			at.durable = j.mark.Durable()
		}
		instants = append(instants, at)
	}
	start := func() {
		opened, err := open(cfg, r, func(path string, mode os.FileMode, gid int) (durable.Dir, error) {
			return d.open(path, mode, gid)
		})
		if err != nil {
			t.Fatal(err)
		}
		j = opened
	}
	for n := range 3 {
		j = nil
		start()
		if n == 2 {
			maps.Copy(whole, checkJournal(t, cfg).lines)
			dropped = j.Segments()[0].Last
			dropOldest(t, j)
		}
		for range 3 {
			r.feed(fed+1, 250)
			fed += 250
			j.turn(time.Now())
			if err := j.sync.flush(); err != nil {
				t.Fatal(err)
			}
			r.feed(fed+1, 50)
			fed += 50
			j.turn(time.Now())
		}
		n := configNote("test")
		j.Note(n)
		if err := j.finish(); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	maps.Copy(whole, checkJournal(t, cfg).lines)
	return d, instants, whole
}

// dropOldest drops the oldest segment, as Drop does in a journal that runs.
func dropOldest(t *testing.T, j *Journal) {
	t.Helper()
	list := j.Segments()[:1]
	n := configNote("drop", auditbridge.Number("first", list[0].First), auditbridge.Number("last", list[0].Last))
	if err := j.sealDrop(&n, time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := j.unlink(list); err != nil {
		t.Fatal(err)
	}
}

// After a crash between any two operations on the disk a start succeeds, the
// journal is sound, and what was durable is there; after a kill, which leaves
// the ring, every record is there exactly once.
func TestACrashBetweenAnyTwoStepsLosesNothing(t *testing.T) {
	cfg := testConfig(t)
	cfg.SegmentSize, cfg.reserve = 100<<10, 256<<10
	d, instants, whole := life(t, cfg)
	if len(instants) < 200 {
		t.Fatalf("only %d operations", len(instants))
	}
	t.Run("killed within a write", func(t *testing.T) {
		for i, at := range instants {
			o := d.ops[i]
			if o.kind != "write" {
				continue
			}
			for _, n := range []int{1, len(o.data) / 2, len(o.data) - 1, len(o.data)} {
				t.Run(fmt.Sprintf("%d after %d bytes", i, n), func(t *testing.T) {
					torn := o
					torn.data = o.data[:n]
					crashAndStart(t, cfg, append(slices.Clone(d.ops[:i]), torn), at, killed, whole)
				})
			}
		}
	})
	for how := killed; how <= shuffled; how++ {
		t.Run(how.String(), func(t *testing.T) {
			for i, at := range instants {
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					defer func() {
						if t.Failed() {
							t.Logf("died before operation %d: %s", i, at.op)
						}
					}()
					crashAndStart(t, cfg, d.ops[:i], at, how, whole)
				})
			}
		})
	}
}

func crashAndStart(t *testing.T, cfg Config, ops []op, at instant, how survival, whole map[auditbridge.Sequence]string) {
	base := memoryDir(t)
	cfg.Dir, cfg.StateDir = filepath.Join(base, "journal"), filepath.Join(base, "state")
	replayOps(t, ops, how, base)
	if how == killed || len(ops)%2 == 0 { // the mark's page is not synced either
		setMark(t, base, at.durable)
	}
	r := at.ring.clone()
	if how != killed {
		r = newMemRing() // it was of another boot
	}
	j := mustOpen(t, cfg, r)
	defer j.Close()
	r.drain(t, j)
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	c := checkJournal(t, cfg)
	first := slices.Min(slices.Collect(maps.Keys(c.lines)))
	if first != 1 && first != at.dropped+1 {
		t.Fatalf("the journal begins at %d, up to %d it was dropped", first, at.dropped)
	}
	begin := 1
	for s := range first {
		if strings.HasPrefix(whole[s], "type=SYSCALL") {
			begin++
		}
	}
	if how == killed {
		wantRecords(t, c, begin, at.fed-begin+1)
	} else {
		wantRecords(t, c, begin, len(c.records))
	}
	for s := first; s <= at.durable; s++ {
		if c.lines[s] != whole[s] {
			t.Fatalf("sequence %d was durable as %q, now it is %q", s, whole[s], c.lines[s])
		}
	}
}
