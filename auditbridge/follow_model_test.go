package auditbridge

import (
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/durable"

	"pgregory.net/rapid"
)

// Any order of writing, rotating, cutting, deleting, looking, storing some of it,
// being killed and losing power: no line is stored twice or out of order, what
// still stands in a log is stored, and what is missing is a gap on record.
func TestFollowerModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "follow")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		w := &following{t: t, log: filepath.Join(dir, "audit.log")}
		defer w.close()
		w.openRing()
		w.create()
		w.start()
		clock := time.Unix(1_700_000_000, 0)
		// Between two real writes to different logs the kernel's clock moves on.
		stamp := func(path string) {
			clock = clock.Add(time.Second)
			os.Chtimes(path, clock, clock)
		}
		tick := func() { stamp(w.log) }
		w.write(1) // from here on there is a place to go on from
		tick()
		w.look()
		unknowable := false // lines went before anything in front of them was read
		check := func(rt *rapid.T) {
			last := uint32(0)
			for _, line := range w.stored {
				h, ok := ParseHeader([]byte(line))
				if !ok || h.ID.Serial <= last {
					rt.Fatalf("stored %s", numbers(w.stored))
				}
				last = h.ID.Serial
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"write":      func(rt *rapid.T) { w.write(rapid.IntRange(1, 30).Draw(rt, "lines")); tick() },
			"write much": func(*rapid.T) { w.write(1500); tick() },
			"look once":  func(*rapid.T) { w.f.step() },
			"look":       func(*rapid.T) { w.look() },
			"store some": func(rt *rapid.T) {
				w.store(rapid.IntRange(0, 4000).Draw(rt, "bytes"))
			},
			"rotate":       func(*rapid.T) { w.rotate(3); tick() },
			"copy and cut": func(*rapid.T) { w.copyTruncate(); stamp(w.log + ".1"); tick() },
			"cut": func(*rapid.T) {
				unknowable = unknowable || !w.begun()
				w.truncate()
				tick()
			},
			"delete": func(*rapid.T) {
				unknowable = unknowable || !w.begun()
				os.Remove(w.log)
				w.create()
				tick()
			},
			"killed": func(*rapid.T) { w.killed() },
			"power lost": func(rt *rapid.T) {
				durable := max(len(w.stored)-rapid.IntRange(0, 40).Draw(rt, "lines"), w.trail.Places[0].Line)
				for _, line := range w.stored[durable:] { // read, not durable, and gone from the logs, too
					unknowable = unknowable || !w.inLogs(line)
				}
				w.powerLost(durable)
			},
			"": check,
		})
		w.write(1)
		tick()
		for range 3 {
			w.look()
		}
		check(rt)
		stored := map[string]bool{}
		for _, line := range w.stored {
			stored[line] = true
		}
		for line := range w.logLines() {
			if !stored[line] {
				rt.Fatalf("a log holds a line that is not stored: %s\nstored %s", line, numbers(w.stored))
			}
		}
		if len(w.stored) < w.n && len(w.gaps) == 0 && !unknowable {
			rt.Fatalf("%d of %d lines stored, and no gap on record", len(w.stored), w.n)
		}
	})
}

// logLines are the lines that stand in the log and in what was rotated away.
func (w *following) logLines() iter.Seq[string] {
	return func(yield func(string) bool) {
		logs, _ := filepath.Glob(w.log + "*")
		for _, log := range logs {
			text, _ := os.ReadFile(log)
			for line := range strings.Lines(string(text)) {
				if !yield(strings.TrimSuffix(line, "\n")) {
					return
				}
			}
		}
	}
}

func (w *following) inLogs(line string) bool {
	for l := range w.logLines() {
		if l == line {
			return true
		}
	}
	return false
}

// begun tells whether something of what the log holds now was read, so that it can be
// seen when it is gone.
func (w *following) begun() bool {
	log, err := openLog(w.dir(), filepath.Base(w.log))
	if err != nil {
		return false
	}
	defer log.Close()
	if w.f.from != nil {
		return w.f.offset > 0 && log.holds(w.f.place(0))
	}
	p, err := parsePlace(w.trail.Places[len(w.trail.Places)-1].At)
	return err == nil && log.holds(p)
}

func (w *following) dir() durable.Dir {
	dir, err := durable.OpenDir(filepath.Dir(w.log), 0, -1)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { dir.Close() })
	return dir
}
