package rules

import "fmt"

// Kernel is what is asked of a kernel's audit system. *Netlink is this machine's.
type Kernel interface {
	// List returns all rules in the order in which the kernel looks at them,
	// list by list.
	List() ([]Rule, error)
	// Change obeys each in turn and returns what became of each, nil where it was
	// obeyed. One that is refused does not keep the later ones from being tried.
	Change(changes []Change) ([]error, error)
	State() (State, error)
	Set(s Setting, value uint32) error
	// Request does what a rule file asks to be done once.
	Request(s Statement) error
}

// Change adds a rule, or deletes it.
type Change struct {
	Delete bool
	Rule   Rule
}

// State is the value of every setting, and who owns the kernel's records.
type State struct {
	Settings [settingCount]uint32
	Owner    int // process, 0 when none
}

// Locked tells whether nothing can be changed until the next boot.
func (s *State) Locked() bool { return s.Settings[Enabled] == locked }

const locked = 2

// LockedError means that the kernel's rules cannot be changed before the next
// boot, and would have to be.
type LockedError struct{ Changes int }

func (e LockedError) Error() string {
	return fmt.Sprintf("the kernel's audit rules are locked (enabled 2): %d %s must wait for the next boot", e.Changes, plural("change", e.Changes))
}

// Hint tells an operator what to do.
func (LockedError) Hint() string {
	return "reboot: rules are loaded before they are locked; `auditbridge rules diff` lists what will change"
}
