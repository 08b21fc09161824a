package journal

import (
	"sync/atomic"
	"testing"
	"time"
)

// The record of an end by age may not fit into the last block of a segment that
// is at its size as well. It ends once, and the key that was announced signs on
// after a start.
func TestASegmentAtItsSizeAndAgeEndsOnce(t *testing.T) {
	cfg := testConfig(t)
	cfg.SegmentSize, cfg.SegmentAge, cfg.reserve = 70<<10, 10*time.Minute, 128<<10
	r := newMemRing()
	j := mustOpen(t, cfg, r)
	now := time.Now()
	fed := 0
	for j.seg.size < cfg.SegmentSize || j.roomInBlock() > len(record(fed)) {
		r.feed(fed+1, 1)
		fed++
		j.turn(now)
	}
	for j.roomInBlock() > 130 { // the record of the end is longer
		j.Note(configNote("test"))
		j.turn(now)
	}
	if len(j.Segments()) != 1 {
		t.Fatalf("%d segments before", len(j.Segments()))
	}
	j.turn(now.Add(20 * time.Minute))
	if len(j.Segments()) != 2 || j.keys.halfway {
		t.Errorf("%d segments, want 2; key change halfway: %v", len(j.Segments()), j.keys.halfway)
	}
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j = mustOpen(t, cfg, r)
	defer j.Close()
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, checkJournal(t, cfg), 1, fed)
}

// Whoever holds the journal to its bounds hears of each segment that is closed.
func TestEachNextSegmentIsTold(t *testing.T) {
	cfg, r := testConfig(t), newMemRing()
	cfg.SegmentSize = 70 << 10
	var told atomic.Int32
	cfg.OnSegment = func() { told.Add(1) }
	j, err := open(cfg, r, (&disk{}).open)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	stop := runFor(t, j)
	for from := 1; len(j.Segments()) < 4; from += 100 {
		r.feed(from, 100)
		until(t, "the ring is empty", func() bool { return len(r.Pending()) == 0 })
	}
	until(t, "the last is told", func() bool { return int(told.Load()) == len(j.Segments())-1 })
	stop()
}
