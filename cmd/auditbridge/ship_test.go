package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// shipOf finds the ship process of a run.
func shipOf(t *testing.T, run int) (pid int) {
	t.Helper()
	peertest.Until(t, "there is a ship process", func() bool {
		pid = roleOf(run, "ship")
		return pid > 0
	})
	return pid
}

// roleOf finds the process of a run that was started as `auditbridge ROLE`.
func roleOf(run int, role string) (pid int) {
	for _, pid := range peertest.Descendants(run) {
		if command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); string(command) == "auditbridge\x00"+role+"\x00" {
			return pid
		}
	}
	return 0
}

// TestShipIsConfined: ship reads the journal although it may not go through the
// directories above, gains no privileges with any of its threads, cannot be
// looked into, and has nothing open that whoever started run left open.
func TestShipIsConfined(t *testing.T) {
	beside(t)
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, "")
	private := filepath.Join(d.dir, "private")
	must(t, os.Mkdir(private, 0o700))
	d.journal = filepath.Join(private, "journal")
	d.configure(fromStdin + plain("siem", collector.Port, `format = "audit"`))
	secret, err := os.Open(d.config)
	must(t, err)
	defer secret.Close()
	d.as = func(run *exec.Cmd) { run.ExtraFiles = []*os.File{nil, nil, nil, secret} }
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	ship := shipOf(t, d.cmd.Process.Pid)
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", ship))
	must(t, err)
	if len(threads) < 2 {
		t.Errorf("%d threads", len(threads))
	}
	for _, path := range threads {
		text, err := os.ReadFile(path)
		must(t, err)
		for _, want := range []string{"NoNewPrivs:\t1\n", "CapEff:\t0000000000000000\n", "CapPrm:\t0000000000000000\n", "Uid:\t65534\t65534\t65534\t65534\n"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s lacks %q", path, want)
			}
		}
	}
	memory, err := os.Stat(fmt.Sprintf("/proc/%d/mem", ship))
	must(t, err)
	if owner := memory.Sys().(*syscall.Stat_t).Uid; owner != 0 {
		t.Errorf("its memory belongs to %d: it can be dumped", owner)
	}
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", ship))
	must(t, err)
	for _, fd := range open {
		target, _ := os.Readlink(fd)
		ours := strings.HasPrefix(target+"/", d.journal+"/") || strings.HasPrefix(target, "/sys/fs/cgroup/") // the Go runtime's
		if n, _ := strconv.Atoi(filepath.Base(fd)); n > 2 && strings.HasPrefix(target, "/") && !ours {
			t.Errorf("descriptor %d is open: %s", n, target)
		}
	}
	d.stop()
}

// TestShipThatHangs: it is told apart from one that works, in status and on
// record; it is replaced, and run stops whatever it does.
func TestShipThatHangs(t *testing.T) {
	beside(t)
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, fromStdin+plain("siem", collector.Port, `format = "audit"`))
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	hung := shipOf(t, d.cmd.Process.Pid)
	must(t, syscall.Kill(hung, syscall.SIGSTOP))
	d.feed(mixed)
	peertest.Until(t, "status says that ship is silent", func() bool {
		s, ok := d.status()
		to := s.Destinations[0]
		return ok && !to.Connected && strings.Contains(to.LastError, "reported nothing for 5s") && to.Pending >= 11 && s.Balanced && s.State == status.Degraded
	})
	d.untilDelivered()
	if ship := shipOf(t, d.cmd.Process.Pid); ship == hung {
		t.Error("it is the same")
	}
	if !strings.Contains(strings.Join(d.journalLines(), "\n"), "op=link-down") {
		t.Error("nothing on record")
	}
	must(t, syscall.Kill(shipOf(t, d.cmd.Process.Pid), syscall.SIGSTOP))
	d.stop()
}
