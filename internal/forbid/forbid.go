// Package forbid takes system calls from the whole process, and from all that
// it will start, for good: seccomp(2).
package forbid

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// ErrUnsupported is wrapped when the kernel has no seccomp filters, or the
// program is built for a processor whose system calls are not known here.
// Nothing is forbidden then.
var ErrUnsupported = errors.New("this kernel has no seccomp filters")

// Calls are what is forbidden. A name that this processor does not have is no
// mistake: x86 has some that others have not.
type Calls struct {
	Always []string // refused with EPERM
	// When lists calls refused with EPERM if all of one's conditions hold.
	When []seccomp.NameWithConditions
	// Absent are refused with ENOSYS: what has an older way is to take that.
	Absent []string
}

// If is a system call with that argument, counted from 0.
func If(name string, conditions ...seccomp.Condition) seccomp.NameWithConditions {
	return seccomp.NameWithConditions{Name: name, Conditions: conditions}
}

// Is compares an argument with a value.
func Is(argument uint32, operation seccomp.Operation, value uint64) seccomp.Condition {
	return seccomp.Condition{Argument: argument, Operation: operation, Value: value}
}

// Apply forbids the calls to every thread there is and will be. It renounces new
// privileges too, without which nobody but root may do so.
func (c Calls) Apply() error {
	program, err := c.program()
	if err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("renounce new privileges: %w", err)
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assemble a seccomp filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	fprog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	thread, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&fprog)))
	switch {
	case errno == unix.ENOSYS || errno == unix.EINVAL: // no seccomp(2), or no filters
		return fmt.Errorf("%w: %w", ErrUnsupported, errno)
	case errno != 0:
		return fmt.Errorf("load a seccomp filter: %w", errno)
	case thread != 0: // it has a filter the others have not, and nothing was done
		return fmt.Errorf("load a seccomp filter: thread %d has another already", thread)
	}
	return nil
}

// program is the filter. Whoever calls by the numbers of another processor, as
// a 64-bit program may by int 0x80, finds no calls at all: they are not in the
// table, so each would be let through.
func (c Calls) program() ([]bpf.Instruction, error) {
	known, err := arch.GetInfo("")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnsupported, err)
	}
	has := func(names []string) (kept []string) {
		for _, name := range names {
			if _, is := known.SyscallNames[name]; is {
				kept = append(kept, name)
			}
		}
		return kept
	}
	refuse := seccomp.SyscallGroup{Action: seccomp.ActionErrno | seccomp.Action(unix.EPERM), Names: has(c.Always)}
	for _, w := range c.When {
		if _, is := known.SyscallNames[w.Name]; is {
			refuse.NamesWithCondtions = append(refuse.NamesWithCondtions, w)
		}
	}
	policy := seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{
		refuse,
		{Action: absent, Names: has(c.Absent)},
	}}
	rest, err := policy.Assemble()
	if err != nil {
		return nil, fmt.Errorf("assemble a seccomp filter: %w", err)
	}
	const ofProcessor = 4 // in struct seccomp_data
	return append([]bpf.Instruction{
		bpf.LoadAbsolute{Off: ofProcessor, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(known.ID), SkipTrue: 1},
		bpf.RetConstant{Val: uint32(absent)},
	}, rest...), nil
}

const absent = seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)
