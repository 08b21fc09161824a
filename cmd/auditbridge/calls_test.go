package main

import (
	"slices"
	"testing"

	"auditbridge/auditbridge/interpret"

	"golang.org/x/sys/unix"
)

// A filter takes a name that a processor does not have for no mistake; so each is one
// on some.
func TestWhatIsForbiddenAreSystemCalls(t *testing.T) {
	ship := shipCalls(false)
	names := slices.Concat(ship.Always, ship.Absent, runCalls.Always, runCalls.Absent)
	for _, call := range slices.Concat(ship.When, runCalls.When) {
		names = append(names, call.Name)
	}
	for _, name := range names {
		_, known := interpret.SyscallNumber(unix.AUDIT_ARCH_X86_64, name)
		if _, on32Bits := interpret.SyscallNumber(unix.AUDIT_ARCH_ARM, name); !known && !on32Bits {
			t.Errorf("there is no call %q", name)
		}
	}
}
