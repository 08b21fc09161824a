// Package boot knows this boot of the host: what the kernel calls it, and how long it
// has lasted by the clock that nobody can set.
package boot

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ID tells this boot from all others (proc(5), random/boot_id).
func ID() (string, error) {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("tell this boot from others: %w", err)
	}
	return string(bytes.TrimSpace(id)), nil
}

// Age is how long it has lasted, the time asleep included (CLOCK_BOOTTIME).
func Age() (time.Duration, error) {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0, fmt.Errorf("read the boot clock: %w", err)
	}
	return time.Duration(t.Nano()), nil
}
