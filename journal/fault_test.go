package journal

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Every operation on the disk fails once, with and without effect, while
// records come in. Whatever happens, the journal goes on, and after the next
// start every record is there once or on record as lost.
func TestOneFailingOperationLosesNothing(t *testing.T) {
	for _, row := range []struct {
		name string
		err  error
		hits func(o op) bool
	}{
		{"sync of a segment", syscall.EIO, func(o op) bool { return o.kind == "sync" && strings.HasSuffix(o.name, segmentSuffix) }},
		{"write to a segment", syscall.EIO, func(o op) bool { return o.kind == "write" && strings.HasSuffix(o.name, segmentSuffix) }},
		{"write finds the disk full", syscall.ENOSPC, func(o op) bool { return o.kind == "write" && strings.HasSuffix(o.name, segmentSuffix) }},
		{"reserve of a segment", syscall.ENOSPC, func(o op) bool { return o.kind == "allocate" && strings.HasSuffix(o.name, segmentSuffix) }},
		{"reserve over quota", syscall.EDQUOT, func(o op) bool { return o.kind == "allocate" }},
		{"reserve fails", syscall.EIO, func(o op) bool { return o.kind == "allocate" }},
		{"name of a segment", syscall.EIO, func(o op) bool { return o.kind == "rename" && o.name == nextName }},
		{"sync of names", syscall.EIO, func(o op) bool { return o.kind == "syncdir" && strings.HasSuffix(o.dir, "journal") }},
		{"next segment", syscall.ENOSPC, func(o op) bool { return o.kind == "create" && o.name == nextName }},
		{"next key's file", syscall.EIO, func(o op) bool { return o.kind == "create" && strings.HasPrefix(o.name, nextKeyName) }},
		{"next key's sync", syscall.EIO, func(o op) bool { return o.kind == "sync" && strings.HasPrefix(o.name, nextKeyName) }},
		{"change of key", syscall.EIO, func(o op) bool { return o.kind == "rename" && o.name == nextKeyName }},
		{"links", syscall.EIO, func(o op) bool { return o.kind == "symlink" }},
		{"giving back a reserve", syscall.EIO, func(o op) bool { return o.kind == "truncate" }},
	} {
		for _, effect := range []bool{false, true} {
			for _, after := range []int{0, 1, 3} {
				name := row.name + map[bool]string{true: ", with effect", false: ", without effect"}[effect]
				t.Run(name, func(t *testing.T) { failOnce(t, row.err, row.hits, effect, after) })
			}
		}
	}
}

func failOnce(t *testing.T, why error, hits func(op) bool, effect bool, after int) {
	cfg := testConfig(t)
	cfg.SegmentSize, cfg.reserve = 100<<10, 128<<10
	d, r := &disk{}, newMemRing()
	j, err := open(cfg, r, d.open)
	if err != nil {
		t.Fatal(err)
	}
	failed := false
	d.mu.Lock()
	d.fault = func(o op) (error, bool) {
		if failed || !hits(o) {
			return nil, true
		}
		if after--; after >= 0 {
			return nil, true
		}
		failed = true
		return why, effect
	}
	d.mu.Unlock()
	now := time.Now()
	for i := range 6 {
		r.feed(1+i*200, 200)
		r.turnUntilEmpty(t, j, &now)
		j.sync.flush()
		j.turn(now)
	}
	if !failed {
		return // so often it does not come
	}
	now = now.Add(time.Minute)
	j.turn(now)
	if j.trouble.state != StateOK {
		t.Fatalf("state %s although the disk is good again: %v", j.trouble.state, j.trouble.err)
	}
	r.feed(1201, 10)
	r.turnUntilEmpty(t, j, &now)
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Log(err)
	}
	again := mustOpen(t, cfg, newMemRing())
	if err := again.finish(); err != nil {
		t.Fatal(err)
	}
	again.Close()
	c := checkJournal(t, cfg)
	balance(t, c, 1210)
}

// balance holds the books: every record of 1 … n is there once, in order, or
// counted by a note as refused or lost.
func balance(t testing.TB, c contents, n int) {
	t.Helper()
	if err := c.balance(n); err != nil {
		t.Fatal(err)
	}
}

func (c *contents) balance(n int) error {
	if err := c.inOrder(n); err != nil {
		return err
	}
	if len(c.records)+c.told() != n {
		return fmt.Errorf("%d records stored and %d told of as missing, %d came", len(c.records), c.told(), n)
	}
	return nil
}

// told is how many records our own lines tell of as refused or lost.
func (c *contents) told() (n int) {
	for _, line := range c.ours {
		n += toldIn(line)
	}
	return n
}

func toldIn(line string) int {
	if strings.Contains(line, "op=refused ") {
		return numberIn(line, " n=")
	}
	return numberIn(line, " lost=")
}

// inOrder: every record is one of 1 … n, and stands there once, in order.
func (c *contents) inOrder(n int) error {
	next := 1
	for _, line := range c.records {
		for next <= n && line != strings.TrimSuffix(string(record(next)), "\n") {
			next++
		}
		if next > n {
			return fmt.Errorf("out of order, twice or unknown: %s", line)
		}
		next++
	}
	return nil
}

func numberIn(line, key string) (n int) {
	_, rest, ok := strings.Cut(line, key)
	if !ok {
		return 0
	}
	for _, c := range rest {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// turnUntilEmpty lets the append loop go round until the ring is empty.
func (r *memRing) turnUntilEmpty(t testing.TB, j *Journal, now *time.Time) {
	t.Helper()
	for i := 0; len(r.Pending()) > 0; i++ {
		if i > 1000 {
			t.Fatal("the ring is not drained")
		}
		*now = now.Add(10 * time.Millisecond)
		j.turn(*now)
	}
}
