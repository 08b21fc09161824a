package auditbridge

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/internal/audittest"
)

// Whoever asks for the status while the kernel's queue is full waits in line with
// the processes that are held back, and the kernel wakes one of the line per turn.
// If that is us, and everybody else sleeps, nothing makes it turn again: they
// would sleep for the whole of backlog_wait_time, a minute.
func TestAskingForTheStatusLeavesNobodyAsleep(t *testing.T) {
	audit := audittest.Kernel(t)
	audit.Set("--backlog_wait_time", "15000")
	audit.Set("-b", "64") // full at once
	c := startCapture(t, KernelConfig{BacklogLimit: 64})
	var stop atomic.Bool
	var asking sync.WaitGroup
	asking.Go(func() {
		for !stop.Load() {
			if _, err := c.Status(); err != nil {
				t.Error(err)
			}
		}
	})
	generator := audit.StartGenerate(100000, 0, "asleep")
	ended := make(chan struct{})
	go func() { generator.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(40 * time.Second):
		t.Error("a process still sleeps, with the kernel's queue empty")
		<-ended
	}
	stop.Store(true)
	asking.Wait()
	c.end()
	if n := stored(c.text(), "asleep"); n != 100000 {
		t.Errorf("%d of 100000 events stored", n)
	}
}
