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
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Patience is how long a condition may take to come true. No test is decided
// by it unless it has already failed.
const Patience = 2 * time.Minute

// Until waits for a condition, by polling. What takes long to look at is looked at
// less often: those who wait shall not hold up what they wait for.
func Until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); ; {
		looked := time.Now()
		if condition() {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("still waiting after %v: %s", Patience, what)
		}
		time.Sleep(max(5*time.Millisecond, 2*time.Since(looked)))
	}
}

// Process is a child.
type Process struct {
	t     testing.TB
	cmd   *exec.Cmd
	out   output
	ended chan struct{}
}

// start runs a peer and kills it, and what it started, when the test ends.
func start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	return startReading(t, nil, name, args...)
}

// startReading is start for one that reads from stdin.
func startReading(t testing.TB, stdin *os.File, name string, args ...string) *Process {
	t.Helper()
	path, err := find(name)
	if err != nil {
		t.Fatalf("%v: install it (the tests' peers are listed in scripts/peers)", err)
	}
	p := &Process{t: t, cmd: exec.Command(path, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	if stdin != nil {
		p.cmd.Stdin = stdin
	}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := StartChild(p.cmd); err != nil {
		t.Fatalf("start %s: %v", path, err)
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.Kill()
		if said := p.Output(); t.Failed() {
			t.Logf("%s said at the end:\n%s", name, said[max(0, len(said)-4096):])
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

// PID is the child's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Kill kills the process and everything it started, at once, and waits for it.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.ended
}

// Signal sends a signal to the process and everything it started.
func (p *Process) Signal(sig syscall.Signal) {
	select {
	case <-p.ended: // its pid may be somebody else's by now
		return
	default:
	}
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

// nextPort counts through ports below the kernel's ephemeral range
// (net.ipv4.ip_local_port_range), so that no outgoing connection can take one
// between our finding it free and the peer's binding it.
var nextPort atomic.Uint32

const firstPort, portCount = 12000, 20000

// FreePort finds a loopback port that nobody uses, another one at every call. It is
// the test's until that ends, whether somebody listens there or not: no test in any
// process of this machine is given it.
func FreePort(t testing.TB) int {
	t.Helper()
	for range portCount {
		port := firstPort + int((uint32(os.Getpid())*131+nextPort.Add(1))%portCount)
		if reserved(t, port) {
			return port
		}
	}
	t.Fatal("no free port")
	return 0
}

// reserved takes a port's name, which only one process can have and which the
// kernel takes back from the dead: an abstract Unix socket's (unix(7)), of which each
// network has its own, as of ports.
func reserved(t testing.TB, port int) bool {
	name, err := net.ListenPacket("unixgram", fmt.Sprint("@auditbridge-test-port-", port))
	if err != nil {
		return false
	}
	at := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	syscall.ForkLock.RLock() // a child that is being started would go on listening until it executes
	defer syscall.ForkLock.RUnlock()
	tcp, err := net.Listen("tcp", at)
	if err == nil {
		tcp.Close()
		var udp net.PacketConn
		if udp, err = net.ListenPacket("udp", at); err == nil {
			udp.Close()
			t.Cleanup(func() { name.Close() })
			return true
		}
	}
	name.Close()
	return false
}

// untilListening waits until the process answers, or fails when it ends.
func (p *Process) untilListening(port int) {
	p.t.Helper()
	Until(p.t, fmt.Sprintf("%s listens on port %d", p.cmd.Path, port), func() bool {
		select {
		case <-p.ended:
			p.t.Fatalf("%s ended at once:\n%s", p.cmd.Path, p.Output())
		default:
		}
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

// Listen listens on a loopback port of its own until the test ends. Each connection is
// serve's, in a goroutine of its own.
func Listen(t testing.TB, serve func(net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(FreePort(t))))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l
}

// PortOf is where it listens.
func PortOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
