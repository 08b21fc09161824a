package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/status"
	"auditbridge/journal"

	"golang.org/x/sys/unix"
)

// kernelAudit is what losses asks the kernel and its socket.
type kernelAudit interface {
	Status() (auditbridge.Status, error)
	Rules() (int, error)
	Stats() auditbridge.KernelStats
	Unheard(now time.Time) (auditbridge.Unheard, error)
	LostResets() []auditbridge.LostReset
}

// dispatched is what losses asks a source that hears auditd and not the kernel.
type dispatched interface {
	Unheard(now time.Time) (auditbridge.Unheard, error)
}

// listener is what losses asks a source that is not the kernel's owner, too.
type listener interface {
	Audited() error
}

// losses counts what went missing before it reached us, and puts it on record,
// where the journal counts it as a gap.
type losses struct {
	kernel   kernelAudit          // nil when records do not come from the kernel
	listener listener             // the same, when it is not the kernel's owner; nil else
	auditd   dispatched           // the source, when it hears auditd; nil else
	before   func() journal.Ended // how the process before this one ended
	note     func(auditbridge.Note)
	keep     func(counter int64) error // for an heir: up to there losses are on record; nil for nobody
	log      *slog.Logger

	lost   atomic.Uint64 // records, by the kernel's own count, since we began
	resets atomic.Uint64 // of that count, by others
	view   atomic.Pointer[kernelView]

	unheard atomic.Pointer[auditbridge.Unheard] // as last asked
	away    atomic.Pointer[status.Away]         // nil: nothing that passed while nobody heard is missing
	barred  error                               // why the kernel may not be asked; set once, before we run

	looking  sync.Mutex  // one look at a time; guards what follows
	counter  lostCounter // the kernel's
	kept     int64       // what of it an heir finds
	began    time.Time
	heard    auditbridge.KernelStats
	rules    int       // -1 when not known
	rulesAt  time.Time // when they were counted
	dumb     bool      // the last question was not answered
	deaf     bool      // the socket did not say what it dropped
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

// resume goes on where a run before this one stopped: what the kernel lost since is
// ours, too. The kernel is not asked: that may take while its queue is full.
func (l *losses) resume(counter int64) {
	l.unheard.Store(&auditbridge.Unheard{})
	l.counter.last, l.heard, l.rules = counter, l.kernel.Stats(), -1
	l.view.Store(&kernelView{answered: time.Now()})
}

// begin notes what the kernel has lost by now: that was not ours.
func (l *losses) begin() error {
	l.unheard.Store(&auditbridge.Unheard{})
	if l.kernel == nil {
		return nil
	}
	s, err := l.kernel.Status()
	var notRoot auditbridge.NotRootError
	if l.listener != nil && errors.As(err, &notRoot) {
		l.barred = err
		l.log.Warn("the kernel may not be asked what it lost, nor whether audit is on", "err", err)
		l.view.Store(&kernelView{})
		return nil
	}
	if err != nil {
		return err
	}
	l.counter.last, l.began = int64(s.Lost), time.Now()
	l.heard, l.rules = l.kernel.Stats(), -1
	l.view.Store(&kernelView{answered: time.Now()})
	return nil
}

// Run takes a look every second until ctx ends.
func (l *losses) Run(ctx context.Context) error {
	if l.kernel == nil && l.auditd == nil {
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
	if l.kernel == nil && l.auditd == nil {
		return
	}
	l.look()
	l.looking.Lock()
	defer l.looking.Unlock()
	if l.finished {
		return
	}
	l.finished = true
	l.leave()
	if l.kernel == nil {
		return
	}
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
	if l.auditd != nil {
		l.lookAtUnheard(l.auditd)
		return
	}
	l.leave()
	l.lookAtSocket()
	l.lookAtUnheard(l.kernel)
	if l.barred != nil {
		return
	}
	l.takeResets() // before the counter is read: after it, a reset would seem to be of what was read
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
	l.lookAtCounter(s)
	l.countRules()
	l.view.Store(&kernelView{owner: liveOwner(s.PID), answered: time.Now(), Kernel: &status.Kernel{
		Ours: s.PID == os.Getpid(), Enabled: s.Enabled, Failure: s.Failure,
		Backlog: s.Backlog, BacklogLimit: s.BacklogLimit, RateLimit: s.RateLimit, Rules: l.rules,
	}})
}

// leave tells an heir what was noted at the last look, and is in the journal by now:
// if we die in between, it notes that loss again rather than never.
func (l *losses) leave() {
	if l.keep == nil || l.kept == l.counter.last {
		return
	}
	if err := l.keep(l.counter.last); err != nil {
		l.log.Warn("an heir would count some of the kernel's losses twice", "err", err)
		return
	}
	l.kept = l.counter.last
}

// takeResets puts on record who reset the kernel's counter: it belongs to everybody.
func (l *losses) takeResets() {
	for _, r := range l.kernel.LostResets() {
		if r.ID.Time().Before(l.began) {
			continue // it came late; begin has read the counter since
		}
		l.counter.reset(r.Old)
		l.noteReset(r.Old, r.Actor, auditbridge.Number("serial", r.ID.Serial))
	}
}

// lookAtCounter puts on record what the kernel counted since the last look.
func (l *losses) lookAtCounter(s auditbridge.Status) {
	lost, unexplained := l.counter.read(uint64(s.Lost), s.Enabled != 0, time.Now())
	if unexplained {
		l.noteReset(l.counter.before, nobody)
	}
	if lost > 0 {
		l.lost.Add(lost)
		l.noteLoss("kernel-lost", lost)
	}
}

// noteReset names who did it as far as the kernel does: by login uid and session;
// its own record, which has that serial, may have a process beside it.
func (l *losses) noteReset(old uint64, by auditbridge.Actor, more ...auditbridge.Field) {
	l.resets.Add(1)
	n := auditbridge.OwnNote(auditbridge.TypeDaemonErr, "kernel-lost-reset", append([]auditbridge.Field{auditbridge.Number("old", old)}, more...)...)
	n.Actor = by
	l.note(n)
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

// lookAtUnheard puts on record what did not come since the last look.
func (l *losses) lookAtUnheard(by dispatched) {
	was := l.unheard.Load()
	now, err := by.Unheard(time.Now())
	if err != nil && !l.deaf {
		l.log.Warn("what the socket dropped is not known", "err", err)
	}
	l.deaf = err != nil
	l.unheard.Store(&now)
	if late := now.Late - was.Late; late > 0 {
		l.note(auditbridge.OwnNote(auditbridge.TypeDaemonErr, "serials-late", auditbridge.Number("n", late)))
	}
	between := *was
	between.Missing += now.Away.Missing
	if now.Away.Missing > 0 {
		away := l.wasAway(&now)
		l.away.Store(&away)
		l.noteUnheard(was, &between, now.Away, auditbridge.Moment("since", away.Since), auditbridge.Moment("until", away.Until), auditbridge.Text("after", away.After))
	}
	l.noteUnheard(&between, &now, now.New)
}

// noteUnheard puts on record what did not come between was and now.
func (l *losses) noteUnheard(was, now *auditbridge.Unheard, holes auditbridge.Holes, more ...auditbridge.Field) {
	dropped, missing := now.Dropped-was.Dropped, now.Missing-was.Missing
	if dropped+missing == 0 {
		return
	}
	fields := []auditbridge.Field{auditbridge.Number("missing", missing)}
	if missing > 0 {
		fields = append(fields, auditbridge.Number("first-serial", holes.First), auditbridge.Number("last-serial", holes.Last))
		fields = append(fields, more...)
	}
	if l.listener == nil {
		l.note(auditbridge.OwnFailure("serials-missing", fields...))
		return
	}
	// What is missing is known some seconds after what was dropped, and may be the
	// same: this says by how much it widens the range that all of it together is in.
	leastNow, mostNow := lossRange(now.Dropped, now.Missing)
	least, most := lossRange(was.Dropped, was.Missing)
	l.note(auditbridge.OwnFailure("multicast-lost", append([]auditbridge.Field{
		auditbridge.Number("n", leastNow-least), auditbridge.Number("at-most", mostNow-most), auditbridge.Number("dropped", dropped),
	}, fields...)...))
}

// lossRange is how many records are lost when so many were counted and so many
// serials are missing: whether these are the same records cannot be told.
func lossRange(counted, missing uint64) (least, most uint64) {
	return max(counted, missing), counted + missing
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
	u := l.unheard.Load()
	if u == nil {
		return
	}
	s.KernelLost, s.KernelLostAtMost = lossRange(l.lost.Load(), u.Missing-u.Late)
	s.KernelLostResets, s.Away = l.resets.Load(), l.away.Load()
	if l.kernel != nil {
		heard := l.kernel.Stats()
		s.Overruns, s.Foreign, s.Malformed, s.Truncated = heard.Overruns, heard.Foreign, heard.Malformed, heard.Truncated
	}
	if l.listener != nil {
		l.fillListener(s, u)
	}
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

// fillListener says what a listener missed. What the kernel counted may have been
// lost to its owner alone.
func (l *losses) fillListener(s *status.Status, u *auditbridge.Unheard) {
	least, most := lossRange(u.Dropped, u.Missing-u.Late)
	s.KernelLost, s.KernelLostAtMost = least, most+l.lost.Load()
	s.Multicast = &status.Multicast{Dropped: u.Dropped, Missing: u.Missing}
	if err := l.listener.Audited(); err != nil {
		s.Audited = err.Error()
	}
	if l.barred != nil {
		s.Barred = l.barred.Error()
	}
}

// liveOwner is the owner the kernel names, if it lives: the kernel goes on naming a
// dead one until it next tries to deliver to it.
func liveOwner(pid int) int {
	if pid != 0 && unix.Kill(pid, 0) == unix.ESRCH {
		return 0
	}
	return pid
}
