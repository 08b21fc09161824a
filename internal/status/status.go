// Package status holds what auditbridge knows of itself and judges it: from
// counts and states alone, whether auditing works, since when, whether records
// are being lost now, why, and what to do.
package status

import (
	"time"

	"auditbridge/internal/warning"
)

// State is the judgement in one word.
type State string

const (
	OK       State = "ok"
	Degraded State = "degraded" // recording goes on; something else needs attention
	Impaired State = "impaired" // recording does not work as it must
)

// Losing says whether records are being lost now.
type Losing string

const (
	LosingNo      Losing = "no"
	LosingYes     Losing = "yes"
	LosingUnknown Losing = "unknown"
)

// Recording is what the journal does with what arrives.
type Recording string

const (
	RecordingOK        Recording = "ok"
	RecordingFull      Recording = "full"      // its disk is full; resumes by itself
	RecordingSuspended Recording = "suspended" // resumes when told to
	RecordingFailed    Recording = "failed"    // its disk does not work
)

// Status is everything `auditbridge status` shows. The facts are filled in by
// whoever has them, the judgement by Judge. All counts are of records since run
// started, sequences are the journal's.
type Status struct {
	State  State     `json:"state"`
	Since  time.Time `json:"since,omitzero"` // of State
	Losing Losing    `json:"losing"`
	Causes []Cause   `json:"causes"` // worst first; empty when OK

	Running    bool      `json:"running"`               // a run process has the journal
	Answering  bool      `json:"answering"`             // and answers; without it these are the last known figures
	Time       time.Time `json:"time,omitzero"`         // when the figures were taken
	SignOfLife time.Time `json:"sign_of_life,omitzero"` // of the journal's writer
	PID        int       `json:"pid,omitempty"`
	Version    string    `json:"version,omitempty"`
	Started    time.Time `json:"started,omitzero"`
	RulesDrift int       `json:"rules_drift"`           // rules and settings of the kernel that are not as they were loaded
	DeputyLost bool      `json:"deputy_lost,omitempty"` // who starts ship, and halts the host, has died
	Unconfined string    `json:"unconfined,omitempty"`  // why run could not forbid itself what it does not need; empty when it did

	Source            string    `json:"source,omitempty"`
	DeafSince         time.Time `json:"deaf_since,omitzero"`          // since when the source does not have its file or socket
	DeafBecause       string    `json:"deaf_because,omitempty"`       // why not
	KernelPID         int       `json:"kernel_pid,omitempty"`         // who holds the kernel's audit socket, when it is not us
	KernelOwner       string    `json:"kernel_owner,omitempty"`       // its name
	KernelSilentSince time.Time `json:"kernel_silent_since,omitzero"` // when the kernel last stopped saying what it lost; zero while it does
	*Kernel                     // nil when it was not asked, or has not answered yet
	*Multicast                  // nil when the source is another
	JournalDir        string    `json:"journal_dir"`
	Recording         Recording `json:"recording"`

	Received         uint64            `json:"received"`
	Stored           uint64            `json:"stored"`
	InRing           uint64            `json:"in_ring"`
	InRingBytes      uint64            `json:"in_ring_bytes"`                  // what lies there; counted apart
	Refused          uint64            `json:"refused"`                        // by a full ring or a full disk
	RefusedTypes     map[string]uint64 `json:"refused_types,omitempty"`        // of these, by the type of the record
	RefusedFirst     uint32            `json:"refused_first_serial,omitempty"` // of the latest gap of refused records …
	RefusedLast      uint32            `json:"refused_last_serial,omitempty"`  // … and of its end
	KernelLost       uint64            `json:"kernel_lost"`                    // at least, before we could hear of them
	KernelLostAtMost uint64            `json:"kernel_lost_at_most"`            // loss is a range
	Away             *Away             `json:"away,omitempty"`                 // what of that passed while nobody heard; nil when nothing did
	KernelLostResets uint64            `json:"kernel_lost_resets"`             // how often somebody set the kernel's own count back
	Overruns         uint64            `json:"overruns"`                       // times the kernel's socket had no room; what that cost is in KernelLost
	Foreign          uint64            `json:"foreign"`                        // messages on it that are not the kernel's
	Malformed        uint64            `json:"malformed"`                      // messages on it that are none
	Truncated        uint64            `json:"truncated"`                      // records stored cut, for they were too long
	Gaps             uint64            `json:"gaps"`                           // on record in the journal
	Damaged          uint64            `json:"damaged"`                        // places where the start of run found the journal, its mark or a cursor damaged: op=damage on record
	Quarantined      uint64            `json:"quarantined_bytes"`              // copied to quarantine/ by the start of run: damaged, or torn
	NotesDropped     uint64            `json:"notes_dropped"`                  // our own records, more than wait while nothing can be written
	Balanced         bool              `json:"balanced"`                       // all books

	Written      uint64            `json:"written"` // last sequence
	Durable      uint64            `json:"durable"` // last durable sequence
	Ship         bool              `json:"ship"`    // the sender runs
	Destinations []Destination     `json:"destinations"`
	Entrances    []Entrance        `json:"entrances"` // by which other programs send through a port-forwarding
	Disk         Disk              `json:"disk"`
	ClockHeld    bool              `json:"clock_held,omitempty"` // nothing is dropped for its age: the clock is not believed
	Checkpoint   Checkpoint        `json:"checkpoint"`
	Alarms       []Alarm           `json:"alarms"`
	Warnings     []warning.Warning `json:"warnings"`        // of how the host is set up; no part of State
	Watch        *Watch            `json:"watch,omitempty"` // nil when it was not heard of
}

