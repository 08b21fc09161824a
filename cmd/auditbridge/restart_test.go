package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// TestRestartInPlaceLosesNothing: under live load, again and again. The process,
// and the owner the kernel knows, stay; at the end the kernel is as it was found.
func TestRestartInPlaceLosesNothing(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	kernel.Patient()
	before := kernel.Status()
	d := newDaemon(t, "")
	m := startManager(t)
	m.service(d)
	d.start()
	pid := d.cmd.Process.Pid
	const rounds, perSecond = 5, 3000
	load := kernel.StartGenerate(1_000_000, perSecond, "restarted")
	for round := range rounds {
		stored := d.stored()
		peertest.Until(t, "records come", func() bool { return d.stored() > stored+100 })
		out, errs, code := auditbridgeCommand(t, "restart", "--config", d.config)
		if code != 0 || out != fmt.Sprintf("auditbridge %s runs in process %d\n", thisBuild().Version, pid) {
			t.Fatalf("round %d: restart: exit %d: %s%s", round, code, out, errs)
		}
		if owner := kernel.Status().PID; owner != pid {
			t.Fatalf("round %d: kernel audit is owned by %d, not %d", round, owner, pid)
		}
	}
	made := load.Stop()
	d.until("all is stored", func(s status.Status) bool { return s.Kernel != nil && s.Balanced && s.InRing == 0 && s.Backlog == 0 })
	if s, _ := d.status(); s.State != status.OK || s.PID != pid {
		t.Errorf("status: %+v", s)
	}
	d.stop()
	d.requireEachOnce("restarted", made)
	if after := kernel.Status(); after != before {
		t.Errorf("found %+v, given back %+v", before, after)
	}
	all := strings.Join(d.journalLines(), "\n")
	for what, n := range map[string]int{" op=restart ": rounds, " why=restart ": rounds, " op=stop ": rounds + 1, " op=abnormal-end ": 0} {
		if got := strings.Count(all, what); got < n || n == 0 && got != 0 {
			t.Errorf("%q is on record %d times, not %d", what, got, n)
		}
	}
	if told := m.all(); strings.Count(told, "RELOADING=1 ") != rounds || strings.Count(told, "READY=1") != rounds+1 || strings.Count(told, "STOPPING=1") != 1 {
		t.Errorf("the service manager heard\n%s", told)
	}
}

// TestAListenersGapInARestartIsOnRecord: there is nobody to hand its socket over.
func TestAListenersGapInARestartIsOnRecord(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	kernel.Enable()
	d := newDaemon(t, multicast)
	d.start()
	load := kernel.StartGenerate(1_000_000, 3000, "restarted")
	stored := d.stored()
	peertest.Until(t, "records come", func() bool { return d.stored() > stored+100 })
	if _, errs, code := auditbridgeCommand(t, "restart", "--config", d.config); code != 0 {
		t.Fatalf("restart: exit %d: %s", code, errs)
	}
	made := load.Stop()
	d.until("it is said what is missing", func(s status.Status) bool { return s.Multicast != nil && s.Multicast.Missing > 0 })
	s, _ := d.status()
	d.stop()
	have := len(d.generated("restarted"))
	if have >= made || uint64(made-have) > s.Multicast.Missing {
		t.Errorf("%d events were made, %d are in the journal, %d are said to be missing", made, have, s.Multicast.Missing)
	}
}

// TestRestartGoesOnAtTheFarEnd: ship ends in order and comes back, and every line of the
// journal arrives.
func TestRestartGoesOnAtTheFarEnd(t *testing.T) {
	beside(t)
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, fromStdin+plain("siem", collector.Port, `format = "audit"`))
	d.start()
	d.feed(numbered(1, 100))
	if _, errs, code := auditbridgeCommand(t, "restart", "--config", d.config); code != 0 {
		t.Fatalf("restart: exit %d: %s", code, errs)
	}
	d.feed(numbered(101, 100))
	d.untilDelivered()
	d.stop()
	d.untilReceived(collector)
	requireSameLines(t, d.journalLines(), collector.Received())
	d.verifies(collector.File)
}

// started is when the program that answers began.
func (d *instance) started() time.Time {
	s, _ := d.status()
	return s.Started
}

