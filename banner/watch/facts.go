package watch

import (
	"time"

	"auditbridge/internal/status"
)

// Want is how auditing is meant to be, as far as the configuration says.
type Want struct {
	Source  string        // kernel, multicast, plugin, unix:PATH or file:PATH
	Local   bool          // the records are this host's own: its kernel matters
	Backlog int           // records the kernel's queue must take at least
	MaxLag  time.Duration // how old a record may be that a remote server has not got; 0 is for ever
}

// Facts is what one look saw. What it could not see is left zero.
type Facts struct {
	At      time.Time
	Config  string // why the configuration is not valid; "" when it is
	Program string // where the program is not; "" when it is there
	Run     Run
	Kernel  Kernel
	Auditd  bool // the host starts one at boot, and it has had time to come
	Probe   Probe
	Late    []Late
}

// Life is how a process is.
type Life string

const (
	Never   Life = "never" // not seen since we look
	Alive   Life = "alive"
	Stopped Life = "stopped" // by a signal, or a debugger
	Gone    Life = "gone"
)

// Run is the process that records.
type Run struct {
	PID     int
	Life    Life
	Early   bool           // it was not seen yet, and may still come
	Unit    string         // how its service is that does not come, in its manager's words
	Failure string         // what the last start that failed said; "" when none did after PID began
	Status  *status.Status // what it says of itself; nil when it did not answer
	Begins  bool           // it is there, and nobody listens: it begins, or another takes it over
	Busy    bool           // others hold it up, or it begins and works: what seems to stand still may only be slow
}

// Kernel is the kernel's audit.
type Kernel struct {
	Absent   bool   // there is none
	Silent   string // why it did not say what follows; "" when it did
	Enabled  int
	Failure  int
	Rate     int // records a second, 0 for any number
	Backlog  int // limit of its queue, 0 for none
	Wait     int // jiffies that it waits for room in its queue
	Lost     uint32
	Owner    Owner
	Features uint32 // bits of AUDIT_FEATURE_*
	Rules    int    // without those that exempt us; -1 when not known
	Print    uint64 // of these rules: others have another one
}

// Owner is the process that the kernel names as its audit daemon.
type Owner struct {
	PID     int // 0 is nobody
	Dead    bool
	Stopped bool // by a signal, or a debugger
	Name    string
	Started string // tells it from a later process of that pid
	Program string // the file that it runs; "" when that cannot be told
}

// Probe is how the message fared that was last sent through the kernel to the
// journal.
type Probe struct {
	Sent    time.Time // zero: none was
	Arrived bool
	Overdue bool // it is lost, as far as can be told
}

// Late is a remote server and the time of the oldest record that it has not got.
type Late struct {
	Destination string
	Oldest      time.Time
}
