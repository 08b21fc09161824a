package journal

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A start on a full disk hears, counts what it cannot keep, and begins to record
// as soon as there is room.
func TestAStartOnAFullDiskWaitsForRoom(t *testing.T) {
	for _, row := range []struct {
		name    string
		prepare func(t *testing.T, cfg Config)
		full    func(o op) bool
		ops     string // on record since
	}{
		{"for the first segment", nil, allocates, "segment open resumed refused"},
		{"for the first key", nil, func(o op) bool { return o.kind == "create" && strings.HasPrefix(o.name, keyName) }, "segment open resumed refused"},
		{"for another segment, the last being damaged", func(t *testing.T, cfg Config) {
			path, data := smallJournal(t, cfg, 900)
			data[len(data)-500] = 0
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			os.Remove(filepath.Join(cfg.Dir, nextName))
		}, func(o op) bool { return o.kind == "create" || o.kind == "allocate" }, "segment abnormal-end damage gap open resumed refused"},
		{"for the reserve", func(t *testing.T, cfg Config) {
			smallJournal(t, cfg, 9)
			os.Remove(filepath.Join(cfg.Dir, nextName))
		}, func(o op) bool { return o.kind == "create" || o.kind == "allocate" }, "abnormal-end open resumed refused"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, r, d := testConfig(t), newMemRing(), &disk{}
			cfg.reserve = 128 << 10
			if row.prepare != nil {
				row.prepare(t, cfg)
			}
			before := len(opsIn(t, cfg))
			full := true
			d.fullWhile(func() bool { return full }, row.full)
			j, err := open(cfg, r, d.open)
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			now := time.Now()
			for range 3 {
				r.feed(1, 10)
				now = now.Add(2 * time.Second)
				j.turn(now)
			}
			if s := j.Stats(); s.State != StateFull || s.Refused != 30 {
				t.Fatalf("%s, %d refused", s.State, s.Refused)
			}
			full = false
			now = now.Add(2 * time.Second)
			j.turn(now)
			if j.Stats().State != StateOK {
				t.Fatalf("state %s on a good disk: %v", j.Stats().State, j.trouble.err)
			}
			r.feed(1, 10)
			r.turnUntilEmpty(t, j, &now)
			if err := j.finish(); err != nil {
				t.Fatal(err)
			}
			if got := strings.Join(opsIn(t, cfg)[before:], " "); got != row.ops {
				t.Errorf("on record: %s", got)
			}
			if text := string(allBytes(t, cfg)); !strings.Contains(text, "op=refused ") || !strings.Contains(text, " n=30 ") {
				t.Error("what was refused is not on record")
			}
		})
	}
}

// opsIn lists the journal's own records but block lines, by their op=.
func opsIn(t *testing.T, cfg Config) (ops []string) {
	for _, line := range strings.Split(string(allBytes(t, cfg)), "\n") {
		_, rest, own := strings.Cut(line, ": op=")
		if op, _, _ := strings.Cut(rest, " "); own && op != "block" {
			ops = append(ops, op)
		}
	}
	return ops
}

// fullWhile fails with ENOSPC what hits says, as long as full does.
func (d *disk) fullWhile(full func() bool, hits func(op) bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fault = func(o op) (error, bool) {
		if full() && hits(o) {
			return syscall.ENOSPC, false
		}
		return nil, true
	}
}

func allocates(o op) bool { return o.kind == "allocate" }
