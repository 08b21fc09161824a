package forward

import (
	"time"

	"auditbridge/auditbridge"
)

// lull tells when a journal is so quiet that an event which has waited for more
// has waited long enough. It need not be silent: a host that says a little all
// the time must not hold back what another program did. It is pure.
type lull struct {
	at    auditbridge.Sequence // read last when it began
	since time.Time
}

const (
	// quietRecords may come within a lull. With more, the kernel may be holding
	// processes back in the middle of an event; then it is stream time that
	// decides, in the reassembler.
	quietRecords = 100
	// patience, in lulls, with a disk on which the end of an event may be waiting.
	patience = 10
)

// follow is called with what was read last and what is written, whenever there
// is nothing more to read. It returns the sequence beyond which nothing came
// for a while of Idle of what had come before, or 0 and how long to wait.
func (l *lull) follow(last, written auditbridge.Sequence, now time.Time, idle time.Duration) (quiet auditbridge.Sequence, wait time.Duration) {
	passed := now.Sub(l.since)
	switch {
	case l.since.IsZero() || last-l.at > quietRecords:
		*l = lull{last, now}
		return 0, idle
	case passed < idle:
		return 0, idle - passed
	case written > last && passed < patience*idle:
		return 0, idle
	}
	quiet = l.at
	*l = lull{last, now}
	return quiet, 0
}
