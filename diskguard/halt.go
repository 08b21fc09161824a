package diskguard

import (
	"context"
	"errors"
	"time"

	"auditbridge/auditbridge"
)

// last is the action that ends what the host does. Once it is under way no other
// follows; while it fails it is tried again.
type last struct {
	action Action // what is done: RescueAction instead of a halt that would follow on another
	level  Level
	done   bool
	tried  time.Time
	failed bool // and that is on record
}

const (
	// sealLimit bounds the wait for the last records: a disk that hangs must not
	// keep a host without audit running.
	sealLimit = 5 * time.Second
	// pushLimit bounds the wait for remote servers to have them.
	pushLimit = 5 * time.Second
	// endRetry is when an end that failed is tried again; endPatience is when one
	// is that was accepted and has not come.
	endRetry    = 3 * time.Second
	endPatience = 3 * time.Minute
)

// seal writes what was noted into the reserve, signed and durable.
func (g *Guard) seal(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, sealLimit)
	defer cancel()
	if err := g.journal.Checkpoint(limited); err != nil {
		g.log.Error("there is no checkpoint", "error", err)
	}
}

// end writes the last records, signs them, lets remote servers have them, tells
// whoever is there, and takes the last step. If we die in between, the journal
// says that it was under way, and the next process finds the level anew.
func (g *Guard) end(ctx context.Context) {
	first := g.last.tried.IsZero()
	g.last.tried = time.Now()
	if first {
		g.noteEnd()
		g.seal(ctx)
		limited, cancel := context.WithTimeout(ctx, pushLimit)
		if err := g.cfg.Push(limited); err != nil {
			g.log.Warn("going down before remote servers have it all", "error", err)
		}
		cancel()
		g.cfg.Tell(g.farewell())
	}
	if err := g.step(ctx); err != nil {
		g.log.Error("an end of this host has failed; trying again", "action", g.last.action, "level", g.last.level, "error", err)
		if !g.last.failed {
			g.failed(g.last.action, g.last.level, err)
		}
		g.last.failed = true
		return
	}
	g.last.done = true
}

func (g *Guard) step(ctx context.Context) error {
	switch g.last.action {
	case Halt:
		return g.cfg.Halter(ctx)
	case Single:
		return g.cfg.Rescuer(ctx)
	case NoLogin:
		return forbidLogins(g.cfg.NoLogin, g.farewell())
	}
	return nil // the journal drains and counts by itself
}

// begin decides what end it is going to be. A halt becomes RescueAction when it
// would begin a loop: the disk is as it was before the host was halted last, or
// nothing would be known of this halt at the next start.
func (g *Guard) begin(action Action, level Level) Action {
	g.last = last{action: action, level: level}
	why := ""
	if action != Halt {
		return action
	}
	if g.memory.repeats() {
		why = "still-full"
	} else if err := g.memory.remember(level, time.Now()); err != nil {
		g.log.Error("the host is not halted: it could not be known at the next start that it was", "error", err)
		why = "not-remembered"
	}
	if why == "" {
		return action
	}
	g.last.action = g.cfg.rescueAction()
	g.journal.Note(auditbridge.OwnFailure("halt-withheld", auditbridge.Text("why", why),
		auditbridge.Text("level", string(level)), auditbridge.Text("action", string(g.last.action))))
	return g.last.action
}

func (c *Config) rescueAction() Action {
	if c.RescueAction == "" {
		return Single
	}
	return c.RescueAction
}

// noteEnd puts an end on record; of what the journal does anyway there is one.
func (g *Guard) noteEnd() {
	fields := []auditbridge.Field{auditbridge.Text("why", string(g.last.level)), auditbridge.Text("action", string(g.last.action))}
	switch g.last.action {
	case Halt:
		g.journal.Note(auditbridge.OwnNote(auditbridge.TypeDaemonErr, "halt", fields...))
	case Single:
		g.journal.Note(auditbridge.OwnNote(auditbridge.TypeDaemonErr, "single-user", fields...))
	case NoLogin:
		g.journal.Note(auditbridge.OwnNote(auditbridge.TypeDaemonErr, "nologin", fields...))
	}
}

// farewell is said at terminals and the console; docs/operations.md explains it by
// its code.
func (g *Guard) farewell() string {
	text := said + g.alert(g.last.action, g.last.level)
	if g.memory.repeats() {
		text += "\nstill-full: it was halted for this before, and is not halted again."
	}
	if g.last.action != Halt {
		text += "\nAs root, make room on the file system of " + g.cfg.Dir + " (df -h, df -i); recording goes on by itself."
	}
	return text + "\n"
}

// relent gives up an end once its level is over, unless the host is going down.
func (g *Guard) relent() {
	if g.last.done && (g.last.action == Halt || g.last.action == Single) {
		return
	}
	g.last = last{}
}

// reconsider gives up an end that has not come about and that the configuration does
// not ask for any more.
func (g *Guard) reconsider() {
	asked := g.cfg.ActionAt(g.last.level)
	if !g.last.done && (!g.enforced() || asked != Halt && asked != Single) {
		g.last = last{}
	}
}

// settle is for when recording works: the last halt is forgotten in time, and
// whoever was kept out, be it by a process before this, may log in.
func (g *Guard) settle(works bool, now time.Time) {
	if err := g.memory.see(works, now); err != nil {
		g.log.Warn("that this host was halted is not forgotten: its next halt is withheld", "error", err)
	}
	if !works {
		g.open = false
		return
	}
	if !g.open {
		if err := g.allowLogins(); err != nil {
			g.log.Error("nobody but root can log in", "error", err)
		}
		g.open = true
	}
}

func (g *Guard) allowLogins() error {
	return errors.Join(
		allowLogins(g.cfg.NoLogin, said+string(LevelFull)),
		allowLogins(g.cfg.NoLogin, said+string(LevelError)))
}
