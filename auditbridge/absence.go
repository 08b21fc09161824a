package auditbridge

import (
	"bytes"
	"time"
)

// absence is the time in which nobody heard, from the end of the process before this
// one until we began, and which serials passed in it. What the kernel kept for us
// until we began (kernel/audit.c, audit_hold_queue) comes late and is not missing.
// While audit is off, serials stand still.
type absence struct {
	serials Serials
	last    uint32    // serial that came before it
	until   time.Time // by the clock that events are stamped with
	over    bool
	first   uint32 // serial after it, when it is over
}

// expect says which serial came last to whoever was before us, who hear from now on.
func (b *serialBook) expect(serial uint32, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = &absence{last: serial, until: now}
	b.away.serials.Saw(serial)
}

// hears says that we hear from now on, if nothing has come yet that says so.
func (b *serialBook) hears(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.away != nil && !b.away.over {
		b.away.until = now
	}
}

// goOn ends the absence: what comes behind the newest serial is ours to hear.
func (b *serialBook) goOn() {
	b.away.over, b.away.first = true, b.away.serials.newest
	b.serials.Saw(b.away.first)
}

// takes tells whether a serial is of the absence, as far as is known: serials come in
// disorder.
func (a *absence) takes(serial uint32) bool { return !a.over || int32(serial-a.first) < 0 }

// endsWith tells whether the event in text is the first that was not of the absence.
func (a *absence) endsWith(text []byte) bool {
	stamp, ok := stampOf(text)
	return !a.over && ok && stamp >= a.until.UnixMilli()
}

// outlived tells whether the absence is over although nothing said so: somebody set
// the clock back.
func (a *absence) outlived(now time.Time) bool {
	return !a.over && a.serials.newest != a.last && now.Sub(a.until) >= serialPatience
}

// stampOf finds the time in "audit(SEC.MMM:SERIAL)", in milliseconds.
func stampOf(text []byte) (millis int64, ok bool) {
	_, rest, _ := bytes.Cut(text, []byte("audit("))
	seconds, rest, ok := cutUint(rest, '.', lastSecond)
	if !ok {
		return 0, false
	}
	more, _, ok := cutUint(rest, ':', 999)
	return int64(seconds)*1000 + int64(more), ok
}
