package journal

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// What is written because somebody asks for it meets the same disk: when that fails
// the journal goes on as after an error of its own.
func TestAFailureOfWhatWasAskedForIsDealtWith(t *testing.T) {
	for name, ask := range map[string]func(j *Journal) error{
		"checkpoint": func(j *Journal) error { return j.Checkpoint(context.Background()) },
		"record":     func(j *Journal) error { return j.Record(context.Background(), configNote("test")) },
		"drop":       func(j *Journal) error { return j.Drop(context.Background(), 1, "test") },
		"suspend":    func(j *Journal) error { return j.Suspend(context.Background()) },
	} {
		for _, kind := range []string{"write", "sync"} {
			for after := range 3 {
				for _, errno := range []syscall.Errno{syscall.EIO, syscall.ENOSPC} {
					t.Run(fmt.Sprintf("%s, %s %d fails, %v", name, kind, after+1, errno), func(t *testing.T) {
						askFailing(t, ask, kind, after, errno)
					})
				}
			}
		}
	}
}

func askFailing(t *testing.T, ask func(j *Journal) error, kind string, after int, errno syscall.Errno) {
	cfg := testConfig(t)
	cfg.SegmentSize, cfg.reserve = 70<<10, 128<<10
	d, r := &disk{}, newMemRing()
	j, err := open(cfg, r, d.open)
	if err != nil {
		t.Fatal(err)
	}
	stop := runFor(t, j)
	r.feed(1, 700)
	until(t, "all is durable", func() bool { return len(r.Pending()) == 0 && j.Stats().Durable == j.Stats().Written })
	dropped := j.Segments()[0]
	d.mu.Lock()
	d.fault = func(o op) (error, bool) {
		if o.kind != kind || o.name == markName || errno == 0 {
			return nil, true
		}
		if after--; after >= 0 {
			return nil, true
		}
		defer func() { errno = 0 }()
		return errno, false
	}
	d.mu.Unlock()
	failed := ask(j)
	d.mu.Lock()
	if struck := errno == 0; struck != (failed != nil) {
		t.Errorf("the disk has failed: %v, the answer is %v", struck, failed)
	}
	d.fault = nil
	d.mu.Unlock()
	if err := j.Resume(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.feed(701, 1500)
	until(t, "it goes on", func() bool { return len(r.Pending()) == 0 && j.Stats().State == StateOK })
	stop()
	j.Close()
	c, err := readJournal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	missing := 0
	if failed == nil && strings.Contains(strings.Join(c.ours, "\n"), "op=drop ") {
		missing = int(dropped.Last)
	}
	if got := len(c.records) + c.told(); got > 2200 || got < 2200-missing {
		t.Errorf("%d of 2200 records are there or told of", got)
	}
}
