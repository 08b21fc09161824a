package main

import (
	"fmt"

	"github.com/elastic/go-seccomp-bpf"
	"golang.org/x/sys/unix"
)

// neededByNobody are system calls that ship never makes: to become or to start
// another program, to be called, to look into others, to change the system, and
// io_uring, which would go round this filter.
var neededByNobody = []string{
	"execve", "execveat", "listen", "accept4",
	"ptrace", "process_vm_readv", "process_vm_writev", "perf_event_open", "userfaultfd", "bpf",
	"unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "init_module", "finit_module", "delete_module",
	"kexec_load", "reboot", "swapon", "swapoff", "add_key", "request_key", "keyctl", "io_uring_setup",
}

// forbidCalls takes from ship, by seccomp and for good, what Landlock has no
// word for: the calls above, and every socket but those of TCP, UDP and Unix and
// netlink's of routing, by which the interfaces are listed. Multipath TCP is one
// that Landlock's rules for ports do not hold for.
func forbidCalls() error {
	family := func(conditions ...seccomp.Condition) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: "socket", Conditions: conditions}
	}
	is := func(argument uint32, operation seccomp.Operation, value uint64) seccomp.Condition {
		return seccomp.Condition{Argument: argument, Operation: operation, Value: value}
	}
	const domain, protocol = 0, 2
	filter := seccomp.Filter{
		NoNewPrivs: true,
		Flag:       seccomp.FilterFlagTSync,
		Policy: seccomp.Policy{
			DefaultAction: seccomp.ActionAllow,
			Syscalls: []seccomp.SyscallGroup{{
				Action: seccomp.ActionErrno,
				Names:  neededByNobody,
				NamesWithCondtions: []seccomp.NameWithConditions{
					family(is(domain, seccomp.GreaterThan, unix.AF_INET), is(domain, seccomp.LessThan, unix.AF_INET6)),
					family(is(domain, seccomp.GreaterThan, unix.AF_INET6), is(domain, seccomp.LessThan, unix.AF_NETLINK)),
					family(is(domain, seccomp.GreaterThan, unix.AF_NETLINK)),
					family(is(domain, seccomp.Equal, unix.AF_NETLINK), is(protocol, seccomp.NotEqual, unix.NETLINK_ROUTE)),
					family(is(protocol, seccomp.GreaterThan, unix.IPPROTO_UDP)),
				},
			}},
		},
	}
	if err := seccomp.LoadFilter(filter); err != nil {
		return fmt.Errorf("forbid ship the system calls it does not need: %w", err)
	}
	return nil
}