// Hear fills in whether the source has its file or socket, since when, and why
// not.
func (s *Status) Hear(since time.Time, err error) {
	if err != nil {
		s.DeafSince, s.DeafBecause = since, err.Error()
	}
}

// Kernel is what the kernel says of its audit system.
type Kernel struct {
	Ours         bool `json:"kernel_ours"`    // run holds its audit socket
	Enabled      int  `json:"kernel_enabled"` // 0 off, 1 on, 2 on and locked until reboot
	Failure      int  `json:"kernel_failure"` // on a critical error: 0 silent, 1 printk, 2 panic
	Backlog      int  `json:"kernel_backlog"` // records in its queue
	BacklogLimit int  `json:"kernel_backlog_limit"`
	RateLimit    int  `json:"kernel_rate_limit"` // records per second; 0 is none
	Rules        int  `json:"kernel_rules"`      // -1 when not known
}

// Away is the time from the end of the run before this one until this one heard, in
// which events passed.
type Away struct {
	Since   time.Time `json:"since,omitzero"` // of its last words, else of its last sign of life
	Until   time.Time `json:"until"`
	After   string    `json:"after"`   // stop, in order, or abnormal-end
	Missing uint64    `json:"missing"` // serials, each an event of one record or more …
	First   uint32    `json:"first_serial"`
	Last    uint32    `json:"last_serial"`
}

// Multicast is what a listener beside the owner of kernel audit knows of itself.
type Multicast struct {
	Dropped uint64 `json:"multicast_dropped"`           // records that found no room in its socket
	Missing uint64 `json:"multicast_missing"`           // serials that did not come, one an event
	Audited string `json:"multicast_audited,omitempty"` // why run is audited itself; empty when it is exempt
	Barred  string `json:"multicast_barred,omitempty"`  // why the kernel may not be asked; empty when it may
}

// Destination is one remote-logging server. Its books: what its relay has read
// is delivered, excluded or pending.
type Destination struct {
	Name      string            `json:"name"`
	Via       string            `json:"via,omitempty"`   // the port-forwarding
	Jumps     []string          `json:"jumps,omitempty"` // those that it is reached through, the next one to it first
	Protocol  string            `json:"protocol"`
	Promise   string            `json:"promise"` // what delivered means: best effort, at least once, acknowledged
	Connected bool              `json:"connected"`
	Since     time.Time         `json:"since,omitzero"` // of Connected
	Delivered uint64            `json:"delivered"`
	Excluded  uint64            `json:"excluded"`
	Pending   uint64            `json:"pending"`
	Read      uint64            `json:"read"`
	Classes   map[string]uint64 `json:"classes,omitempty"` // events read since the sender started, sent or not
	Pieces    map[string]uint64 `json:"pieces,omitempty"`  // of these, what is no whole event: by limit (too much was open), late or malformed
	Missed    uint64            `json:"missed,omitempty"`  // dropped from the journal before they were sent
	LastError string            `json:"last_error,omitempty"`
	Hint      string            `json:"hint,omitempty"`     // what to do about LastError
	TLS       *TLS              `json:"tls,omitempty"`      // of the connection there is, or was last
	Expiring  *Certificate      `json:"expiring,omitempty"` // of all that sending needs, the server's as it was last seen, the one that expires first
	Skips     string            `json:"skips,omitempty"`    // what of the server's certificate is never checked, by configuration: "certificate" or "name"
}

