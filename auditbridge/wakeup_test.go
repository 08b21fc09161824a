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
// would sleep for the whole of backlog_wait_time, a minute. How long the events
// take altogether is the machine's affair; that they stop coming is ours.
func TestAskingForTheStatusLeavesNobodyAsleep(t *testing.T) {
	const asleep = 25 * time.Second // far from a minute, and from what a busy machine takes for one event
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
	generator := audit.StartGenerate(20000, 0, "asleep")
	ended := make(chan struct{})
	go func() { generator.Wait(); close(ended) }()
	for received, running := -1, true; running; {
		select {
		case <-ended:
			running = false
		case <-time.After(asleep):
			n := stored(c.text(), "asleep") // not ours: asking makes records, too
			if n == received {
				t.Errorf("nothing came for %v while a process still has events to make: it sleeps", asleep)
				<-ended
				running = false
			}
			received = n
		}
	}
	stop.Store(true)
	asking.Wait()
	c.end()
	if n := stored(c.text(), "asleep"); n != 20000 {
		t.Errorf("%d of 20000 events stored", n)
	}
}
