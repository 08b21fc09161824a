package diskguard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/peertest"
	"auditbridge/journal"

	"golang.org/x/sys/unix"
)

const childVariable = "AUDITBRIDGE_TEST_HALT_CHILD"

func TestMain(m *testing.M) {
	peertest.OwnMounts()
	if _, test := Protected(); !test {
		panic("this program is not known to be a test: it could halt the machine")
	}
	if what := os.Getenv(childVariable); what != "" {
		fmt.Println("child:", processOneOf(what))
		os.Exit(9)
	}
	os.Exit(m.Run())
}

// processOneOf is process 1 of a PID namespace made for it, with a /proc of its
// own. It returns only when something is wrong.
func processOneOf(what string) error {
	if os.Getpid() != 1 {
		return fmt.Errorf("pid %d, not 1: no namespace was made", os.Getpid())
	}
	if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if dir, named := strings.CutPrefix(what, "disk="); named {
		return fillAndHalt(dir)
	}
	return haltAtOnce()
}

// haltAtOnce has a journal that is full; the last step is the real one.
func haltAtOnce() error {
	j := &fake{tell: func(what string) { fmt.Println(what) }}
	j.enters(journal.StateFull)
	g, err := New(config(Halt), j)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return g.Run(ctx)
}

// inNamespace runs what as process 1 of a new PID namespace, sees to it that it
// ends by power-off, and returns what it wrote. reboot(2) inside a PID namespace
// kills its process 1 with SIGINT and touches nothing else (pid_namespaces(7)).
func inNamespace(t *testing.T, what string) string {
	t.Helper()
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), childVariable+"="+what, OutsideVariable+"="+own)
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	child.Stdout, child.Stderr = &out, &out
	err = child.Run()
	status, ok := child.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() || status.Signal() != syscall.SIGINT {
		t.Fatalf("the namespace ended with %v, not by its power-off\n%s", err, &out)
	}
	return out.String()
}

// The whole way of disk-full-action = "halt": on record, sealed, powered off.
func TestHaltPowersOffItsNamespace(t *testing.T) {
	out := inNamespace(t, "at once")
	steps := []string{"level disk-full", "action halt", "halt at disk-full", "sealed"}
	at := 0
	for line := range strings.Lines(out) {
		if at < len(steps) && strings.Contains(line, steps[at]) {
			at++
		}
	}
	if at < len(steps) {
		t.Errorf("before the end there was no %q:\n%s", steps[at], out)
	}
}

// What the environment says counts in a test alone.
func TestWhereTheHostMayBePoweredOff(t *testing.T) {
	for _, row := range []struct {
		own, protected string
		test, may      bool
	}{
		{"pid:[1]", "", false, true}, {"", "", false, true},
		{"pid:[1]", "", true, false}, {"pid:[1]", "pid:[1]", true, false}, {"", "pid:[1]", true, false},
		{"pid:[2]", "pid:[1]", true, true},
	} {
		if err := mayPowerOff(row.own, row.protected, row.test); (err == nil) != row.may {
			t.Errorf("in %q with %q protected, a test: %v; got %v", row.own, row.protected, row.test, err)
		}
	}
}

// The program that a user runs is none of these: the variable does nothing.
func TestTheProgramItselfHeedsNoVariable(t *testing.T) {
	main := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(main, []byte("package main\n\nimport \"auditbridge/diskguard\"\n\nfunc main() { println(diskguard.Protected()) }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := exec.Command("go", "run", main)
	run.Env = append(os.Environ(), OutsideVariable+"=pid:[1]", "GOFLAGS=") // -v would have go say more
	if out, err := run.CombinedOutput(); err != nil || string(out) != " false\n" {
		t.Errorf("a program that is no test says %q, %v", out, err)
	}
}

func TestPowerOffRefusesOutsideANamespaceMadeForIt(t *testing.T) {
	own, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	for _, protected := range []string{"", own} {
		t.Setenv(OutsideVariable, protected)
		if err := PowerOff(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Fatalf("%s=%q: got %v", OutsideVariable, protected, err)
		}
	}
}

// Of several ways the next is tried when one fails, and an answer ends it.
func TestProcessOneIsAskedInItsOwnWay(t *testing.T) {
	for _, row := range []struct {
		processOne string
		fail       int // so many of the commands fail
		off        string
		rescue     string
	}{
		{"systemd", 0, "/usr/bin/systemctl --no-block poweroff", "/usr/bin/systemctl --no-block rescue"},
		{"systemd", 1, "/usr/bin/systemctl --no-block poweroff, /sbin/init 0", "/usr/bin/systemctl --no-block rescue, /sbin/init 1"},
		{"init", 0, "/sbin/init 0", "/sbin/init 1"},
		{"tini", 0, "", ""},
	} {
		for want, commands := range map[string][][]string{row.off: offCommands[row.processOne], row.rescue: rescueCommands[row.processOne]} {
			var asked []string
			err := ask(t.Context(), func(_ context.Context, argv []string) error {
				if !IsCommand(argv) {
					t.Errorf("%v is none of ours", argv)
				}
				if asked = append(asked, strings.Join(argv, " ")); len(asked) <= row.fail {
					return errors.New("no")
				}
				return nil
			}, commands)
			if got := strings.Join(asked, ", "); got != want || (err == nil) != (want != "") {
				t.Errorf("%s, %d fail: asked %q, %v; want %q", row.processOne, row.fail, got, err, want)
			}
		}
	}
}

func TestSingleUserModeIsNeverTriedUnderTest(t *testing.T) {
	t.Setenv(OutsideVariable, "pid:[1]")
	if err := Rescue(t.Context(), func(context.Context, []string) error { t.Error("asked"); return nil }); err == nil {
		t.Error("no error")
	}
}
