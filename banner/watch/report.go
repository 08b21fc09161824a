package watch

import (
	"time"

	"auditbridge/internal/status"
)

// Report is what the watch says of itself, to run and to whoever asks.
type Report struct {
	PID     int       `json:"pid"`
	At      time.Time `json:"at"`
	Verdict Verdict   `json:"verdict"`
	Snooze  *Snooze   `json:"snooze,omitempty"`
	Entries []Entry   `json:"entries,omitempty"` // what run has not put on record yet, oldest first
}

// Entry is something that the watch did, for run to put on record. It may be old:
// run may have been what was missing.
type Entry struct {
	Number uint64       `json:"number"` // rises
	At     time.Time    `json:"at"`
	Op     string       `json:"op"` // banner-raised, banner-changed, banner-cleared, banner-snoozed, banner-unsnoozed, hook-failed, failure-action or disk-action
	State  status.State `json:"state"`
	Codes  []string     `json:"codes,omitempty"`
	Detail string       `json:"detail,omitempty"` // may hold foreign text
	Action string       `json:"action,omitempty"` // of failure-action, what is done
	Order  int64        `json:"order,omitempty"`  // of run's, that disk-action is about; Detail is why it failed
	By     *Actor       `json:"by,omitempty"`     // who asked for it, as the kernel told
}

// Actor is who asked the watch for something.
type Actor struct {
	PID     int    `json:"pid"`
	UID     uint32 `json:"uid"`
	AUID    uint32 `json:"auid"`
	Session uint32 `json:"session"`
}

// Snooze keeps the message from being repeated on terminals. What the next login
// and new shells see stays, and so does what is new.
type Snooze struct {
	Until  time.Time `json:"until"`
	Reason string    `json:"reason"`
	By     Actor     `json:"by"`
}

// mostEntries bounds what waits for run; the oldest goes first.
const mostEntries = 256
