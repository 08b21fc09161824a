package peertest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Person is somebody logged in at a pseudo-terminal of the test's: a process with
// a login uid and that terminal. Nobody else's terminal is below the test's root.
type Person struct {
	Terminal string // its name in /dev
	PID      int

	master *os.File
	mu     sync.Mutex
	shown  []shown
	read   strings.Builder
}

type shown struct {
	at   time.Time
	upTo int // bytes of read
}

// StartPerson logs uid in, until the test ends. The terminal is found below
// root/dev, and the process calls itself command.
func StartPerson(t testing.TB, root string, uid int, command string) *Person {
	t.Helper()
	p := openTerminal(t, root)
	slave, err := os.OpenFile("/dev/"+p.Terminal, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	script := `echo "$1" >/proc/self/loginuid && echo here && printf %s "$2" >/proc/self/comm && read -r line`
	cmd := exec.Command("/bin/sh", "-c", script, "sh", fmt.Sprint(uid), command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	p.PID = cmd.Process.Pid
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.listen()
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		p.master.Close()
		<-done
	})
	Until(t, "somebody is logged in at "+p.Terminal, func() bool {
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.PID))
		return strings.Contains(p.Shown(), "here") && strings.TrimSpace(string(comm)) == command
	})
	return p
}

// openTerminal makes a pseudo-terminal that is found below root/dev.
func openTerminal(t testing.TB, root string) *Person {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	p := &Person{Terminal: fmt.Sprintf("pts/%d", n), master: master}
	below := filepath.Join(root, "dev", p.Terminal)
	if err := errors.Join(os.MkdirAll(filepath.Dir(below), 0o755), os.Symlink("/dev/"+p.Terminal, below)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Remove(below) })
	return p
}

// StoppedTerminal makes one that nobody is at and that takes nothing, and returns
// its name in /dev.
func StoppedTerminal(t testing.TB, root string) string {
	t.Helper()
	p := openTerminal(t, root)
	slave, err := os.OpenFile("/dev/"+p.Terminal, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { slave.Close() }) // the last one that closes it would have it go on
	p.Stop(t)
	return p.Terminal
}

func (p *Person) listen() {
	buf := make([]byte, 4096)
	for {
		n, err := p.master.Read(buf)
		p.mu.Lock()
		p.read.Write(buf[:n])
		p.shown = append(p.shown, shown{time.Now(), p.read.Len()})
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// Shown is everything the terminal has shown.
func (p *Person) Shown() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read.String()
}

// Sees waits until the terminal shows text, and returns when it did.
func (p *Person) Sees(t testing.TB, text string) (at time.Time) {
	t.Helper()
	for end := time.Now().Add(Patience); ; time.Sleep(5 * time.Millisecond) {
		if at, ok := p.saw(text); ok {
			return at
		}
		if time.Now().After(end) {
			t.Fatalf("%s still does not show %q; at the end it shows\n%q", p.Terminal, text, p.end())
		}
	}
}

func (p *Person) end() string {
	all := p.Shown()
	return all[max(0, len(all)-2048):]
}

func (p *Person) saw(text string) (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := strings.Index(p.read.String(), text)
	if i < 0 {
		return time.Time{}, false
	}
	for _, s := range p.shown {
		if s.upTo >= i+len(text) {
			return s.at, true
		}
	}
	return time.Time{}, false
}

// Stop has the terminal take nothing more, as Ctrl-S does, and at once.
func (p *Person) Stop(t testing.TB) { p.flow(t, 0) }

// Resume undoes it.
func (p *Person) Resume(t testing.TB) { p.flow(t, 1) }

// flow is tcflow(3) with TCOOFF or TCOON.
func (p *Person) flow(t testing.TB, action int) {
	t.Helper()
	slave, err := os.OpenFile("/dev/"+p.Terminal, os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	if err := unix.IoctlSetInt(int(slave.Fd()), unix.TCXONC, action); err != nil {
		t.Fatal(err)
	}
}
