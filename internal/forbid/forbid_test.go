package forbid

import (
	"encoding/binary"
	"slices"
	"testing"

	"auditbridge/auditbridge/interpret"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// TestWhatTheFilterAnswers runs the filter as the kernel would, on calls that no
// test should make.
func TestWhatTheFilterAnswers(t *testing.T) {
	calls := Calls{
		Always: []string{"ptrace", "no_such_call_on_this_processor"},
		When: []Call{
			If("socket", Is(0, bpf.JumpGreaterThan, unix.AF_UNIX), Is(0, bpf.JumpLessThan, unix.AF_NETLINK)),
			If("socket", Is(0, bpf.JumpGreaterThan, unix.AF_NETLINK)),
			If("reboot", Is(2, bpf.JumpNotEqual, unix.LINUX_REBOOT_CMD_POWER_OFF)),
			If("clone", Is(0, bpf.JumpBitsSet, unix.CLONE_NEWUSER|unix.CLONE_NEWNET)),
		},
		Absent: []string{"clone3"},
	}
	own, err := thisProcessor()
	if err != nil {
		t.Fatal(err)
	}
	vm := machine(t, calls, own)
	other := uint32(unix.AUDIT_ARCH_I386)
	if own == other {
		other = unix.AUDIT_ARCH_X86_64
	}
	for _, row := range []struct {
		what      string
		processor uint32
		call      string
		beyond    uint32 // added to the call's number
		args      []uint64
		want      bpf.RetConstant
	}{
		{"what is not named", own, "read", 0, nil, allow},
		{"what is never needed", own, "ptrace", 0, nil, refuse},
		{"a Unix socket", own, "socket", 0, []uint64{unix.AF_UNIX}, allow},
		{"a netlink socket", own, "socket", 0, []uint64{unix.AF_NETLINK}, allow},
		{"a network socket", own, "socket", 0, []uint64{unix.AF_INET}, refuse},
		{"a packet socket", own, "socket", 0, []uint64{unix.AF_PACKET}, refuse},
		{"a network socket whose upper half the kernel ignores", own, "socket", 0, []uint64{1<<32 | unix.AF_INET}, refuse},
		{"power off", own, "reboot", 0, []uint64{0, 0, unix.LINUX_REBOOT_CMD_POWER_OFF}, allow},
		{"restart", own, "reboot", 0, []uint64{0, 0, unix.LINUX_REBOOT_CMD_RESTART}, refuse},
		{"a thread", own, "clone", 0, []uint64{unix.CLONE_VM | unix.CLONE_THREAD}, allow},
		{"a namespace", own, "clone", 0, []uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}, refuse},
		{"what hides its flags", own, "clone3", 0, nil, absent},
		{"another processor's numbers", other, "ptrace", 0, nil, absent},
		{"another processor's numbers, of what is not named", other, "read", 0, nil, absent},
		{"numbers with x32's mark", own, "ptrace", 0x40000000, nil, absent},
	} {
		number, ok := interpret.SyscallNumber(own, row.call)
		if !ok {
			t.Fatalf("%s: there is no call %s", row.what, row.call)
		}
		got, err := vm.Run(seccompData(row.processor, uint32(number)+row.beyond, row.args))
		if err != nil {
			t.Fatal(err)
		}
		if uint32(got) != row.want.Val {
			t.Errorf("%s: %#x, want %#x", row.what, uint32(got), row.want.Val)
		}
	}
}

// TestAFilterDecidesAsItsConditionsSay compares filters with what their conditions mean.
func TestAFilterDecidesAsItsConditionsSay(t *testing.T) {
	own, err := thisProcessor()
	if err != nil {
		t.Fatal(err)
	}
	reboot, _ := interpret.SyscallNumber(own, "reboot")
	holds := map[bpf.JumpTest]func(argument, value uint64) bool{
		bpf.JumpEqual:       func(a, v uint64) bool { return a == v },
		bpf.JumpNotEqual:    func(a, v uint64) bool { return a != v },
		bpf.JumpGreaterThan: func(a, v uint64) bool { return a > v },
		bpf.JumpLessThan:    func(a, v uint64) bool { return a < v },
		bpf.JumpBitsSet:     func(a, v uint64) bool { return a&v != 0 },
	}
	half := rapid.Uint64Range(0, 3) // halves are often equal so
	number := rapid.Custom(func(t *rapid.T) uint64 { return half.Draw(t, "upper")<<32 | half.Draw(t, "lower") })
	condition := rapid.Custom(func(t *rapid.T) Condition {
		return Is(rapid.Uint32Range(0, 5).Draw(t, "argument"), rapid.SampledFrom(tests).Draw(t, "test"), number.Draw(t, "value"))
	})
	rapid.Check(t, func(t *rapid.T) {
		calls := Calls{Always: []string{"ptrace"}}
		args := rapid.SliceOfN(number, 6, 6).Draw(t, "arguments")
		want := allow
		for range rapid.IntRange(1, 3).Draw(t, "calls") {
			c := If("reboot", rapid.SliceOfN(condition, 1, 4).Draw(t, "conditions")...)
			calls.When = append(calls.When, If("ptrace", c.Conditions...), c)
			all := true
			for _, is := range c.Conditions {
				all = all && holds[is.Test](args[is.Argument], is.Value)
			}
			if all {
				want = refuse
			}
		}
		vm := machine(t, calls, own)
		if got, err := vm.Run(seccompData(own, uint32(reboot), args)); err != nil || uint32(got) != want.Val {
			t.Errorf("%#x, %v, want %#x", got, err, want.Val)
		}
	})
}

// A jump spans 255 instructions, and of the comparisons some are not known.
func TestWhatNoFilterCanSayIsAnError(t *testing.T) {
	many := Calls{When: []Call{If("reboot", slices.Repeat([]Condition{Is(0, bpf.JumpEqual, 1)}, 51)...)}}
	if _, err := many.program(unix.AUDIT_ARCH_X86_64); err == nil {
		t.Error("a filter that cannot be is no error")
	}
	unknown := Calls{When: []Call{If("reboot", Is(0, bpf.JumpLessOrEqual, 1))}}
	if _, err := unknown.program(unix.AUDIT_ARCH_X86_64); err == nil {
		t.Error("a comparison that is not known is no error")
	}
	many.When[0].Conditions = many.When[0].Conditions[1:]
	if _, err := many.program(unix.AUDIT_ARCH_X86_64); err != nil {
		t.Error(err)
	}
}

// machine runs the filter.
func machine(t rapid.TB, calls Calls, own uint32) *bpf.VM {
	program, err := calls.program(own)
	if err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
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
