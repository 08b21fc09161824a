package deputy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/peertest"

	"golang.org/x/sys/unix"
)

// The test program is a deputy when it is called so.
func TestMain(m *testing.M) {
	if os.Args[0] == "deputy" {
		if err := Serve(LineFD, judge); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func judge(o Order) error {
	if len(o.Args) > 1 && o.Args[1] == "forbidden" || o.Listen != "" && !strings.HasPrefix(o.Listen, "127.0.0.1:") {
		return errors.New("that is not done")
	}
	return nil
}

func program(name string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = []string{name}
	cmd.Stderr = os.Stderr
	return cmd
}

func begin(t *testing.T) *Deputy {
	t.Helper()
	d, err := Begin(program("deputy"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// shell is an order; what the script writes can be read.
func shell(t *testing.T, script string) (o Order, reader *bufio.Reader) {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.Close(); in.Close() })
	return Order{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Output: in}, bufio.NewReader(out)
}

func line(t *testing.T, from *bufio.Reader) string {
	t.Helper()
	text, err := from.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(text, "\n")
}

func TestAProgramGetsWhatTheOrderSays(t *testing.T) {
	d := begin(t)
	o, out := shell(t, `echo $0 $(id -u) $(id -G) "$ONLY" $(env | wc -l) $(ls -l /proc/$$/fd/3 | sed 's/.*-> //') $(readlink /proc/$$/cwd)`)
	given, err := os.Open("/etc/passwd")
	if err != nil {
		t.Fatal(err)
	}
	defer given.Close()
	shellFile, err := os.OpenFile("/bin/sh", unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer shellFile.Close()
	o.Path, o.Program, o.Files = "", shellFile, []*os.File{given}
	o.Env = []string{"ONLY=this", "PATH=/usr/bin:/bin", "PWD=/"}
	o.User = &User{UID: 65534, GID: 65534, Groups: []uint32{4711}}
	o.Args[0] = "known-as"
	p, err := d.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	if got := line(t, out); got != "known-as 65534 65534 4711 this 3 /etc/passwd /" {
		t.Errorf("it says %q", got)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

func TestHowAProgramEnds(t *testing.T) {
	d := begin(t)
	for script, want := range map[string]string{
		"exit 0": "", "exit 3": "exit status 3: said\ntoo", "kill -TERM $$": "signal: terminated: said\ntoo",
	} {
		err := d.Run(t.Context(), []string{"/bin/sh", "-c", "echo said; echo too >&2; " + script})
		if (want == "") != (err == nil) || err != nil && !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v, not %q", script, err, want)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := d.Run(ctx, []string{"/bin/sleep", "1000"}); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("what takes too long: %v", err)
	}
	for what, o := range map[string]Order{
		"no such file or directory":      {Path: "/nowhere", Args: []string{"x"}},
		"that is not done":               {Path: "/bin/sh", Args: []string{"sh", "forbidden"}},
		"an order that names no program": {Args: []string{"x"}},
	} {
		if _, err := d.Start(o); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("got %v, not %q", err, what)
		}
	}
}

// TestKillEndsTheWholeGroup: children that it left behind, and what ignores
// polite signals.
func TestKillEndsTheWholeGroup(t *testing.T) {
	d := begin(t)
	o, out := shell(t, `trap "" TERM HUP INT; sleep 1000 & echo $!; wait`)
	p, err := d.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	child, _ := strconv.Atoi(line(t, out))
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("it ended with %v", err)
	}
	untilGone(t, child)
}

// TestADeputyThatHasDied: what it started lives, and is still ours.
func TestADeputyThatHasDied(t *testing.T) {
	d := begin(t)
	o, out := shell(t, "echo $PPID; sleep 1000")
	p, err := d.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	if parent := line(t, out); parent != strconv.Itoa(os.Getpid()) {
		t.Errorf("its parent is %s, not %d", parent, os.Getpid())
	}
	if d.Gone() {
		t.Error("it is said to have died before it has")
	}
	if err := syscall.Kill(d.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	untilGone(t, d.PID())
	peertest.Until(t, "it is said to have died", d.Gone) // its line is closed by the last of its threads
	if _, err := d.Start(o); !errors.Is(err, ErrGone) {
		t.Errorf("Start: %v", err)
	}
	if _, err := d.Listen("127.0.0.1:0"); !errors.Is(err, ErrGone) {
		t.Errorf("Listen: %v", err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if err := p.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("Wait: %v", err)
	}
	if err := p.Kill(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Kill, when it has ended: %v", err)
	}
}

// TestADeputyThatSomebodyHasStopped: no order waits for it, and nor does the end.
func TestADeputyThatSomebodyHasStopped(t *testing.T) {
	d, err := Begin(program("deputy"))
	if err != nil {
		t.Fatal(err)
	}
	stop := func() {
		if err := syscall.Kill(d.PID(), syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		// It is our child, so we are told.
		if err := unix.Waitid(unix.P_PID, d.PID(), nil, unix.WSTOPPED, nil); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	if err := d.Run(t.Context(), []string{"/bin/true"}); err != nil {
		t.Error(err)
	}
	stop()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	untilGone(t, d.PID())
}

func TestListen(t *testing.T) {
	d := begin(t)
	if _, err := d.Listen("0.0.0.0:0"); err == nil || err.Error() != "that is not done" {
		t.Errorf("everywhere: %v", err)
	}
	l, err := d.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			io.WriteString(c, "hello\n")
			c.Close()
		}
	}()
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(c); err != nil || string(text) != "hello\n" {
		t.Errorf("%q, %v", text, err)
	}
}

// TestADeputyIsHandedOn as it is in a restart in place, to another program of
// the same process.
func TestADeputyIsHandedOn(t *testing.T) {
	d := begin(t)
	fd, pid, err := d.Bequeath()
	if err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC != 0 {
		t.Errorf("it closes at execve: %v", err)
	}
	d.line.Close()
	again, err := Inherited(fd, pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Run(t.Context(), []string{"/bin/true"}); err != nil {
		t.Error(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	untilGone(t, pid)
	null, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Inherited(null, pid); err == nil {
		t.Error("/dev/null is taken for a line")
	}
}

// untilGone waits until a process has ended, whoever its parent is by now.
func untilGone(t *testing.T, pid int) {
	t.Helper()
	peertest.Until(t, fmt.Sprintf("process %d has ended", pid), func() bool { return peertest.HasEnded(pid) })
}
