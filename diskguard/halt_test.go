package diskguard

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"

	"golang.org/x/sys/unix"
)

const childVariable = "AUDITBRIDGE_TEST_HALT_CHILD"

func TestMain(m *testing.M) {
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
	j := &fake{noted: func(line string) { fmt.Print(line) }, sealed: func() { fmt.Println("sealed") }}
	j.enters(journal.StateFull)
	g, err := New(config(Halt), j)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
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
	steps := []string{"op=space-action", "op=halt", "sealed"}
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
	run.Env = append(os.Environ(), OutsideVariable+"=pid:[1]")
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
		if err := PowerOff(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Fatalf("%s=%q: got %v", OutsideVariable, protected, err)
		}
	}
}

func TestProcessOneIsAskedInItsOwnWay(t *testing.T) {
	for name, want := range map[string][]string{
		"systemd": {"/usr/bin/systemctl", "poweroff"}, "init": {"/sbin/init", "0"}, "tini": nil, "": nil,
	} {
		if got := orderly(name); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}

// fake is a journal whose state the test decides.
type fake struct {
	state  atomic.Uint32 // a journal.State
	bytes  int64
	noted  func(line string)
	sealed func()
}

func (j *fake) Stats() journal.Stats        { return journal.Stats{State: journal.State(j.state.Load())} }
func (j *fake) enters(s journal.State)      { j.state.Store(uint32(s)) }
func (j *fake) Segments() []journal.Segment { return []journal.Segment{{Bytes: j.bytes}} }
func (j *fake) Note(n auditbridge.Note) {
	j.noted(string(auditbridge.AppendNote(nil, &n, time.Unix(1709742929, 0), auditbridge.FirstNoteSerial)))
}
