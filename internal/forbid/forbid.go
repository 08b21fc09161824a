// Package forbid takes system calls from the whole process, and from all that
// it will start, for good: seccomp(2).
package forbid

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"auditbridge/auditbridge/interpret"

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
	When   []Call   // refused with EPERM if all of one's conditions hold
	Absent []string // refused with ENOSYS: what has an older way is to take that
}

// Call is a system call with such arguments.
type Call struct {
	Name       string
	Conditions []Condition
}

// Condition compares an argument, counted from 0, with a value, in all 64 bits: by
// JumpEqual, JumpNotEqual, JumpGreaterThan, JumpLessThan, or JumpBitsSet, where one is.
type Condition struct {
	Argument uint32
	Test     bpf.JumpTest
	Value    uint64
}

// If is a system call with that argument.
func If(name string, conditions ...Condition) Call { return Call{name, conditions} }

// Is compares an argument with a value.
func Is(argument uint32, test bpf.JumpTest, value uint64) Condition {
	return Condition{argument, test, value}
}

// Apply forbids the calls to every thread there is and will be. It renounces new
// privileges too, without which nobody but root may do so.
func (c Calls) Apply() error {
	own, err := thisProcessor()
	if err != nil {
		return err
	}
	program, err := c.program(own)
	if err != nil {
		return fmt.Errorf("assemble a seccomp filter: %w", err)
	}
	raw, err := bpf.Assemble(program)
	if err != nil {
		return fmt.Errorf("assemble a seccomp filter: %w", err)
	}
	runtime.LockOSThread() // the filter's thread gives the others what it has renounced, no other does
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("renounce new privileges: %w", err)
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

// processors are those whose calls are known, by Go's name and the kernel's. All have the
// lower half of a number first, and none a call for whatever has to do with sockets
// (386: socketcall), whose arguments a filter does not see.
var processors = map[string]string{"amd64": "x86_64", "arm64": "aarch64", "arm": "arm", "riscv64": "riscv64", "loong64": "loongarch64"}

// thisProcessor is the AUDIT_ARCH_* whose numbers the program calls by.
func thisProcessor() (uint32, error) {
	value, ok := interpret.ArchNamed(processors[runtime.GOARCH])
	if !ok {
		return 0, fmt.Errorf("%w: the system calls of %s are not known", ErrUnsupported, runtime.GOARCH)
	}
	return value, nil
}
