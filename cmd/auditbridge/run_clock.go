package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/wallclock"
	"auditbridge/journal"
)

// clock puts on record when somebody sets the host's clock: records before and
// after it are not to be compared by their times (FPT_STM_EXT.1).
type clock struct {
	note  func(auditbridge.Note)
	lines func(each func(line []byte)) error // the journal's newest lines, oldest first
	log   *slog.Logger

	follower wallclock.Follower
}

// settlePause is how long the kernel's own record of a step may be under way until
// it is in the journal.
const settlePause = time.Second

// Run looks each time the clock is set, until ctx ends.
func (c *clock) Run(ctx context.Context) error {
	c.look()
	err := wallclock.Watch(ctx, func() {
		if s, stepped := c.look(); stepped {
			select {
			case <-time.After(settlePause):
			case <-ctx.Done():
			}
			c.tell(s)
		}
	})
	if err != nil {
		c.log.Warn("steps of the clock are not noticed", "error", err)
	}
	return nil
}

func (c *clock) look() (s wallclock.Step, stepped bool) {
	r, err := wallclock.Read()
	if err != nil {
		c.log.Warn("the clock is not looked at", "error", err)
		return s, false
	}
	return c.follower.Read(r)
}

// tell names who did it as far as the kernel recorded that: by the system call,
// where a rule audits it.
func (c *clock) tell(s wallclock.Step) {
	var setter wallclock.Setter
	if err := c.lines(func(line []byte) { setter.See(line, s.Old) }); err != nil {
		c.log.Warn("who set the clock is not looked up", "error", err)
	}
	n := auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "clock-step",
		auditbridge.Text("old", s.Old.UTC().Format(wallTime)), auditbridge.Text("new", s.New.UTC().Format(wallTime)))
	n.Actor = nobody
	if by, found := setter.Setting(); found {
		n.Actor = by.Actor
		n.Fields = append(n.Fields, auditbridge.Text("origin", "syscall"), auditbridge.Number("serial", by.ID.Serial), auditbridge.Text("exe", by.Exe))
	} else {
		n.Fields = append(n.Fields, auditbridge.Text("origin", "unaudited"))
	}
	c.note(n)
	c.log.Warn("the clock was set", "from", s.Old, "to", s.New)
}

const wallTime = "2006-01-02T15:04:05.000Z07:00"

// newestLines are as many as a loaded host stores in a few seconds.
const newestLines = 200_000

// eachNewest calls each for the journal's newest lines, in order.
// There are none where the source is text, be it auditd's: whoever writes it could
// name anybody.
func (d *daemon) eachNewest(each func(line []byte)) error {
	if d.hears == nil {
		return nil
	}
	var from auditbridge.Sequence
	if newest := d.journal.Mark().Written(); newest > newestLines {
		from = newest - newestLines
	}
	r, err := journal.OpenReader(d.cfg.JournalDir, from, journal.ReaderOptions{PastDurable: true})
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		_, line, err := r.Next()
		var damaged *journal.CorruptionError
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &damaged):
		case err != nil:
			return err
		default:
			each(line)
		}
	}
}
