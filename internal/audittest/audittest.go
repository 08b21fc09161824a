// Package audittest lets a test use the kernel's audit system, of which a
// machine has one: it is reserved by a machine-wide lock, its status and rules
// are saved, and whatever a test did to them is undone afterwards.
//
// Tests here never skip: without root, without auditctl or with another audit
// daemon at work they fail and say so.
package audittest

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"auditbridge/internal/peertest"

	"golang.org/x/sys/unix"
)

// LockFile is what `flock` takes by hand for an experiment. While a test holds
// it, it contains the auditctl script that puts things back, so that the next
// holder can do so for one that was killed.
const LockFile = "/run/lock/auditbridge-audit.lock"

// Audit is the kernel's audit system, reserved for one test.
type Audit struct {
	t   testing.TB
	gen string // the event generator, once it is built
}

// Kernel waits until kernel audit is free, reserves it for the rest of t and
// leaves it disabled, without rules, and with a short backlog_wait_time: a test
// that stalls its reader must not freeze the machine for a minute.
func Kernel(t testing.TB) *Audit {
	t.Helper()
	asked := time.Now()
	lock := reserve(t)
	got := time.Now()
	t.Cleanup(func() {
		lock.Close()
		t.Logf("waited %.1f s for kernel audit, had it for %.1f s", got.Sub(asked).Seconds(), time.Since(got).Seconds())
	})
	return take(t, lock)
}

// take is Kernel for who holds the lock already.
func take(t testing.TB, lock *os.File) *Audit {
	t.Helper()
	a := &Audit{t: t}
	if abandoned(t, lock) {
		// Who had it was killed, and so is whatever owned kernel audit for it.
		Poll(t, "the owner of kernel audit that an aborted test has left has ended", func() bool { return !owns(t, a.Status().PID) })
		restore(t)
	}
	before := a.Status()
	if owns(t, before.PID) {
		t.Fatalf("kernel audit is owned by %s: stop it to run this test", processName(before.PID))
	}
	if before.Enabled == 2 {
		t.Fatal("kernel audit is locked (enabled 2) until reboot: this test cannot run here")
	}
	if before.PID != 0 {
		a.buryOwner()
	}
	holder := fmt.Sprintf("# held by %s, pid %d; this puts kernel audit back:\n", t.Name(), os.Getpid())
	script := holder + before.script(auditctl(t, "-l"))
	if err := os.WriteFile(LockFile, []byte(script), 0o600); err != nil {
		t.Fatalf("save kernel audit state: %v", err)
	}
	t.Cleanup(func() {
		restore(t)
		if err := lock.Truncate(0); err != nil {
			t.Errorf("empty %s: %v", LockFile, err)
		}
	})
	// 100 jiffies; zero would mean "drop at once" and make every test lossy.
	auditctl(t, "-D")
	auditctl(t, "-e", "0")
	auditctl(t, "-b", "8192")
	auditctl(t, "--backlog_wait_time", "100")
	return a
}

// buryOwner has the kernel notice that its owner is dead: it names it until it next
// tries to deliver to it.
func (a *Audit) buryOwner() {
	a.t.Helper()
	auditctl(a.t, "-e", "1")
	Poll(a.t, "the kernel forgets an owner that has ended", func() bool {
		a.SendUserMessage(userTest, "op=anybody-there")
		return a.Status().PID == 0
	})
}

// userTest is AUDIT_TEST, which no program's records have.
const userTest = 1120

// Patient has who is audited wait for a reader that does not keep up as long as the
// kernel lets him by default, a minute: for a test that shows that nothing is lost,
// however busy the machine is. Its reader must be one that comes back.
func (a *Audit) Patient() {
	a.t.Helper()
	a.Set("--backlog_wait_time", "15000")
}

// AddRule adds an audit rule in auditctl's words: "-a", "always,exit", ….
func (a *Audit) AddRule(args ...string) {
	a.t.Helper()
	auditctl(a.t, args...)
}

// OnlySystemCalls has the kernel write no records but those of system calls:
// SYSCALL, PROCTITLE and EOE. Whatever logs in, or starts a network, while a test
// counts records is then not among them.
func (a *Audit) OnlySystemCalls() {
	a.t.Helper()
	for _, but := range [][]string{
		{"msgtype>=1100", "msgtype<1300"}, {"msgtype>1300", "msgtype<1320"}, {"msgtype>1320", "msgtype<1327"}, {"msgtype>1327"},
	} {
		rule := []string{"-a", "always,exclude"}
		for _, field := range but {
			rule = append(rule, "-F", field)
		}
		auditctl(a.t, rule...)
	}
}

// Rules lists the kernel's audit rules as auditctl does.
func (a *Audit) Rules() string {
	a.t.Helper()
	return auditctl(a.t, "-l")
}

// Set changes one of the kernel's values in auditctl's words, "-b", "100" or
// "--backlog_wait_time", "15000", until the test ends.
func (a *Audit) Set(option, value string) {
	a.t.Helper()
	auditctl(a.t, option, value)
}

// Enable turns auditing on without owning it: records go to the kernel log.
func (a *Audit) Enable() {
	a.t.Helper()
	auditctl(a.t, "-e", "1")
}

