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
	open   bool // nobody is kept from logging in by us
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
		f.end(ctx, now, why)
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
const failureCode = "auditbridge: audit-failure: "

func (f *Failure) begin(ctx context.Context, now time.Time, why string) {
	action := f.cfg.Action
	if f.cfg.Enforce == Report && action != Banner {
		f.means.Logger.Error("recording is not brought back", "why", why, "would", action)
		f.means.Tell(failureCode + fmt.Sprintf("nobody has brought auditing back for %s (%s); would %s, but enforce = \"report\"\n", f.cfg.Wait, why, does[action]))
		return
	}
	if action == Halt {
		action = f.rescueInstead(now)
	}
	f.means.Logger.Error("recording is not brought back", "why", why, "action", action)
	if action == Banner || action == Suspend {
		return
	}
	f.ending = action
	f.means.Tell(f.text(why))
	f.end(ctx, now, why)
}

// rescueInstead is Halt, or RescueAction when that would begin a loop.
func (f *Failure) rescueInstead(now time.Time) Action {
	rescue := (&Config{RescueAction: f.cfg.RescueAction}).rescueAction()
	if f.memory.repeats() {
		return rescue
	}
	if err := f.memory.remember("audit-failure", now); err != nil {
		f.means.Logger.Error("the host is not halted: it could not be known at the next start that it was", "error", err)
		return rescue
	}
	return Halt
}

func (f *Failure) end(ctx context.Context, now time.Time, why string) {
	f.tried = now
	var err error
	switch f.ending {
	case Halt:
		err = f.means.Halter(ctx)
	case Single:
		err = f.means.Rescuer(ctx)
	case NoLogin:
		f.open = false
		err = forbidLogins(f.means.NoLogin, f.text(why))
	}
	if err != nil {
		f.means.Logger.Error("an end of this host has failed; trying again", "action", f.ending, "error", err)
		return
	}
	if f.ending == NoLogin {
		f.ending = ""
	} else {
		f.tried = now.Add(endPatience)
	}
}

func (f *Failure) text(why string) string {
	text := failureCode + fmt.Sprintf("nobody has brought auditing back for %s (%s); will %s", f.cfg.Wait, why, does[f.ending])
	if f.memory.repeats() {
		text += "\nstill-failing: it was halted for this before, and is not halted again."
	}
	if f.ending != Halt {
		text += "\nAs root: auditbridge check; journalctl -u auditbridge; systemctl restart auditbridge."
	}
	return text + "\n"
}
