package main

import (
	"fmt"
	"slices"

	"auditbridge/internal/forbid"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// neededByNobody are system calls that neither run nor ship ever makes: to look
// into others, to change the system or what they see of it, and io_uring, which
// would go round a filter.
var neededByNobody = []string{
	"ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "perf_event_open", "userfaultfd", "bpf", "open_by_handle_at",
	"unshare", "setns", "chroot", "pivot_root", "mount", "umount2", "fsopen", "fspick", "fsmount", "move_mount", "open_tree", "mount_setattr",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "iopl", "ioperm",
	"swapon", "swapoff", "acct", "quotactl", "settimeofday", "clock_settime", "clock_settime64", "sethostname", "setdomainname",
	"add_key", "request_key", "keyctl", "io_uring_setup",
}

// newNamespace is a clone(2) that unshares something.
var newNamespace = forbid.If("clone", forbid.Is(0, bpf.JumpBitsSet, unix.CLONE_NEWNS|unix.CLONE_NEWCGROUP|unix.CLONE_NEWUTS|
	unix.CLONE_NEWIPC|unix.CLONE_NEWUSER|unix.CLONE_NEWPID|unix.CLONE_NEWNET))

// hidesItsFlags is the call whose flags a filter cannot see; everybody who uses
// it knows clone(2) too.
var hidesItsFlags = []string{"clone3"}

// connectsByData are the calls that send, with the flag that has them connect first
// (TCP Fast Open): the kernel does so without asking Landlock.
var connectsByData = []forbid.Call{
	forbid.If("sendto", forbid.Is(3, bpf.JumpBitsSet, unix.MSG_FASTOPEN)),
	forbid.If("sendmsg", forbid.Is(2, bpf.JumpBitsSet, unix.MSG_FASTOPEN)),
	forbid.If("sendmmsg", forbid.Is(3, bpf.JumpBitsSet, unix.MSG_FASTOPEN)),
}

// The arguments of socket(2).
const domain, protocol = 0, 2

// shipCalls are what Landlock has no word for: to become or to start another
// program, to be called (who serves an entrance is, at the socket it was given, and has no
// other), and every socket but those of TCP, UDP and Unix and
// netlink's of routing, by which the interfaces are listed. Landlock's rules for
// ports hold neither for multipath TCP nor for a connection that data begins.
func shipCalls(accepts bool) forbid.Calls {
	always := slices.Concat(neededByNobody, []string{"execve", "execveat", "listen", "reboot"})
	if !accepts {
		always = append(always, "accept", "accept4")
	}
	return forbid.Calls{Always: always, When: shipSockets, Absent: hidesItsFlags}
}

var shipSockets = append([]forbid.Call{
	forbid.If("socket", forbid.Is(domain, bpf.JumpGreaterThan, unix.AF_INET), forbid.Is(domain, bpf.JumpLessThan, unix.AF_INET6)),
	forbid.If("socket", forbid.Is(domain, bpf.JumpGreaterThan, unix.AF_INET6), forbid.Is(domain, bpf.JumpLessThan, unix.AF_NETLINK)),
	forbid.If("socket", forbid.Is(domain, bpf.JumpGreaterThan, unix.AF_NETLINK)),
	forbid.If("socket", forbid.Is(domain, bpf.JumpEqual, unix.AF_NETLINK), forbid.Is(protocol, bpf.JumpNotEqual, unix.NETLINK_ROUTE)),
	forbid.If("socket", forbid.Is(protocol, bpf.JumpGreaterThan, unix.IPPROTO_UDP)),
	newNamespace,
}, connectsByData...)

// runCalls leave run, of all sockets, Unix's and netlink's of audit and routing,
// by which the interfaces are listed, and of reboot(2) the halt. To execute is not among them, for the sake of a restart in
// place; what is executed keeps the filter.
var runCalls = forbid.Calls{
	Always: neededByNobody,
	When: []forbid.Call{
		forbid.If("socket", forbid.Is(domain, bpf.JumpGreaterThan, unix.AF_UNIX), forbid.Is(domain, bpf.JumpLessThan, unix.AF_NETLINK)),
		forbid.If("socket", forbid.Is(domain, bpf.JumpGreaterThan, unix.AF_NETLINK)),
		forbid.If("socket", forbid.Is(domain, bpf.JumpEqual, unix.AF_NETLINK), forbid.Is(protocol, bpf.JumpGreaterThan, unix.NETLINK_ROUTE), forbid.Is(protocol, bpf.JumpLessThan, unix.NETLINK_AUDIT)),
		forbid.If("socket", forbid.Is(domain, bpf.JumpEqual, unix.AF_NETLINK), forbid.Is(protocol, bpf.JumpGreaterThan, unix.NETLINK_AUDIT)),
		forbid.If("reboot", forbid.Is(2, bpf.JumpNotEqual, unix.LINUX_REBOOT_CMD_POWER_OFF)),
		newNamespace,
	},
	Absent: hidesItsFlags,
}

// forbidShip is ship's share of forbidding itself. Without seccomp it does not
// face the network.
func forbidShip(accepts bool) error {
	if err := shipCalls(accepts).Apply(); err != nil {
		return fmt.Errorf("forbid ship the system calls it does not need: %w", err)
	}
	return nil
}
