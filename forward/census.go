package forward

import (
	"sync/atomic"

	"auditbridge/auditbridge"
)

// census counts the events a relay has classified, each once: what is read
// again after a break was counted before.
type census struct {
	events [auditbridge.Alarm + 1]atomic.Uint64 // by class
	pieces [len(piecemeal)]atomic.Uint64        // by why they are not whole
	upTo   auditbridge.Sequence                 // newest end of an event counted; the relay's goroutine's
	floor  auditbridge.Sequence                 // upTo when the present stream began
}

// again begins a stream that may repeat what was counted.
func (c *census) again() { c.floor = c.upTo }

func (c *census) count(e *auditbridge.Event, class auditbridge.Class) {
	if e.Completed <= c.floor {
		return
	}
	c.upTo = max(c.upTo, e.Completed)
	c.events[class].Add(1)
	for i, why := range piecemeal {
		if e.End == why {
			c.pieces[i].Add(1)
		}
	}
}

// piecemeal is why an event is sent in pieces: too much was open at once, a record
// came after its event had ended, a line is no record.
var piecemeal = [...]auditbridge.EndReason{auditbridge.EndLimit, auditbridge.EndLate, auditbridge.EndMalformed}

// inPieces may be called from any goroutine.
func (c *census) inPieces() map[string]uint64 {
	all := map[string]uint64{}
	for i, why := range piecemeal {
		all[why.String()] = c.pieces[i].Load()
	}
	return all
}

// classes may be called from any goroutine.
func (c *census) classes() map[string]uint64 {
	all := map[string]uint64{}
	for class := range c.events {
		all[auditbridge.Class(class).String()] = c.events[class].Load()
	}
	return all
}