// Entrance is where other programs of this host come to send through a port-forwarding.
type Entrance struct {
	Name      string    `json:"name"`            // of the port-forwarding
	At        string    `json:"at"`              // unix:/path, or address:port
	For       string    `json:"for"`             // who may come: users, or "everybody"
	Jumps     []string  `json:"jumps,omitempty"` // as a Destination's
	Listening bool      `json:"listening"`
	Connected bool      `json:"connected"`      // its SSH connection is there
	Since     time.Time `json:"since,omitzero"` // of Connected
	Open      int       `json:"open"`           // connections of other programs
	Most      int       `json:"most"`           // that there may be
	Carried   uint64    `json:"carried"`        // let in since run started, like the rest
	Refused   uint64    `json:"refused"`
	Cut       uint64    `json:"cut"`            // of those carried, whose end was not in order
	Sent      uint64    `json:"sent_bytes"`     // to the far end
	Received  uint64    `json:"received_bytes"` // from it
	LastError string    `json:"last_error,omitempty"`
	Hint      string    `json:"hint,omitempty"`
}

// works says that other programs can send through it.
func (e *Entrance) works() bool { return e.Listening && e.Connected }

// TLS is what a connection in TLS agreed on, and with whom.
type TLS struct {
	Version   string       `json:"version"`
	Cipher    string       `json:"cipher"`
	Server    *Certificate `json:"server,omitempty"`
	Own       *Certificate `json:"own,omitempty"`       // where the server asked for one
	Expiring  *Certificate `json:"expiring,omitempty"`  // of the server's and those that it comes from, the one that expires first
	Unchecked string       `json:"unchecked,omitempty"` // "certificate", "name" or "revocation"
	Reason    string       `json:"reason,omitempty"`    // why that could not be
}

// Certificate says which certificate is meant.
type Certificate struct {
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	Serial   string    `json:"serial"` // hexadecimal
	NotAfter time.Time `json:"not_after"`
}

// Disk is the journal's room.
type Disk struct {
	Level     string `json:"level"`           // ok space-left admin-space-left disk-full disk-error
	Cause     string `json:"cause,omitempty"` // of the last two: no-space no-inodes quota read-only io-error other
	FreeBytes int64  `json:"free_bytes"`
	UsedBytes int64  `json:"used_bytes"`
	FullIn    int64  `json:"full_in_seconds,omitempty"` // until nothing is left, at the present rate; 0 when that is not known
	Action    string `json:"action,omitempty"`          // what was done about it
	Flood     string `json:"flood,omitempty"`           // who has so many records made that all room lasts less than an hour
	Banner    bool   `json:"banner,omitempty"`          // operators are to be told
	// Orders are actions that the watch is to carry out, oldest first.
	Orders []Order `json:"orders,omitempty"`
}

// Order is an action of a disk level that the watch has not carried out yet.
type Order struct {
	Number int64     `json:"number"` // rises
	Level  string    `json:"level"`
	Action string    `json:"action"`
	Since  time.Time `json:"since"`
}

// Checkpoint is the last signed block line.
type Checkpoint struct {
	Sequence uint64    `json:"sequence"`
	Time     time.Time `json:"time,omitzero"`
}

// Alarm is one that is raised.
type Alarm struct {
	ID          string    `json:"id"`
	Object      string    `json:"object,omitempty"` // which of several: a destination
	Number      int64     `json:"number"`           // names this raising
	Since       time.Time `json:"since"`
	Severity    string    `json:"severity,omitempty"`
	Title       string    `json:"title,omitempty"`
	Description string    `json:"description,omitempty"`
	Remedy      string    `json:"remedy,omitempty"`
}

// Watch is what the watch says, which looks from outside whether auditing works.
type Watch struct {
	PID          int       `json:"pid"` // 0: it was not heard since run began
	State        State     `json:"state"`
	Since        time.Time `json:"since,omitzero"`
	Heard        time.Time `json:"heard,omitzero"`    // when it said so
	Missing      string    `json:"missing,omitempty"` // why it says nothing any more; empty while it does
	Findings     []Finding `json:"findings"`          // most telling first
	SnoozedUntil time.Time `json:"snoozed_until,omitzero"`
	SnoozeReason string    `json:"snooze_reason,omitempty"`
}

// Finding is one thing that the watch finds wrong.
type Finding struct {
	Code        string    `json:"code"`
	Object      string    `json:"object,omitempty"` // which of several: a destination
	Detail      string    `json:"detail,omitempty"`
	State       State     `json:"state"`
	Since       time.Time `json:"since"`
	Title       string    `json:"title"`
	Description string    `json:"description"`
	Remedy      string    `json:"remedy"`
}

// Cause is one reason why State is not OK.
type Cause struct {
	State   State  `json:"state"`
	What    string `json:"what"`
	Next    string `json:"next"`              // what happens next
	Command string `json:"command,omitempty"` // what to look at, or type
	losing  Losing
}

// ExitCode is that of `auditbridge status`.
func (s *Status) ExitCode() int {
	switch {
	case !s.Running:
		return 3
	case s.State == Impaired:
		return 4
	case s.State == Degraded:
		return 1
	}
	return 0
}
