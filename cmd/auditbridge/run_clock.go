package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
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
	var by clockSetter
	if err := c.lines(func(line []byte) { by.see(line, s.Old) }); err != nil {
		c.log.Warn("who set the clock is not looked up", "error", err)
	}
	n := auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "clock-step",
		auditbridge.Text("old", s.Old.UTC().Format(wallTime)), auditbridge.Text("new", s.New.UTC().Format(wallTime)))
	n.Actor = nobody
	if by.found {
		n.Actor = by.actor
		n.Fields = append(n.Fields, auditbridge.Text("origin", "syscall"), auditbridge.Number("serial", by.id.Serial), auditbridge.Text("exe", by.exe))
	} else {
		n.Fields = append(n.Fields, auditbridge.Text("origin", "unaudited"))
	}
	c.note(n)
	c.log.Warn("the clock was set", "from", s.Old, "to", s.New)
}

const wallTime = "2006-01-02T15:04:05.000Z07:00"

// clockSetter finds who set the clock in the kernel's records: the last call to set
// it that succeeded, entered about when the clock was to become another. A call that
// anybody may make to read the clock counts only when the kernel says, in a record
// of the same event, that it stepped it: else a reader would stand in for the setter.
type clockSetter struct {
	setting
	reads setting // the last call that perhaps only read
}

// setting is a call that set the clock.
type setting struct {
	found bool
	actor auditbridge.Actor
	id    auditbridge.EventID
	exe   string
}

// aboutThen is how far the stamp of the call, taken when it is entered, may be from
// when the step was noticed.
const aboutThen = 5 * time.Second

const (
	typeSyscall auditbridge.RecordType = 1300
	typeStep    auditbridge.RecordType = 1332 // TIME_INJOFFSET (kernel/auditsc.c, __audit_tk_injoffset)
)

// setsTheClock has the calls that set the clock and, true, those that read it when
// they are asked to change nothing.
var setsTheClock = map[string]bool{
	"settimeofday": false, "clock_settime": false, "clock_settime64": false, "stime": false,
	"adjtimex": true, "clock_adjtime": true, "clock_adjtime64": true,
}

func (c *clockSetter) see(line []byte, old time.Time) {
	h, ok := auditbridge.ParseHeader(line)
	if !ok {
		return
	}
	switch {
	case h.Type == typeStep && c.reads.found && c.reads.id == h.ID:
		c.setting = c.reads
	case h.Type == typeSyscall:
		at := time.Unix(h.ID.Seconds, int64(h.ID.Millis)*int64(time.Millisecond))
		if at.Sub(old).Abs() <= aboutThen {
			c.call(&h, line)
		}
	}
}

func (c *clockSetter) call(h *auditbridge.Header, line []byte) {
	r := auditbridge.Record{Type: h.Type, Line: line, Body: h.Body}
	fields := r.Stamped()
	text := func(key string) string { v, _ := fields.Lookup(key); return string(v) }
	number := func(key string, base int) uint32 { n, _ := strconv.ParseUint(text(key), base, 32); return uint32(n) }
	name := interpret.SyscallName(number("arch", 16), int(number("syscall", 10)))
	reads, is := setsTheClock[name]
	if !is || text("success") != "yes" {
		return
	}
	if strings.HasPrefix(name, "clock_settime") && text("a0") != "0" { // CLOCK_REALTIME
		return
	}
	s := setting{
		found: true, id: h.ID, exe: text("exe"),
		actor: auditbridge.Actor{AUID: number("auid", 10), UID: number("uid", 10), Session: number("ses", 10), PID: int(number("pid", 10))},
	}
	if reads {
		c.reads = s
	} else {
		c.setting = s
	}
}

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
