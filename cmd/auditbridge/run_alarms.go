package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/alarm"
	"auditbridge/internal/durable"
	"auditbridge/internal/status"
)

// alarms raises and clears them by what status judges, on record. What is raised
// is kept in state-dir, so that what another process raised is cleared, too.
type alarms struct {
	stateDir string
	look     func() *status.Status // judged
	note     func(auditbridge.Note)
	seal     func(context.Context) error // makes what is noted durable, in the reserve if need be
	log      *slog.Logger

	before *status.Status // of the last look; Run's

	mu  sync.Mutex
	set alarm.Set
}

const (
	alarmsFile = "alarms.json"
	alarmPause = time.Second // between two looks
)

// begin takes the first look. It comes before anything is heard: what is lost or
// dropped before the second is news, too.
func (a *alarms) begin() { a.before = a.look() }

// Run takes up what is raised, and looks until ctx ends.
func (a *alarms) Run(ctx context.Context) error {
	a.resume()
	tick := time.NewTicker(alarmPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			now := a.look()
			if a.update(now.Time, status.Conditions(now, a.before)) && now.Recording != status.RecordingOK {
				a.sealNow(ctx) // or nobody would hear of it before recording goes on
			}
			a.before = now
		}
	}
}

// sealWait bounds the wait for a disk that hangs.
const sealWait = 5 * time.Second

func (a *alarms) sealNow(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, sealWait)
	defer cancel()
	if err := a.seal(limited); err != nil {
		a.log.Warn("an alarm is not on record yet", "error", err)
	}
}

// update reports whether anything was raised or cleared.
func (a *alarms) update(now time.Time, holds []alarm.Condition) bool {
	a.mu.Lock()
	changes := a.set.Update(now, holds)
	raised := a.set.Active()
	a.mu.Unlock()
	for _, c := range changes {
		a.note(alarmNote(c))
		if c.Raised {
			a.log.Error("alarm raised", "alarm", c.ID, "of", c.Object, "title", alarm.Lookup(c.ID).Title)
		} else {
			a.log.Info("alarm cleared", "alarm", c.ID, "of", c.Object)
		}
	}
	if len(changes) > 0 {
		a.keep(raised)
	}
	return len(changes) > 0
}

// alarmNote is the record of an alarm. Its severity there is that of its kind; what is
// raised says to whoever gets it, and has nothing but it, what that means and what to do.
func alarmNote(c alarm.Change) auditbridge.Note {
	n := auditbridge.OwnNote(auditbridge.TypeDaemonResume, "alarm-cleared")
	if c.Raised {
		n = auditbridge.OwnFailure("alarm-raised")
	}
	n.Fields = append(n.Fields, auditbridge.Text("alarm", c.ID), auditbridge.Number("number", c.Number))
	if c.Object != "" {
		n.Fields = append(n.Fields, auditbridge.Text("of", brief(c.Object)))
	}
	if kind := alarm.Lookup(c.ID); kind != nil { // an older process may have known others
		if c.Raised {
			n.Fields = append(n.Fields, auditbridge.Text("severity", kind.Severity))
		}
		n.Fields = append(n.Fields, auditbridge.Text("title", kind.Title))
		if c.Raised {
			n.Fields = append(n.Fields, auditbridge.Text("description", kind.Description), auditbridge.Text("remedy", kind.Remedy))
		}
	}
	return n
}

// active lists what is raised, for status.
func (a *alarms) active() []status.Alarm {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := []status.Alarm{}
	for _, r := range a.set.Active() {
		s := status.Alarm{ID: r.ID, Object: r.Object, Number: r.Number, Since: r.Since}
		if kind := alarm.Lookup(r.ID); kind != nil {
			s.Severity, s.Title, s.Description, s.Remedy = kind.Severity, kind.Title, kind.Description, kind.Remedy
		}
		all = append(all, s)
	}
	return all
}

func (a *alarms) resume() {
	var raised []alarm.Active
	if err := durable.Left(a.stateDir, alarmsFile, mostState, &raised); err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.log.Warn("which alarms were raised before is not known", "error", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set.Resume(raised)
}

func (a *alarms) keep(raised []alarm.Active) {
	if err := durable.Leave(a.stateDir, 0, alarmsFile, raised); err != nil {
		a.log.Warn("which alarms are raised is not kept for the next start", "error", err)
	}
}
