package diskguard

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Halter takes the last step of Halt. When it returns nil the host is on its
// way down.
type Halter func(context.Context) error

// orderlyLimit is how long process 1 may take to accept that it shall power
// off; after that it is not asked any more.
const orderlyLimit = 30 * time.Second

// PowerOff powers the host off: the orderly way of whoever is process 1, else
// reboot(2). File systems are synced first, for at most 5 seconds.
func PowerOff(ctx context.Context) error {
	protected, test := Protected()
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		own = "" // of no concern to the daemon itself
	}
	if err := mayPowerOff(own, protected, test); err != nil {
		return err
	}
	syncDisks()
	way := orderly(processOne())
	if way == nil || test { // process 1 may be reached from inside a test's namespace; reboot(2) stays within
		return powerOffNow()
	}
	// ctx may well end before the command does: process 1 stops us, too.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), orderlyLimit)
	defer cancel()
	if out, err := exec.CommandContext(limited, way[0], way[1:]...).CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("%s: %w: %s", strings.Join(way, " "), err, out), powerOffNow())
	}
	return nil
}

// orderly is the command by which process 1, of that name, powers off; nil when
// we do not know it.
func orderly(name string) []string {
	switch name {
	case "systemd":
		return []string{"/usr/bin/systemctl", "poweroff"}
	case "init":
		return []string{"/sbin/init", "0"}
	}
	return nil
}

func processOne() string {
	name, err := os.ReadFile("/proc/1/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}

func powerOffNow() error {
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		return fmt.Errorf("power off: %w", err)
	}
	return nil
}

func syncDisks() {
	done := make(chan struct{})
	go func() {
		unix.Sync()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
	}
}

// OutsideVariable names, in the environment of a test binary, the PID namespace
// (as in /proc/self/ns/pid) that the test protects: PowerOff works in others
// only, and without it not at all. In any namespace but the first, reboot(2)
// ends that namespace and nothing else (pid_namespaces(7)). The daemon itself
// never heeds it: no environment keeps it from halting the host.
const OutsideVariable = "AUDITBRIDGE_NEVER_HALT"

// Protected is the PID namespace that PowerOff must not halt; test is false in
// the daemon itself, where there is none.
func Protected() (namespace string, test bool) {
	if !isTestBinary() {
		return "", false
	}
	return os.Getenv(OutsideVariable), true
}

// mayPowerOff decides for a process in the PID namespace own.
func mayPowerOff(own, protected string, test bool) error {
	if test && (own == "" || protected == "" || own == protected) {
		return fmt.Errorf("power off under test: refused: this is PID namespace %q, and %s=%q", own, OutsideVariable, protected)
	}
	return nil
}

// isTestBinary knows a program that go test built by the flags that package
// testing gives it before anything else runs, so that the daemon need not carry
// that package to ask it.
func isTestBinary() bool { return flag.Lookup("test.v") != nil }