// stored is how many lines are in the journal.
func (d *instance) stored() uint64 {
	s, _ := d.status()
	return s.Written
}

// TestRestartRunsTheInstalledProgram: after an upgrade the new file, whatever
// became of the old one; nothing when the new one is no good.
func TestRestartRunsTheInstalledProgram(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	installed := filepath.Join(d.dir, "auditbridge")
	install := func(text string) {
		t.Helper()
		fresh := installed + ".new"
		must(t, os.RemoveAll(fresh))
		if text != "" {
			must(t, os.WriteFile(fresh, []byte(text), 0o755))
		} else {
			copyProgram(t, fresh)
		}
		must(t, os.Rename(fresh, installed))
	}
	install("")
	d.as = func(cmd *exec.Cmd) { cmd.Path = installed }
	d.start()
	pid, first := d.cmd.Process.Pid, d.started()
	d.feed(numbered(1, 10))

	refused := func(what, says string, spoil, mend func()) {
		t.Helper()
		spoil()
		_, errs, code := auditbridgeCommand(t, "restart", "--config", d.config)
		mend()
		if code == 0 || !strings.Contains(errs, says) {
			t.Errorf("%s: exit %d, %s; want %q", what, code, errs, says)
		}
		if !d.started().Equal(first) {
			t.Fatalf("%s: run has restarted all the same", what)
		}
	}
	refused("a program that is none", "exec format error", func() { install("\x7fnothing") }, func() { install("") })
	refused("a program anybody may write", "may be written by others", func() { must(t, os.Chmod(installed, 0o777)) }, func() { must(t, os.Chmod(installed, 0o755)) })
	refused("a stranger's program", "belongs to uid 4711", func() { must(t, os.Chown(installed, 4711, -1)) }, func() { must(t, os.Chown(installed, 0, -1)) })
	refused("no program", "no such file", func() { must(t, os.Remove(installed)) }, func() { install("") })
	refused("a configuration that is wrong", "unknown key", func() { d.configure("nonsense = 1\n" + fromStdin) }, func() { d.configure(fromStdin) })

	must(t, os.Remove(installed))
	buildProgram(t, installed, "next")
	says := fmt.Sprintf("auditbridge next runs in process %d\n", pid)
	if out, errs, code := auditbridgeCommand(t, "restart", "--config", d.config); code != 0 || out != says {
		t.Fatalf("restart: exit %d: %s%s; want %q", code, out, errs, says)
	}
	if runs, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err != nil || runs != installed {
		t.Errorf("process %d runs %q (%v), not %s", pid, runs, err, installed)
	}
	d.feed(numbered(11, 10))
	d.until("it goes on reading", func(s status.Status) bool { return s.Stored == 10 && s.Durable == s.Written })
	d.stop()
	all := strings.Join(d.journalLines(), "\n")
	if n := strings.Count(all, " op=restart "); n != 6 || strings.Count(all, " op=start ") != 2 {
		t.Errorf("%d restarts are on record, five of them refused:\n%s", n, all)
	}
	program, err := os.ReadFile(installed)
	must(t, err)
	old, digest := thisBuild().Version, fmt.Sprintf("%x", sha256.Sum256(program))
	for _, want := range []string{" op=restart auid=", " old=" + old + " new=next exe=" + installed + " sha256=" + digest + " res=success", " ver=next ", " old=" + old + " why=restart "} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not on record:\n%s", want, all)
		}
	}
	for i, line := range strings.Split(strings.TrimSuffix(numbered(1, 20), "\n"), "\n") {
		if n := strings.Count(all, line); n != 1 {
			t.Errorf("record %d is in the journal %d times", i+1, n)
		}
	}
}

func copyProgram(t *testing.T, to string) {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	must(t, err)
	defer from.Close()
	file, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	must(t, err)
	_, err = io.Copy(file, from)
	must(t, err)
	must(t, file.Close())
}

// buildProgram builds the program as that version.
func buildProgram(t *testing.T, to, version string) {
	t.Helper()
	out, err := exec.Command("go", "build", "-ldflags", "-X main.version="+version, "-o", to, ".").CombinedOutput()
	if err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
}
