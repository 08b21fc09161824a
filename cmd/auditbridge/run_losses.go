package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/status"
)

// kernelAudit is what losses asks the kernel and its socket.
type kernelAudit interface {
	Status() (auditbridge.Status, error)
	Rules() (int, error)
	Stats() auditbridge.KernelStats
}

// losses counts what went missing before it reached us, and puts it on record,
// where the journal counts it as a gap.
type losses struct {
	kernel kernelAudit // nil when records do not come from the kernel
	note   func(auditbridge.Note)
	log    *slog.Logger

	lost atomic.Uint64 // records, by the kernel's own count, since we began
	view atomic.Pointer[kernelView]

	looking  sync.Mutex // one look at a time; guards what follows
	counter  uint64     // the kernel's, as last seen
	heard    auditbridge.KernelStats
	rules    int       // -1 when not known
	rulesAt  time.Time // when they were counted
	dumb     bool      // the last question was not answered
	finished bool
}

// kernelView is what the kernel last said. It is not changed any more.
type kernelView struct {
	*status.Kernel           // nil until it has been ours
	owner          int       // of its audit socket
	answered       time.Time // zero after the last look
}

const (
	lossInterval  = time.Second      // how soon after a loss the record of it is in the journal
	rulesInterval = 10 * time.Second // counting the rules costs the kernel a message each
	kernelSilence = 3 * time.Second  // how long the kernel may not say what it lost
)

// begin notes what the kernel has lost by now: that was not ours.
func (l *losses) begin() error {
	if l.kernel == nil {
		return nil
	}
	s, err := l.kernel.Status()
	if err != nil {
		return err
	}
	l.counter, l.heard, l.rules = uint64(s.Lost), l.kernel.Stats(), -1
	l.view.Store(&kernelView{answered: time.Now()})
	return nil
}

// Run takes a look every second until ctx ends.
func (l *losses) Run(ctx context.Context) error {
	if l.kernel == nil {
		return nil
	}
	tick := time.NewTicker(lossInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.look()
		}
	}
}

// finish takes the last look, when the kernel has been given back. Nothing is
// noted after it.
func (l *losses) finish() {
	if l.kernel == nil {
		return
	}
	l.look()
	l.looking.Lock()
	defer l.looking.Unlock()
	l.finished = true
	last := *l.view.Load()
	last.answered = time.Time{}
	l.view.Store(&last)
}

// look turns what the kernel and its socket lost into records.
func (l *losses) look() {
	l.looking.Lock()
	defer l.looking.Unlock()
	if l.finished {
		return
	}
	l.lookAtSocket()
	s, err := l.kernel.Status()
	if err != nil {
		if !l.dumb {
			l.log.Warn("the kernel does not say what it lost; it is asked again every second", "err", err)
		}
		l.dumb = true
		return
	}
	if l.dumb {
		l.log.Info("the kernel says again what it lost")
		l.dumb = false
	}
	l.lookAtCounter(uint64(s.Lost))
	l.countRules()
	l.view.Store(&kernelView{owner: s.PID, answered: time.Now(), Kernel: &status.Kernel{
		Ours: s.PID == os.Getpid(), Enabled: s.Enabled, Failure: s.Failure,
		Backlog: s.Backlog, BacklogLimit: s.BacklogLimit, Rules: l.rules,
	}})
}

// lookAtCounter compares the kernel's counter. It belongs to everybody: when it
// falls, somebody reset it.
func (l *losses) lookAtCounter(now uint64) {
	was := l.counter
	l.counter = now
	switch {
	case now > was:
		l.lost.Add(now - was)
		l.noteLoss("kernel-lost", now-was)
	case now < was:
		l.note(auditbridge.OwnNote(auditbridge.TypeDaemonErr, "kernel-lost-reset", auditbridge.Number("old", was), auditbridge.Number("new", now)))
	}
}

func (l *losses) lookAtSocket() {
	stats := l.kernel.Stats()
	for _, c := range []struct {
		op       string
		now, was uint64
	}{
		{"socket-overrun", stats.Overruns, l.heard.Overruns},
		{"foreign-message", stats.Foreign, l.heard.Foreign},
		{"malformed-message", stats.Malformed, l.heard.Malformed},
		{"truncated-record", stats.Truncated, l.heard.Truncated},
	} {
		if c.now > c.was {
			l.noteLoss(c.op, c.now-c.was)
		}
	}
	l.heard = stats
}

func (l *losses) countRules() {
	if time.Since(l.rulesAt) < rulesInterval {
		return
	}
	l.rulesAt = time.Now()
	n, err := l.kernel.Rules()
	if err != nil {
		n = -1
	}
	l.rules = n
}

func (l *losses) noteLoss(op string, n uint64) {
	l.note(auditbridge.OwnFailure(op, auditbridge.Number("n", n)))
}

// fill says what the kernel last said, and since when it says nothing.
func (l *losses) fill(s *status.Status) {
	s.KernelLost, s.KernelLostAtMost = l.lost.Load(), l.lost.Load()
	v := l.view.Load()
	if v == nil {
		return
	}
	s.Kernel = v.Kernel
	if v.owner != 0 && v.owner != os.Getpid() {
		s.KernelPID, s.KernelOwner = v.owner, processName(v.owner)
	}
	if !v.answered.IsZero() && time.Since(v.answered) > kernelSilence {
		s.KernelSilentSince = v.answered
	}
}
