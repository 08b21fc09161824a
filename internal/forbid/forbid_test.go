package forbid

import (
	"encoding/binary"
	"testing"

	"github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestWhatTheFilterAnswers runs the filter as the kernel would, on calls that no
// test should make.
func TestWhatTheFilterAnswers(t *testing.T) {
	calls := Calls{
		Always: []string{"ptrace", "no_such_call_on_this_processor"},
		When: []seccomp.NameWithConditions{
			If("socket", Is(0, seccomp.GreaterThan, unix.AF_UNIX), Is(0, seccomp.LessThan, unix.AF_NETLINK)),
			If("socket", Is(0, seccomp.GreaterThan, unix.AF_NETLINK)),
			If("reboot", Is(2, seccomp.NotEqual, unix.LINUX_REBOOT_CMD_POWER_OFF)),
			If("clone", Is(0, seccomp.BitsSet, unix.CLONE_NEWUSER|unix.CLONE_NEWNET)),
		},
		Absent: []string{"clone3"},
	}
	program, err := calls.program()
	if err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	own, err := arch.GetInfo("")
	if err != nil {
		t.Fatal(err)
	}
	const (
		allow  = uint32(seccomp.ActionAllow)
		refuse = uint32(seccomp.ActionErrno) | uint32(unix.EPERM)
		absent = uint32(seccomp.ActionErrno) | uint32(unix.ENOSYS)
	)
	for _, row := range []struct {
		what      string
		processor uint32
		call      string
		beyond    uint32 // added to the call's number
		args      []uint64
		want      uint32
	}{
		{"what is not named", uint32(own.ID), "read", 0, nil, allow},
		{"what is never needed", uint32(own.ID), "ptrace", 0, nil, refuse},
		{"a Unix socket", uint32(own.ID), "socket", 0, []uint64{unix.AF_UNIX}, allow},
		{"a netlink socket", uint32(own.ID), "socket", 0, []uint64{unix.AF_NETLINK}, allow},
		{"a network socket", uint32(own.ID), "socket", 0, []uint64{unix.AF_INET}, refuse},
		{"a packet socket", uint32(own.ID), "socket", 0, []uint64{unix.AF_PACKET}, refuse},
		{"a network socket whose upper half the kernel ignores", uint32(own.ID), "socket", 0, []uint64{1<<32 | unix.AF_INET}, refuse},
		{"power off", uint32(own.ID), "reboot", 0, []uint64{0, 0, unix.LINUX_REBOOT_CMD_POWER_OFF}, allow},
		{"restart", uint32(own.ID), "reboot", 0, []uint64{0, 0, unix.LINUX_REBOOT_CMD_RESTART}, refuse},
		{"a thread", uint32(own.ID), "clone", 0, []uint64{unix.CLONE_VM | unix.CLONE_THREAD}, allow},
		{"a namespace", uint32(own.ID), "clone", 0, []uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}, refuse},
		{"what hides its flags", uint32(own.ID), "clone3", 0, nil, absent},
		{"another processor's numbers", uint32(arch.I386.ID), "ptrace", 0, nil, absent},
		{"another processor's numbers, of what is not named", uint32(arch.I386.ID), "read", 0, nil, absent},
		{"numbers with x32's mark", uint32(own.ID), "ptrace", 0x40000000, nil, absent},
	} {
		number, ok := own.SyscallNames[row.call]
		if !ok {
			t.Fatalf("%s: there is no call %s", row.what, row.call)
		}
		got, err := vm.Run(seccompData(row.processor, uint32(number)+row.beyond, row.args))
		if err != nil {
			t.Fatal(err)
		}
		if uint32(got) != row.want {
			t.Errorf("%s: %#x, want %#x", row.what, uint32(got), row.want)
		}
	}
}

// seccompData is the kernel's struct of that name. The machine of package bpf
// reads numbers as the network has them, the kernel as the processor has.
func seccompData(processor, call uint32, args []uint64) []byte {
	data := make([]byte, 16+6*8)
	binary.BigEndian.PutUint32(data[0:], call)
	binary.BigEndian.PutUint32(data[4:], processor)
	for i, arg := range args { // the lower half comes first, as on all processors we are built for
		binary.BigEndian.PutUint32(data[16+8*i:], uint32(arg))
		binary.BigEndian.PutUint32(data[20+8*i:], uint32(arg>>32))
	}
	return data
}
