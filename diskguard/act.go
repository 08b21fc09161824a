package diskguard

import (
	"context"
	"errors"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

func (g *Guard) enforced() bool { return g.cfg.Enforce != Report }

// act carries out what is due when level begins. Every action but Ignore is on
// record first, and said to syslog.
func (g *Guard) act(ctx context.Context, action Action, level Level) {
	if action == Ignore || g.last.action != "" {
		return
	}
	g.journal.Note(g.actionNote(action, level))
	if g.enforced() && (action == Single || action == Halt) {
		action = g.begin(action, level)
	}
	if err := g.cfg.Alert(g.alert(action, level)); err != nil {
		g.log.Error("the alert did not reach syslog", "error", err)
	}
	switch {
	case !g.enforced():
	case g.last.action != "":
		g.end(ctx)
	case action == Suspend:
		g.suspend(ctx, level)
	case action.elsewhere():
		g.order(action, level)
	}
}

// actionNote is the record of an action that is about to be carried out, or
// would be.
func (g *Guard) actionNote(action Action, level Level) auditbridge.Note {
	n := auditbridge.OwnNote(auditbridge.TypeDaemonErr, "space-action",
		auditbridge.Text("why", string(level)), auditbridge.Text("action", string(action)))
	if action != Syslog && !g.enforced() {
		n.Fields = append(n.Fields, auditbridge.Text("enforce", string(Report)))
	}
	return n
}

// failed puts on record that an action was not carried out.
func (g *Guard) failed(action Action, level Level, err error) {
	g.log.Error("an action failed", "action", action, "level", level, "error", err)
	g.journal.Note(auditbridge.OwnFailure("space-action",
		auditbridge.Text("why", string(level)), auditbridge.Text("action", string(action)), auditbridge.Text("reason", brief(err))))
}

// brief bounds what a record repeats of an error.
func brief(err error) string {
	const most = 300
	text := err.Error()
	return text[:min(len(text), most)]
}

// alert is what syslog is told: the level's code first, by which docs/operations.md
// explains it.
func (g *Guard) alert(action Action, level Level) string {
	text := string(level) + ": " + alerts[level]
	if cause := g.Space().Cause; cause != "" {
		text += " (" + string(cause) + ")"
	}
	what := does[action]
	if path, runs := action.Program(); runs {
		what = "run " + path
	}
	switch {
	case action == Syslog:
		return text
	case !g.enforced():
		return text + "; would " + what + ", but enforce = \"report\""
	}
	return text + "; will " + what
}

var alerts = map[Level]string{
	LevelSpaceLeft:      "the audit journal is running out of space",
	LevelAdminSpaceLeft: "the audit journal is almost out of space",
	LevelFull:           "audit records are being lost: the journal's disk is full",
	LevelError:          "audit records are being lost: the journal's disk fails",
}

var does = map[Action]string{
	Banner:  "tell every operator",
	Email:   "send a mail",
	Rotate:  "drop the oldest records",
	Suspend: "suspend recording until there is room or `auditbridge resume`",
	Single:  "put this host into single-user mode",
	Halt:    "power this host off",
	NoLogin: "let nobody but root log in",
}

// suspend stops recording while there is room. Where there is none the journal
// has stopped by itself, and goes on by itself.
func (g *Guard) suspend(ctx context.Context, level Level) {
	if g.journal.Stats().State != journal.StateOK {
		return
	}
	if err := g.journal.Suspend(ctx); err != nil {
		g.failed(Suspend, level, err)
		return
	}
	g.suspended = level
}

// resume ends what suspend began once the level that asked for it is over.
func (g *Guard) resume(ctx context.Context, now Level) {
	if g.suspended == "" || place(now) >= place(g.suspended) {
		return
	}
	g.suspended = ""
	if err := g.journal.Resume(ctx); err != nil {
		g.log.Error("recording is not resumed", "error", err)
	}
}

// rotate drops the oldest closed segment until the level is over; that there is
// none to drop is said once.
func (g *Guard) rotate(ctx context.Context, level Level) {
	if g.cfg.Rotate == nil {
		return
	}
	dropped, err := g.cfg.Rotate(ctx)
	if err == nil && !dropped {
		err = errNothingToDrop
	}
	switch {
	case err == nil:
		g.stuck = false
		g.Changed() // whether that was enough is seen at once
		if level == LevelFull {
			if err := g.journal.Resume(ctx); err != nil {
				g.log.Info("there is still no room", "error", err)
			}
		}
	case !g.stuck && ctx.Err() == nil:
		g.stuck = true
		g.failed(Rotate, level, err)
	}
}

var errNothingToDrop = errors.New("there is no closed segment that may go")
