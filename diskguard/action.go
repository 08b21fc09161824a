package diskguard

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Action is what is done when a level begins. Its names and meanings are
// auditd's (auditd.conf(5)).
type Action string

const (
	Ignore  Action = "ignore"  // nothing; the level is on record and status shows it all the same
	Syslog  Action = "syslog"  // an alert to the host's syslog, as all below, too
	Banner  Action = "banner"  // every operator is told until the level is over; by the watch, as Email and programs are
	Email   Action = "email"   // a mail
	Rotate  Action = "rotate"  // the oldest closed segments go, on record, until there is room
	Suspend Action = "suspend" // recording stops: what arrives is drained and counted, until there is room or somebody resumes it
	Single  Action = "single"  // the host goes into single-user mode, as at Halt
	NoLogin Action = "nologin" // nobody but root may log in; recording is as at Suspend; RescueAction's alone
	Halt    Action = "halt"    // the host is powered off: FAU_STG.4 without loss of the records before
)

// actions are all there are, from the mildest to the last.
var actions = []Action{Ignore, Syslog, Banner, Email, program + "/path", Rotate, Suspend, Single, Halt}

// program goes before the path of one that is run: "exec:/path".
const program = "exec:"

// Program is the path of the program that the action runs, if it is one that does.
func (a Action) Program() (path string, runs bool) { return strings.CutPrefix(string(a), program) }

// elsewhere says that the watch carries the action out: run executes nothing.
func (a Action) elsewhere() bool {
	_, runs := a.Program()
	return runs || a == Email
}

const noMail = "mail is queued on a disk, and may find no room there either"

// refusals are auditd's, with the reason it has for them.
var refusals = map[Level]map[Action]string{
	LevelSpaceLeft: {Halt: "there is still room to record in; admin-space-left-action and disk-full-action may halt"},
	LevelFull:      {Email: noMail},
	LevelError:     {Email: noMail, Rotate: "dropping segments mends no disk"},
}

// RefusedError says why a level cannot have an action.
type RefusedError struct {
	Level  Level
	Action Action
	Why    string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%q is refused at %s: %s", e.Action, e.Level, e.Why)
}

// Hint lists what there is.
func (e *RefusedError) Hint() string { return "one of: " + words(ActionsAt(e.Level)) }

// ActionsAt lists the actions that a level may have.
func ActionsAt(level Level) []Action {
	return slices.DeleteFunc(slices.Clone(actions), func(a Action) bool { return refusals[level][a] != "" })
}

// ActionWords is ActionsAt as one line of text.
func ActionWords(level Level) string { return words(ActionsAt(level)) }

// CheckAction returns nil when level may have the action.
func CheckAction(level Level, a Action) error {
	if why := refusals[level][a]; why != "" {
		return &RefusedError{level, a, why}
	}
	if path, runs := a.Program(); runs && filepath.IsAbs(path) {
		return nil
	}
	if !slices.Contains(actions, a) {
		return fmt.Errorf("%q is none of: %s", a, words(ActionsAt(level)))
	}
	return nil
}

func words(all []Action) string {
	var b strings.Builder
	for i, a := range all {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(string(a))
	}
	return b.String()
}

// Enforce says whether actions are carried out.
type Enforce string

const (
	Act    Enforce = "act"
	Report Enforce = "report" // only said: on record, in the log and to syslog
)

// ActionAt is what is done when level begins.
func (c *Config) ActionAt(level Level) Action {
	switch level {
	case LevelSpaceLeft:
		return c.SpaceLeftAction
	case LevelAdminSpaceLeft:
		return c.AdminSpaceLeftAction
	case LevelFull:
		return c.DiskFullAction
	case LevelError:
		return c.DiskErrorAction
	}
	return Ignore
}

// Validate returns every problem at once.
func (c *Config) Validate() error {
	var errs []error
	for _, level := range []Level{LevelSpaceLeft, LevelAdminSpaceLeft, LevelFull, LevelError} {
		if err := CheckAction(level, c.ActionAt(level)); err != nil {
			errs = append(errs, fmt.Errorf("%s-action: %w", level, err))
		}
	}
	if !slices.Contains([]Action{"", Single, NoLogin, Suspend}, c.RescueAction) {
		errs = append(errs, fmt.Errorf("rescue-action: %q is none of: single nologin suspend", c.RescueAction))
	}
	if c.Enforce != "" && c.Enforce != Act && c.Enforce != Report {
		errs = append(errs, fmt.Errorf("enforce: %q is neither %q nor %q", c.Enforce, Act, Report))
	}
	if admin, left := c.AdminSpaceLeft.Of(c.MaxSize), c.SpaceLeft.Of(c.MaxSize); admin >= left || left >= c.MaxSize {
		errs = append(errs, fmt.Errorf("admin-space-left (%d), space-left (%d) and max-size (%d) do not ascend", admin, left, c.MaxSize))
	}
	return errors.Join(errs...)
}
