package wallclock

import (
	"strconv"
	"strings"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

// Setter finds who set the clock in the kernel's records: the last call to set
// it that succeeded, entered about when the clock was to become another. A call that
// anybody may make to read the clock counts only when the kernel says, in a record
// of the same event, that it stepped it: else a reader would stand in for the setter.
type Setter struct {
	set   *Setting // nil: nobody is known to have
	reads *Setting // the last call that perhaps only read
}

// Setting is a call that set the clock, as the kernel has it.
type Setting struct {
	Actor auditbridge.Actor
	ID    auditbridge.EventID
	Exe   string
}

// Setting is who set it, if that is on record.
func (c *Setter) Setting() (Setting, bool) {
	if c.set == nil {
		return Setting{}, false
	}
	return *c.set, true
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

// See takes a line of the journal, in order; old is what the clock would have shown
// when it was found to show something else.
func (c *Setter) See(line []byte, old time.Time) {
	h, ok := auditbridge.ParseHeader(line)
	if !ok {
		return
	}
	switch {
	case h.Type == typeStep && c.reads != nil && c.reads.ID == h.ID:
		c.set = c.reads
	case h.Type == typeSyscall:
		at := time.Unix(h.ID.Seconds, int64(h.ID.Millis)*int64(time.Millisecond))
		if at.Sub(old).Abs() <= aboutThen {
			c.call(&h, line)
		}
	}
}

func (c *Setter) call(h *auditbridge.Header, line []byte) {
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
	s := &Setting{
		ID: h.ID, Exe: text("exe"),
		Actor: auditbridge.Actor{AUID: number("auid", 10), UID: number("uid", 10), Session: number("ses", 10), PID: int(number("pid", 10))},
	}
	if reads {
		c.reads = s
	} else {
		c.set = s
	}
}
