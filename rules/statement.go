package rules

// Statement is what one line of a rule file asks for.
type Statement struct {
	At   Position
	Text string // the line as it was written
	Verb Verb

	Rule    Rule    // of Add and Delete
	Setting Setting // of Set
	Value   uint32  // of Set
	Word    string  // the key of Clear, what Equivalent, Signal and Message say
}

// Verb is what a statement does.
type Verb int

const (
	Add           Verb = iota // -a -A -w: a rule
	Delete                    // -d -W
	Clear                     // -D: all rules, or those with a key
	Set                       // -e -f -r -b --backlog_wait_time --loginuid-immutable
	Trim                      // -t: what is no longer mounted in watched trees
	Equivalent                // -q MOUNT,SUBTREE
	ResetLost                 // --reset-lost
	ResetWaited               // --reset_backlog_wait_time_actual
	Signal                    // --signal: to the audit daemon
	Message                   // -m: a record from user space
	IgnoreErrors              // -i: go on after a line that cannot be loaded
	ContinueAfter             // -c: the same, and say in the end that there was one
	Ask                       // -s -l -v -h: nothing a file needs
)

// Setting is a value of the kernel's audit system that a rule file may set.
type Setting int

const (
	Enabled           Setting = iota // -e: 0, 1, or 2: locked until the next boot
	Failure                          // -f: 0 silent, 1 printk, 2 panic
	RateLimit                        // -r: records a second, 0 is no limit
	BacklogLimit                     // -b: records in the kernel's queue
	BacklogWaitTime                  // --backlog_wait_time: in jiffies
	LoginUIDImmutable                // --loginuid-immutable: 1

	settingCount
)

var settingNames = [settingCount]string{"enabled", "failure", "rate_limit", "backlog_limit", "backlog_wait_time", "loginuid_immutable"}

// String names the setting as `auditctl -s` does.
func (s Setting) String() string { return settingNames[s] }

var settingOptions = [settingCount]string{"-e", "-f", "-r", "-b", "--backlog_wait_time", "--loginuid-immutable"}
