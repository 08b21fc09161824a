package diskguard

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Halter takes the last step of Halt, or of Single. When it returns nil the host
// is on its way down.
type Halter func(context.Context) error

// Command runs a command of the host's and waits for it; the end of ctx kills it.
type Command func(ctx context.Context, argv []string) error

// execute is Command unless Means have another.
func execute(ctx context.Context, argv []string) error {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// orderlyLimit is how long process 1 may take to accept what it is asked for;
// after that it is not asked any more.
const orderlyLimit = 30 * time.Second

// PowerOff powers the host off: by systemd, else by init, else by reboot(2). File
// systems are synced first, for at most 5 seconds.
func PowerOff(ctx context.Context, run Command) error {
	test, err := mayEnd()
	if err != nil {
		return err
	}
	syncDisks()
	asked := errors.New("there is no process 1 to ask")
	if !test { // process 1 may be reached from inside a test's namespace; reboot(2) stays within
		asked = ask(ctx, run, offCommands[processOne()])
	}
	if asked == nil {
		return nil
	}
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		return errors.Join(asked, fmt.Errorf("power off: %w", err))
	}
	return nil
}

// Rescue puts the host into single-user mode: by systemd, else by init. Whoever
// knows root's password goes on at its console.
func Rescue(ctx context.Context, run Command) error {
	test, err := mayEnd()
	if err != nil {
		return err
	}
	if test {
		return errors.New("single-user mode under test: refused: process 1 might be reached")
	}
	syncDisks()
	return ask(ctx, run, rescueCommands[processOne()])
}

// What process 1, by its name, is asked with, in this order.
var (
	offCommands = map[string][][]string{
		"systemd": {{"/usr/bin/systemctl", "--no-block", "poweroff"}, {"/sbin/init", "0"}},
		"init":    {{"/sbin/init", "0"}},
	}
	rescueCommands = map[string][][]string{
		"systemd": {{"/usr/bin/systemctl", "--no-block", "rescue"}, {"/sbin/init", "1"}},
		"init":    {{"/sbin/init", "1"}},
	}
)

// IsCommand reports whether PowerOff or Rescue may have argv run, on some host.
func IsCommand(argv []string) bool {
	for _, all := range []map[string][][]string{offCommands, rescueCommands} {
		for _, commands := range all {
			if slices.ContainsFunc(commands, func(c []string) bool { return slices.Equal(c, argv) }) {
				return true
			}
		}
	}
	return false
}

// ask tries one command after the other until one is accepted.
func ask(ctx context.Context, run Command, commands [][]string) error {
	errs := []error{errors.New("process 1 is neither systemd nor init")}
	for i, argv := range commands {
		// ctx may well end before the command does: process 1 stops us, too.
		limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), orderlyLimit)
		err := run(limited, argv)
		cancel()
		if err == nil {
			return nil
		}
		errs = append(errs[:i], err)
	}
	return errors.Join(errs...)
}

func processOne() string {
	name, err := os.ReadFile("/proc/1/comm")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
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

// mayEnd is an error where this process must not end what the host does.
func mayEnd() (test bool, err error) {
	protected, test := Protected()
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		own = "" // of no concern to the daemon itself
	}
	return test, mayPowerOff(own, protected, test)
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
