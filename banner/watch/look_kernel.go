package watch

import (
	"context"
	"errors"
	"os"
	"time"

	"auditbridge/auditbridge"
)

// kernelTime is how long a look waits for the kernel. While its queue is full, it
// lets whoever asks wait for longer than that; then nobody is asked again before
// the answer is there.
const (
	kernelTime = 500 * time.Millisecond
	shortTime  = 100 * time.Millisecond // where run is what is wrong: nobody empties the queue
)

// kernelLook asks the kernel from a goroutine of its own, which may hang.
type kernelLook struct {
	questions chan question
	answers   chan Kernel
	asked     bool // and not answered
}

type question struct {
	except int    // process whose exemptions do not count as rules
	say    string // a message to send through the kernel first; "" for none
}

// newKernelLook starts nothing; run does.
func newKernelLook() *kernelLook {
	return &kernelLook{questions: make(chan question, 1), answers: make(chan Kernel, 1)}
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
			k, err := ask(&o, q)
			if err != nil && o != nil {
				o.Close() // its answer may come yet, and be taken for another one's
				o = nil
			}
			l.answers <- k
		}
	}
}

// look asks, unless an answer is still to come. said tells that the message is on
// its way.
func (l *kernelLook) look(q question, wait time.Duration) (k Kernel, said bool) {
	if !l.asked {
		l.questions <- q
		l.asked, said = true, true
	}
	select {
	case k = <-l.answers:
		l.asked = false
		return k, said
	case <-time.After(wait):
		return Kernel{Silent: "no answer within " + wait.String()}, said
	}
}

func ask(at **auditbridge.Observer, q question) (k Kernel, err error) {
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
			return k, err
		}
	}
	o := *at
	if q.say != "" {
		if err := o.Say(q.say); err != nil {
			return k, err
		}
	}
	s, err := o.Status()
	if err != nil {
		return k, err
	}
	features, err := o.Features()
	if err != nil {
		return k, err
	}
	rules, err := o.RulesBeside(q.except)
	if err != nil {
		rules = -1
	}
	k = Kernel{
		Enabled: s.Enabled, Failure: s.Failure, Rate: s.RateLimit, Backlog: s.BacklogLimit, Wait: s.BacklogWaitTime, Lost: s.Lost,
		Features: features, Rules: rules, Owner: Owner{PID: s.PID},
	}
	if s.PID != 0 {
		k.Owner.Dead, k.Owner.Name = dead(s.PID), nameOf(s.PID)
	}
	return k, nil
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
