// Package peertest runs the stock programs auditbridge talks to, each as a
// child in the foreground, on a loopback port of its own, with its files in the
// test's directory. A peer that is not installed fails the test: nothing is
// skipped. Only processes started here are ever killed.
package peertest

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a condition may take to come true. No test is decided
// by it unless it has already failed.
const Patience = 30 * time.Second

// Until waits for a condition, by polling.
func Until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("still waiting after %v: %s", Patience, what)
		}
	}
}

// Process is a child.
type Process struct {
	t   testing.TB
	cmd *exec.Cmd
	out output
}

// start runs a peer and kills it, and what it started, when the test ends.
func start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	path, err := find(name)
	if err != nil {
		t.Fatalf("%v: install it (the tests' peers are listed in scripts/peers)", err)
	}
	p := &Process{t: t, cmd: exec.Command(path, args...)}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", name, p.Output())
		}
	})
	return p
}

// find looks where Debian has its daemons too.
func find(name string) (string, error) {
	for _, dir := range []string{"/usr/sbin", "/usr/bin", "/sbin"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// Output is what the process wrote to stdout and stderr so far.
func (p *Process) Output() string { return p.out.String() }

// Kill kills the process and everything it started, at once, and waits for it.
func (p *Process) Kill() {
	if p.cmd.ProcessState != nil {
		return
	}
	p.Signal(syscall.SIGKILL)
	p.cmd.Wait()
}

// Signal sends a signal to the process and everything it started.
func (p *Process) Signal(sig syscall.Signal) {
	for _, pid := range append([]int{p.cmd.Process.Pid}, Descendants(p.cmd.Process.Pid)...) {
		syscall.Kill(pid, sig)
	}
}

// Descendants lists the processes that pid started, and theirs. A daemon may
// put them into sessions of their own, so the process group does not tell.
func Descendants(pid int) (found []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]int{}
	for _, name := range stats {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // it ended meanwhile
		}
		// pid (comm) state ppid …; comm may hold anything, blanks and ) too
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		parent, _ := strconv.Atoi(fields[1])
		child, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		children[parent] = append(children[parent], child)
	}
	for next := []int{pid}; len(next) > 0; next = next[1:] {
		found = append(found, children[next[0]]...)
		next = append(next, children[next[0]]...)
	}
	return found
}

// FreePort finds a loopback port that nobody uses.
func FreePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func (p *Process) untilListening(port int) {
	p.t.Helper()
	Until(p.t, fmt.Sprintf("%s listens on port %d", p.cmd.Path, port), func() bool {
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
}

func writeFile(t testing.TB, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// output collects what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
