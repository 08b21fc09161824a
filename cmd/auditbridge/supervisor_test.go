package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"

	"golang.org/x/sys/unix"
)

// manager plays systemd's part: it hears what a service says (sd_notify(3)), and
// keeps descriptors for it from one start to the next (its file descriptor store).
type manager struct {
	path string
	conn *net.UnixConn

	mu    sync.Mutex
	said  []string            // messages in order
	store map[string]*os.File // by FDNAME
}

// startManager makes a service manager; it listens until the test ends.
func startManager(t *testing.T) *manager {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	must(t, err)
	m := &manager{path: path, conn: conn, store: map[string]*os.File{}}
	t.Cleanup(func() {
		conn.Close()
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, f := range m.store {
			f.Close()
		}
	})
	go m.listen()
	return m
}

// service has d started by m, with more in its environment and with what m keeps.
func (m *manager) service(d *instance, more ...string) {
	d.as = func(cmd *exec.Cmd) {
		cmd.Env = append(append(os.Environ(), "NOTIFY_SOCKET="+m.path), more...)
		m.mu.Lock()
		defer m.mu.Unlock()
		var names []string
		for name, f := range m.store {
			names, cmd.ExtraFiles = append(names, name), append(cmd.ExtraFiles, f)
		}
		if len(names) > 0 {
			handDescriptors(d.t, cmd, names)
		}
	}
}

// handDescriptors says what cmd.ExtraFiles are (sd_listen_fds(3)): whose they are,
// too, which is known when the process is there.
func handDescriptors(t *testing.T, cmd *exec.Cmd, names []string) {
	t.Helper()
	program, err := os.Executable()
	must(t, err)
	cmd.Env = append(cmd.Env, fmt.Sprint("LISTEN_FDS=", len(names)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	script := fmt.Sprintf(`LISTEN_PID=$$ exec -a %q "$0" "$@"`, cmd.Args[0])
	cmd.Args = append([]string{"bash", "-c", script, program}, cmd.Args[1:]...)
	cmd.Path = "/bin/bash"
}

func (m *manager) listen() {
	rights := make([]byte, unix.CmsgSpace(4))
	for buffer := make([]byte, 4096); ; {
		n, more, _, _, err := m.conn.ReadMsgUnix(buffer, rights)
		if err != nil {
			return
		}
		m.hear(string(buffer[:n]), rights[:more])
	}
}

func (m *manager) hear(message string, rights []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.said = append(m.said, message)
	_, name, _ := strings.Cut(message, "FDNAME=")
	name, _, _ = strings.Cut(name, "\n")
	switch {
	case strings.HasPrefix(message, "FDSTORE=1\n"):
		controls, _ := unix.ParseSocketControlMessage(rights)
		fds, _ := unix.ParseUnixRights(&controls[0])
		m.store[name] = os.NewFile(uintptr(fds[0]), name)
	case strings.HasPrefix(message, "FDSTOREREMOVE=1\n"):
		m.store[name].Close()
		delete(m.store, name)
	}
}

// keeps tells whether it has a descriptor of that name.
func (m *manager) keeps(name string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.store[name] != nil
}

// all is what was said so far of the service's state, a message a line: neither signs
// of life nor what is kept for it.
func (m *manager) all() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []string
	for _, said := range m.said {
		if said != "WATCHDOG=1" && !strings.HasPrefix(said, "FDSTORE") {
			all = append(all, strings.ReplaceAll(said, "\n", " "))
		}
	}
	return strings.Join(all, "\n")
}

func (m *manager) signsOfLife() (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, said := range m.said {
		if said == "WATCHDOG=1" {
			n++
		}
	}
	return n
}

// TestTheServiceManagerIsTold: when run is ready, takes over a configuration and
// is done with it, and stops, in that order; and in between that it lives.
func TestTheServiceManagerIsTold(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	m := startManager(t)
	m.service(d, "WATCHDOG_USEC=90000")
	d.start()
	peertest.Until(t, "ready, and alive", func() bool { return m.all() == "READY=1" && m.signsOfLife() > 3 })
	d.configure(fromStdin + "retention = \"90d\"\n")
	if _, errs, code := auditbridgeCommand(t, "reload", "--config", d.config); code != 0 {
		t.Fatalf("reload: exit %d: %s", code, errs)
	}
	d.stop()
	want := regexp.MustCompile(`^READY=1\n(RELOADING=1 MONOTONIC_USEC=[1-9]\d*\nREADY=1\n)+STOPPING=1$`)
	peertest.Until(t, "it is told that run stops", func() bool { return strings.HasSuffix(m.all(), "STOPPING=1") })
	if !want.MatchString(m.all()) {
		t.Errorf("the service manager heard\n%s", m.all())
	}
}

// TestReadyMeansThatTheKernelIsOurs: what is ordered after the unit, its rules
// first of all, finds an owner.
func TestReadyMeansThatTheKernelIsOurs(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	d := newDaemon(t, "")
	m := startManager(t)
	m.service(d)
	d.launch()
	peertest.Until(t, "ready", func() bool { return m.all() == "READY=1" })
	if s := kernel.Status(); s.PID != d.cmd.Process.Pid || s.Enabled != 1 {
		t.Errorf("run is ready, and the kernel says %+v", s)
	}
	d.stop()
	if m.signsOfLife() != 0 {
		t.Error("a watchdog that nobody asked for is served")
	}
}

// TestAStandstillIsNotCalledLife: the watchdog hears nothing while the source or
// the journal does not move.
func TestAStandstillIsNotCalledLife(t *testing.T) {
	m := startManager(t)
	t.Setenv("NOTIFY_SOCKET", m.path)
	t.Setenv("WATCHDOG_USEC", "3000")
	var log lockedBuffer
	var still atomic.Pointer[string]
	still.Store(new(string))
	s := newSupervisor(slog.New(slog.NewTextHandler(&log, nil)), func(time.Duration) string { return *still.Load() })
	ctx, end := context.WithCancel(t.Context())
	begun, done := make(chan struct{}), make(chan error)
	go func() { done <- s.Run(ctx, begun) }()
	close(begun)
	for _, stage := range []string{"source", "journal"} {
		lives := m.signsOfLife()
		peertest.Until(t, "all moves", func() bool { return m.signsOfLife() > lives+3 })
		still.Store(&stage)
		looks := func() int { return strings.Count(log.String(), "stage="+stage) }
		peertest.Until(t, "it is seen that a stage does not", func() bool { return looks() > 0 })
		s.say("STATUS=" + stage) // all that was said before is heard when this is
		peertest.Until(t, "it is heard", func() bool { return strings.HasSuffix(m.all(), stage) })
		lives, seen := m.signsOfLife(), looks()
		peertest.Until(t, "it goes on standing", func() bool { return looks() > seen+3 })
		s.say("STATUS=still " + stage)
		peertest.Until(t, "that is heard", func() bool { return strings.HasSuffix(m.all(), "still "+stage) })
		if n := m.signsOfLife(); n != lives {
			t.Errorf("%d signs of life while the %s stands still", n-lives, stage)
		}
		still.Store(new(string))
	}
	end()
	must(t, <-done)
}
