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

// Condition compares an argument, counted from 0, with a value, in all 64 bits.
type Condition struct {
	Argument uint32
	Test     bpf.JumpTest // bits are set where one of them is
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
	raw, err := bpf.Assemble(c.program(own))
	if err != nil {
		return fmt.Errorf("assemble a seccomp filter: %w", err)
	}
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

// thisProcessor is the AUDIT_ARCH_* whose numbers the program calls by. All that are
// known have the lower half of a number first.
func thisProcessor() (uint32, error) {
	name := map[string]string{"amd64": "x86_64", "386": "i386", "arm64": "aarch64", "arm": "arm",
		"riscv64": "riscv64", "ppc64le": "ppc64le", "loong64": "loongarch64"}[runtime.GOARCH]
	value, ok := interpret.ArchNamed(name)
	if !ok {
		return 0, fmt.Errorf("%w: the system calls of %s are not known", ErrUnsupported, runtime.GOARCH)
	}
	return value, nil
}
