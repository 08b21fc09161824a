package diskguard

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// FailureConfig says what is done when recording has failed and nobody brings it
// back. It is the watch that knows.
type FailureConfig struct {
	Action       Action        // Banner (no more than operators are told anyway), NoLogin, Single or Halt
	Wait         time.Duration // how long recording may be brought back
	RescueAction Action        // as Config's
	Enforce      Enforce
}

// FailureActions are those that FailureConfig may have.
var FailureActions = []Action{Banner, NoLogin, Single, Halt}

// Validate returns what is wrong.
func (c *FailureConfig) Validate() error {
	if !slices.Contains(FailureActions, c.Action) {
		return fmt.Errorf("audit-failure-action: %q is none of: %s", c.Action, words(FailureActions))
	}
	return nil
}

// Failure acts once when recording has failed for too long. One goroutine owns it.
type Failure struct {
	cfg    FailureConfig
	means  Means
	memory *memory

	acted  bool
	ending Action // what is under way; "" when nothing ends
	tried  time.Time
	said   string // of what was decided last, to whoever is there
	open   bool   // nobody is kept from logging in by us
}

// failureMemory is not run's file: each has one writer.
const failureMemory = "halted-by-watch"

// NewFailure starts nothing. Of means it needs StateDir, Tell, Command, Halter,
// Rescuer, NoLogin and Logger.
func NewFailure(cfg FailureConfig, means Means) *Failure {
	means.setDefaults()
	return &Failure{cfg: cfg, means: means, memory: openMemory(means.StateDir, failureMemory, means.Logger)}
}

// Reconfigure goes by another cfg from the next look on.
func (f *Failure) Reconfigure(cfg FailureConfig) { f.cfg = cfg }

// Close gives back what NewFailure opened.
func (f *Failure) Close() error { return f.memory.close() }

// See takes a look: since when recording has failed, and why; the zero time when it
// works.
func (f *Failure) See(ctx context.Context, now, since time.Time, why string) {
	works := since.IsZero()
	if err := f.memory.see(works, now); err != nil {
		f.means.Logger.Warn("that this host was halted is not forgotten: its next halt is withheld", "error", err)
	}
	switch {
	case works:
		f.recover()
	case now.Sub(since) < f.cfg.Wait:
	case !f.acted:
		f.acted = true
		f.begin(ctx, now, why)
	case f.ending != "" && now.Sub(f.tried) >= endRetry:
		f.end(ctx, now)
	}
}

// recover takes back what can be.
func (f *Failure) recover() {
	f.acted, f.ending = false, ""
	if f.open {
		return
	}
	if err := allowLogins(f.means.NoLogin, failureCode); err != nil {
		f.means.Logger.Error("nobody but root can log in", "error", err)
	}
	f.open = true
}

// failureCode begins what is said; docs/operations.md explains it by that.
const failureCode = said + "audit-failure: "

func (f *Failure) begin(ctx context.Context, now time.Time, why string) {
	action := f.cfg.Action
	if f.cfg.Enforce == Report && action != Banner {
		f.decide(now, action, why, "would "+does[action]+`, but enforce = "report"`, "")
		f.means.Tell(f.said + "\n")
		return
	}
	withheld := ""
	if action == Halt {
		if withheld = f.withhold(now); withheld != "" {
			action = (&Config{RescueAction: f.cfg.RescueAction}).rescueAction()
		}
	}
	if action == Banner {
		return
	}
	f.decide(now, action, why, "will "+does[action], withheld)
	if action == Suspend {
		return // nothing is recorded as it is
	}
	f.ending = action
	if action != Halt {
		f.said += "\nAs root: auditbridge check; journalctl -u auditbridge; systemctl restart auditbridge."
	}
	f.means.Tell(f.said + "\n")
	f.end(ctx, now)
}

// decide says, and puts on record, what is going to be done. It is on record before
// it is done: whoever finds the host down finds why.
func (f *Failure) decide(now time.Time, action Action, why, what, withheld string) {
	reason := fmt.Sprintf("nobody has brought auditing back for %s (%s); %s", f.cfg.Wait, why, what)
	f.said = failureCode + reason
	if withheld != "" {
		reason += "; " + withheld
		f.said += "\n" + withheld + "."
	}
	f.means.Logger.Error("recording is not brought back", "why", why, "action", action, "reason", reason)
	if f.means.Decided != nil {
		f.means.Decided(now, action, why, reason)
	}
}

// withhold is why this host is not halted, by a code of docs/operations.md; "" when
// it may be.
func (f *Failure) withhold(now time.Time) string {
	if f.memory.repeats() {
		return "still-failing: it was halted for this before, and is not halted again"
	}
	if err := f.memory.remember("audit-failure", now); err != nil {
		f.means.Logger.Error("the host is not halted: it could not be known at the next start that it was", "error", err)
		return "not-remembered: a halt could not be known of at the next start, so there is none"
	}
	return ""
}

func (f *Failure) end(ctx context.Context, now time.Time) {
	f.tried = now
	var err error
	switch f.ending {
	case Halt:
		err = f.means.Halter(ctx)
	case Single:
		err = f.means.Rescuer(ctx)
	case NoLogin:
		f.open = false
		err = forbidLogins(f.means.NoLogin, f.said+"\n")
	}
	if err != nil {
		f.means.Logger.Error("an end of this host has failed; trying again", "action", f.ending, "error", err)
		return
	}
	if f.ending == Halt {
		f.tried = now.Add(endPatience)
	} else {
		f.ending = "" // single-user mode asked for anew would stop what root has begun there
	}
}