// Generate makes count events of one getpgid(999999) each under the rule it
// adds with that key, from another process, since the owner of kernel audit is
// itself never audited. perSecond 0 means as fast as possible.
func (a *Audit) Generate(count, perSecond int, key string) {
	a.t.Helper()
	a.StartGenerate(count, perSecond, key).Wait()
}

// Generator is a process that makes events.
type Generator struct {
	Wait func()     // returns when the events are made
	Stop func() int // has it make no more, and returns how many it made
	pid  int
}

// HeldBack tells whether the kernel lets the process sleep because its queue of
// records is full (TASK_UNINTERRUPTIBLE). auditctl cannot tell: it would be held
// back itself.
func (g *Generator) HeldBack() bool {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", g.pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return strings.HasPrefix(state, "D")
}

// StartGenerate is Generate that returns at once.
func (a *Audit) StartGenerate(count, perSecond int, key string) *Generator {
	a.t.Helper()
	rule := []string{"always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999999", "-k", key}
	auditctl(a.t, append([]string{"-a"}, rule...)...)
	var output, trouble bytes.Buffer
	command := exec.Command(a.generator(), strconv.Itoa(count), strconv.Itoa(perSecond))
	command.Stdout, command.Stderr = &output, &trouble
	if err := peertest.StartChild(command); err != nil {
		a.t.Fatalf("generate events: %v", err)
	}
	wait := sync.OnceFunc(func() {
		a.t.Helper()
		if err := command.Wait(); err != nil {
			a.t.Fatalf("generate events: %v: %s", err, &trouble)
		}
		auditctl(a.t, append([]string{"-d"}, rule...)...)
	})
	stop := func() int {
		a.t.Helper()
		command.Process.Signal(unix.SIGTERM)
		wait()
		made, err := strconv.Atoi(strings.TrimSpace(output.String()))
		if err != nil {
			a.t.Fatalf("generate events: %v", err)
		}
		return made
	}
	a.t.Cleanup(func() { command.Process.Kill() })
	return &Generator{pid: command.Process.Pid, Wait: wait, Stop: stop}
}

// generator builds it where the next test finds it built: who has kernel audit has
// that file, too.
func (a *Audit) generator() string {
	a.t.Helper()
	if a.gen != "" {
		return a.gen
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		a.t.Fatalf("build the event generator: %v", err)
	}
	path := filepath.Join(cache, "auditbridge-test", "gen")
	if out, err := exec.Command("go", "build", "-o", path, "auditbridge/internal/audittest/gen").CombinedOutput(); err != nil {
		a.t.Fatalf("build the event generator: %v: %s", err, out)
	}
	a.gen = path
	return path
}

// reserve takes the machine-wide lock. The descriptor is close-on-exec: a child
// that outlives the test must not keep it.
func reserve(t testing.TB) *os.File {
	t.Helper()
	lock, err := os.OpenFile(LockFile, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		t.Fatalf("reserve kernel audit: %v (these tests run as root)", err)
	}
	waits := time.AfterFunc(time.Minute, func() { // seen when the test is aborted for it
		held, _ := os.ReadFile(LockFile)
		holder, _, _ := strings.Cut(string(held), "\n")
		fmt.Fprintf(os.Stderr, "%s still waits for kernel audit: %s\n", t.Name(), holder)
	})
	defer waits.Stop()
	for err = unix.EINTR; err == unix.EINTR; {
		err = unix.Flock(int(lock.Fd()), unix.LOCK_EX)
	}
	if err != nil {
		t.Fatalf("reserve kernel audit: lock %s: %v", LockFile, err)
	}
	return lock
}

// abandoned tells whether the last holder was killed before it put things back.
func abandoned(t testing.TB, lock *os.File) bool {
	t.Helper()
	info, err := lock.Stat()
	if err != nil {
		t.Fatalf("reserve kernel audit: %v", err)
	}
	return info.Size() > 0
}

// restore runs the saved script.
func restore(t testing.TB) {
	t.Helper()
	out, err := exec.Command("auditctl", "-R", LockFile).CombinedOutput()
	if err != nil {
		t.Errorf("put kernel audit back with %s: %v: %s", LockFile, err, out)
	}
}

func auditctl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command("auditctl", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("auditctl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// owns tells whether a process has a socket of kernel audit, as its owner must: the
// kernel names a dead owner until it next tries to deliver to it, and another process
// may have its pid by then.
func owns(t testing.TB, pid int) bool {
	t.Helper()
	if pid == 0 {
		return false
	}
	sockets, err := os.ReadFile("/proc/net/netlink")
	if err != nil {
		t.Fatalf("find the owner of kernel audit: %v", err)
	}
	open := map[string]bool{}
	descriptors, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range descriptors {
		target, _ := os.Readlink(fd)
		open[target] = true
	}
	for line := range strings.Lines(string(sockets)) {
		if f := strings.Fields(line); len(f) == 10 && f[1] == strconv.Itoa(unix.NETLINK_AUDIT) && open["socket:["+f[9]+"]"] {
			return true
		}
	}
	return false
}

func processName(pid int) string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return fmt.Sprintf("%s (pid %d)", strings.TrimSpace(string(comm)), pid)
}

// Poll waits until holds returns true and fails t when it has not within two
// minutes.
func Poll(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited two minutes in vain: %s", what)
		}
	}
}
