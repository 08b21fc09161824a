// Package diskguard watches the room the journal has and acts when it runs out,
// and when its disk fails.
package diskguard

import (
	"context"
	"log/slog"
	"time"

	"auditbridge/journal"
)

// Config says when to act and how.
type Config struct {
	Dir                  string    // the journal's directory, whose file system is looked at
	MaxSize              int64     // bytes the journal may have
	SpaceLeft            Threshold // SpaceLeftAction is due when less is left, once per descent
	AdminSpaceLeft       Threshold // the same, lower
	SpaceLeftAction      Action
	AdminSpaceLeftAction Action
	DiskFullAction       Action
	DiskErrorAction      Action
	Enforce              Enforce // "" means Act
	RescueAction         Action  // instead of a halt that would follow on another: Single, NoLogin or Suspend; "" means Single

	Means
}

// Means are the ways out of the program; tests have others.
type Means struct {
	// StateDir keeps what must be known after a halt; "" keeps nothing.
	StateDir string
	// Alert tells syslog; AlertSyslog unless set.
	Alert func(text string) error
	// Tell reaches whoever sits at the host before it goes down; TellConsole
	// unless set. It is bounded in time.
	Tell func(text string)
	// Rotate drops the oldest closed segment that nothing holds; without it
	// nothing is dropped.
	Rotate func(context.Context) (dropped bool, err error)
	// Push returns when every destination that can be reached has all that is
	// durable, or ctx ends; without it nobody is waited for.
	Push func(context.Context) error
	// Command runs systemctl or init for Halt and Single; by exec unless set.
	Command Command
	// Halter and Rescuer are the last steps of Halt and Single; PowerOff and
	// Rescue, by Command, unless set.
	Halter, Rescuer Halter
	// NoLogin is the file that keeps everybody but root from logging in,
	// nologin(5); /run/nologin unless set.
	NoLogin string
	// Decided puts on record what Failure does, or would do, before it is done: the
	// code of what has failed, and the reason. It is bounded in time; nil for nobody.
	Decided func(now time.Time, action Action, because, reason string)
	Logger  *slog.Logger // nil discards
}

func (m *Means) setDefaults() {
	if m.Alert == nil {
		m.Alert = AlertSyslog
	}
	if m.Tell == nil {
		m.Tell = TellConsole
	}
	if m.Push == nil {
		m.Push = func(context.Context) error { return nil }
	}
	if m.Command == nil {
		m.Command = execute
	}
	if m.Halter == nil {
		m.Halter = func(ctx context.Context) error { return PowerOff(ctx, m.Command) }
	}
	if m.Rescuer == nil {
		m.Rescuer = func(ctx context.Context) error { return Rescue(ctx, m.Command) }
	}
	if m.NoLogin == "" {
		m.NoLogin = "/run/nologin"
	}
	if m.Logger == nil {
		m.Logger = slog.New(slog.DiscardHandler)
	}
}

// Space is the journal's room as Guard last saw it.
type Space struct {
	Level  Level
	Cause  Cause // of LevelFull and LevelError
	State  journal.State
	Used   int64         // bytes of all segments
	Free   int64         // bytes that can still be written: left of MaxSize, or of the disk when that is less
	FullIn time.Duration // when nothing will be left, at the present rate; 0 when that is not known
	Since  time.Time     // of Level
	Action Action        // what was done about it, "" when nothing was due
	Flood  string        // who has so many records made that all room lasts less than an hour; "" for nobody
	Banner bool          // every operator is to be told: the action of this level, or of one above it
	Orders []Order       // what the watch has not carried out yet, oldest first; never changed
}
