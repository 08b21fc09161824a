// Package diskguard watches the room the journal has and acts when there is
// none: when its files cannot be extended (disk full) or its disk fails.
package diskguard

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"auditbridge/journal"
)

// Action is what is done. Its names are auditd's.
type Action string

const (
	Ignore  Action = "ignore"  // nothing; status shows it all the same
	Syslog  Action = "syslog"  // an alert to the host's syslog
	Suspend Action = "suspend" // the same and on record; what arrives meanwhile is counted as refused, recording resumes when space returns
	Halt    Action = "halt"    // the host is powered off: FAU_STG.4 without loss of the records before
)

// Config says when to act and how.
type Config struct {
	Dir                  string    // the journal's directory, whose file system is looked at
	MaxSize              int64     // bytes the journal may have
	SpaceLeft            Threshold // SpaceLeftAction is due when less is left, once per descent
	AdminSpaceLeft       Threshold // the same, lower
	SpaceLeftAction      Action    // Ignore or Syslog
	AdminSpaceLeftAction Action    // Ignore or Syslog
	DiskFullAction       Action
	DiskErrorAction      Action

	Halter Halter             // last step of Halt; PowerOff unless set
	Alert  func(string) error // Syslog's way out; AlertSyslog unless set
	Logger *slog.Logger
}

// Validate returns every problem at once.
func (c *Config) Validate() error {
	var errs []error
	for _, a := range []struct {
		key    string
		action Action
		may    []Action
	}{
		{"space-left-action", c.SpaceLeftAction, []Action{Ignore, Syslog}},
		{"admin-space-left-action", c.AdminSpaceLeftAction, []Action{Ignore, Syslog}},
		{"disk-full-action", c.DiskFullAction, []Action{Ignore, Syslog, Suspend, Halt}},
		{"disk-error-action", c.DiskErrorAction, []Action{Ignore, Syslog, Suspend, Halt}},
	} {
		if !slices.Contains(a.may, a.action) {
			errs = append(errs, fmt.Errorf("%s: %q is none of %v", a.key, a.action, a.may))
		}
	}
	if admin, left := c.AdminSpaceLeft.Of(c.MaxSize), c.SpaceLeft.Of(c.MaxSize); admin >= left || left >= c.MaxSize {
		errs = append(errs, fmt.Errorf("admin-space-left (%d), space-left (%d) and max-size (%d) do not ascend", admin, left, c.MaxSize))
	}
	return errors.Join(errs...)
}

// Level is how little room there is, in auditd's words.
type Level string

const (
	LevelOK             Level = "ok"
	LevelSpaceLeft      Level = "space-left"
	LevelAdminSpaceLeft Level = "admin-space-left"
	LevelFull           Level = "full"
)

// LevelAt is the level in that room. Full is not decided by counting: it means
// that the journal could not be extended.
//
// A journal smaller than its file system is measured against MaxSize alone, so
// that nobody else's files can trigger an action. One that may outgrow its file
// system is measured against that: MaxSize would never be reached, and the disk
// would be full without a warning.
func (c *Config) LevelAt(r Room, full bool) Level {
	whole, left := c.MaxSize, c.MaxSize-r.Used
	if r.Disk > 0 && r.Disk < c.MaxSize {
		whole, left = r.Disk, c.Free(r)
	}
	switch {
	case full:
		return LevelFull
	case left < c.AdminSpaceLeft.Of(whole):
		return LevelAdminSpaceLeft
	case left < c.SpaceLeft.Of(whole):
		return LevelSpaceLeft
	}
	return LevelOK
}

// below is the order of the levels.
func (l Level) below(other Level) bool { return depth[l] > depth[other] }

var depth = map[Level]int{LevelOK: 0, LevelSpaceLeft: 1, LevelAdminSpaceLeft: 2, LevelFull: 3}

// Space is the journal's room as Guard last saw it.
type Space struct {
	Level  Level
	State  journal.State
	Used   int64 // bytes of all segments
	Free   int64 // bytes that can still be written: left of MaxSize, or of the disk when that is less
	Since  time.Time
	Action Action // what was done about it, "" when nothing was due
}
