package watch

import (
	"context"
	"errors"
	"os"
	"time"

	"auditbridge/auditbridge"
)

// kernelWait is how long a look waits for the kernel. While its queue is full, it
// lets whoever asks wait for longer than that; then nobody is asked again before
// the answer is there.
const (
	kernelWait = 500 * time.Millisecond
	shortWait  = 100 * time.Millisecond // where run is what is wrong: nobody empties the queue
)

// kernelLook asks the kernel from a goroutine of its own, which may hang.
type kernelLook struct {
	questions chan question
	answers   chan kernelAnswer
	asked     bool // and not answered
}

type kernelAnswer struct {
	kernel Kernel
	said   time.Time // when it had taken the message; zero when there was none
}

type question struct {
	except int    // process whose exemptions do not count as rules
	say    string // a message to send through the kernel first; "" for none
}

// newKernelLook starts nothing; run does.
func newKernelLook() *kernelLook {
	return &kernelLook{questions: make(chan question, 1), answers: make(chan kernelAnswer, 1)}
}

// run answers until ctx ends.
func (l *kernelLook) run(ctx context.Context) error {
	var o *auditbridge.Observer
	defer func() {
		if o != nil {
			o.Close()
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case q := <-l.questions:
			k, said, err := inquire(&o, q)
			if err != nil && o != nil {
				o.Close() // its answer may come yet, and be taken for another one's
				o = nil
			}
			l.answers <- kernelAnswer{k, said}
		}
	}
}

// look asks, unless an answer is still to come, which is then waited for. said is
// when the message was on its way that was sent with the question; zero when none is.
func (l *kernelLook) look(q question, wait time.Duration) (k Kernel, said time.Time) {
	if !l.asked {
		l.questions <- q
		l.asked = true
	}
	a, came := comes(l.answers, wait)
	if !came {
		return Kernel{Silent: "no answer within " + wait.String()}, time.Time{}
	}
	l.asked = false
	return a.kernel, a.said
}

func inquire(at **auditbridge.Observer, q question) (k Kernel, said time.Time, err error) {
	defer func() {
		var none auditbridge.NoAuditError
		switch {
		case errors.As(err, &none):
			k = Kernel{Absent: true}
		case err != nil:
			k = Kernel{Silent: err.Error()}
		}
	}()
	if *at == nil {
		if *at, err = auditbridge.OpenObserver(); err != nil {
			return k, said, err
		}
	}
	o := *at
	if q.say != "" {
		if err := o.Say(q.say); err != nil {
			return k, said, err
		}
		said = time.Now()
	}
	s, err := o.Status()
	if err != nil {
		return k, said, err
	}
	features, err := o.Features()
	if err != nil {
		return k, said, err
	}
	rules, print, err := o.RulesBeside(q.except)
	if err != nil {
		rules = -1
	}
	k = Kernel{
		Enabled: s.Enabled, Failure: s.Failure, Rate: s.RateLimit, Backlog: s.BacklogLimit, Wait: s.BacklogWaitTime, Lost: s.Lost,
		Features: features, Rules: rules, Print: print, Owner: Owner{PID: s.PID},
	}
	if s.PID != 0 {
		p := theProcess(s.PID)
		k.Owner.Dead, k.Owner.Stopped, k.Owner.Name = dead(s.PID), p.life() == Stopped, nameOf(s.PID)
		k.Owner.Started, k.Owner.Program = p.started, programOf(s.PID)
	}
	return k, said, nil
}

// answers says that it has said how it is set.
func (k *Kernel) answers() bool { return k.Silent == "" && !k.Absent }

// otherwise says that the way of a record may have become another one.
func (k *Kernel) otherwise(before *Kernel) bool {
	return k.Enabled != before.Enabled || k.Rate != before.Rate || k.Owner.PID != before.Owner.PID || k.Rules != before.Rules || k.Print != before.Print
}

// booted is how long the host has been up; a long time when that is not known.
func booted() time.Duration {
	text, err := os.ReadFile("/proc/uptime")
	if err != nil {
		return time.Hour
	}
	seconds := 0
	for _, c := range text {
		if c < '0' || c > '9' {
			break
		}
		seconds = seconds*10 + int(c-'0')
	}
	return time.Duration(seconds) * time.Second
}
