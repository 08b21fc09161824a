package forbid

import (
	"fmt"
	"math"
	"slices"

	"auditbridge/auditbridge/interpret"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// What a filter answers.
var (
	allow  = bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}
	refuse = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)}
	absent = bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)}
)

// Parts of struct seccomp_data (include/uapi/linux/seccomp.h).
var (
	number    = bpf.LoadAbsolute{Off: 0, Size: 4}
	processor = bpf.LoadAbsolute{Off: 4, Size: 4}
)

func lowerHalf(argument uint32) bpf.Instruction {
	return bpf.LoadAbsolute{Off: 16 + 8*argument, Size: 4}
}
func upperHalf(argument uint32) bpf.Instruction {
	return bpf.LoadAbsolute{Off: 20 + 8*argument, Size: 4}
}

// x32 is set in the numbers of another set of calls of x86_64; no number is as high.
const x32 = 0x40000000

// program is the filter for a processor. Whoever calls by the numbers of another, as
// a 64-bit program may by int 0x80, finds no calls at all: they are not in the
// table, so each would be let through.
func (c Calls) program(own uint32) ([]bpf.Instruction, error) {
	filter := []bpf.Instruction{
		processor, bpf.JumpIf{Cond: bpf.JumpEqual, Val: own, SkipTrue: 1}, absent,
		number, bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32, SkipTrue: 1}, absent,
	}
	add := func(name string, then ...bpf.Instruction) {
		if nr, known := interpret.SyscallNumber(own, name); known {
			filter = append(filter, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(nr), SkipTrue: uint8(len(then))})
			filter = append(filter, then...)
		}
	}
	for _, name := range c.Always {
		add(name, refuse)
	}
	for _, name := range c.Absent {
		add(name, absent)
	}
	for _, call := range c.When {
		if slices.ContainsFunc(call.Conditions, func(c Condition) bool { return !slices.Contains(tests, c.Test) }) {
			return nil, fmt.Errorf("%s has a condition of a kind that is not known here", call.Name)
		}
		then := call.refused()
		if len(then) > math.MaxUint8 {
			return nil, fmt.Errorf("%s has %d conditions: no jump is as long", call.Name, len(call.Conditions))
		}
		add(call.Name, then...)
	}
	return append(filter, allow), nil
}

// tests are those that unless knows.
var tests = []bpf.JumpTest{bpf.JumpEqual, bpf.JumpNotEqual, bpf.JumpGreaterThan, bpf.JumpLessThan, bpf.JumpBitsSet}

// refused is what follows a call's number: refuse if all conditions hold, else go on
// with the number behind it.
func (c Call) refused() []bpf.Instruction {
	then := []bpf.Instruction{refuse, number}
	for _, condition := range c.Conditions {
		then = append(condition.unless(uint8(len(then)-1)), then...)
	}
	return then
}

// unless skips so many instructions when the condition does not hold. The upper halves
// decide, where they do, for it or against it.
func (c Condition) unless(skip uint8) []bpf.Instruction {
	upper, lower := uint32(c.Value>>32), uint32(c.Value)
	holds, fails := uint8(3), skip+2
	switch c.Test {
	case bpf.JumpEqual:
		holds = 0
	case bpf.JumpBitsSet:
		fails = 0
	}
	return []bpf.Instruction{
		upperHalf(c.Argument),
		bpf.JumpIf{Cond: c.Test, Val: upper, SkipTrue: holds},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: upper, SkipTrue: fails},
		lowerHalf(c.Argument),
		bpf.JumpIf{Cond: c.Test, Val: lower, SkipFalse: skip},
	}
}
