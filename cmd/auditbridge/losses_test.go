package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/status"
)

// toldKernel is a kernel that says what it is told to say.
type toldKernel struct {
	mu      sync.Mutex
	status  auditbridge.Status
	unheard auditbridge.Unheard
	err     error
	asked   int
}

func (k *toldKernel) Status() (auditbridge.Status, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	return k.status, k.err
}
func (k *toldKernel) Unheard(time.Time) (auditbridge.Unheard, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unheard, nil
}
func (k *toldKernel) Rules() (int, error)            { return 4, nil }
func (k *toldKernel) Stats() auditbridge.KernelStats { return auditbridge.KernelStats{} }

// tell changes what it says from now on.
func (k *toldKernel) tell(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

// TestLossesAndTheKernelsSilence: each loss is on record, the last second's too;
// while the kernel does not answer, status says since when losses are unknown.
func TestLossesAndTheKernelsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := &toldKernel{status: auditbridge.Status{Lost: 100, PID: os.Getpid(), Enabled: 1}}
		var notes []string
		note := func(n auditbridge.Note) { notes = append(notes, n.Op+" "+n.Fields[len(n.Fields)-1].Value) }
		l := &losses{kernel: kernel, note: note, log: slog.New(slog.DiscardHandler)}
		if err := l.begin(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		facts := func() (s status.Status) {
			synctest.Wait()
			var before, after int
			kernel.tell(func() { before = kernel.asked })
			l.fill(&s)
			kernel.tell(func() { after = kernel.asked })
			if after != before {
				t.Error("status asks the kernel itself")
			}
			return s
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()

		kernel.tell(func() { kernel.status.Lost = 103 })
		time.Sleep(lossInterval + time.Millisecond)
		if s := facts(); s.KernelLost != 3 || s.Kernel == nil || !s.Ours || s.Enabled != 1 || s.Rules != 4 {
			t.Errorf("after a loss: %+v %+v", s, s.Kernel)
		}
		kernel.tell(func() { kernel.err = errors.New("no reply received") })
		time.Sleep(kernelSilence - lossInterval)
		if s := facts(); !s.KernelSilentSince.IsZero() {
			t.Errorf("silence is told at once, since %v", s.KernelSilentSince)
		}
		time.Sleep(2 * lossInterval)
		if s := facts(); !s.KernelSilentSince.Equal(began.Add(lossInterval)) {
			t.Errorf("silent since %v, want %v", s.KernelSilentSince, began.Add(lossInterval))
		}
		kernel.tell(func() { kernel.err, kernel.status.Enabled = nil, 0 })
		time.Sleep(lossInterval)
		if s := facts(); !s.KernelSilentSince.IsZero() || s.Enabled != 0 {
			t.Errorf("it answers again: %+v %+v", s, s.Kernel)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		kernel.status.Lost, kernel.status.PID = 110, 0
		kernel.unheard = auditbridge.Unheard{Missing: 12, New: auditbridge.Holes{Missing: 12, First: 7, Last: 30}}
		l.finish()
		time.Sleep(time.Minute)
		if s := facts(); s.KernelLost != 12 || s.KernelLostAtMost != 22 || !s.KernelSilentSince.IsZero() {
			t.Errorf("after the end: %+v", s)
		}
		if got := strings.Join(notes, ", "); got != "kernel-lost 3, serials-missing 30, kernel-lost 7" {
			t.Errorf("on record: %s", got)
		}
	})
}
