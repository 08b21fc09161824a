package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// auditctl changes the kernel's audit as an administrator, or an intruder, does.
func auditctl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("auditctl", args...).CombinedOutput(); err != nil {
		t.Fatalf("auditctl %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// TestOperatorsHearWhatIsWrongWithTheKernel: whatever is set in the kernel that
// switches auditing off, or has it lose records, is told by its own name, on record
// when it is, and over when all is set back.
func TestOperatorsHearWhatIsWrongWithTheKernel(t *testing.T) {
	t.Parallel()
	t.Run("T-BANNER", operatorsHearWhatIsWrongWithTheKernel)
}

func operatorsHearWhatIsWrongWithTheKernel(t *testing.T) {
	kernel := audittest.Kernel(t)
	rule := []string{"always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999999", "-k", "watched"}
	kernel.AddRule(append([]string{"-a"}, rule...)...)
	d := newDaemon(t, quickly)
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	d.start()
	w.start()
	d.onRecord("type=TRUSTED_APP ", "op=probe app=auditbridge-watch ")
	d.until("all is well", func(s status.Status) bool { return s.Watch != nil && s.Watch.State == status.OK })
	if strings.Contains(ann.Shown(), "IMPAIRED") {
		t.Errorf("told that nothing is wrong: %s", ann.Shown())
	}
	for _, row := range []struct {
		code string
		does func()
		back func()
	}{
		{"kernel-off", func() { auditctl(t, "-e", "0") }, func() { auditctl(t, "-e", "1") }},
		{"rate-limited", func() {
			auditctl(t, "-r", "1")
			kernel.StartGenerate(50, 0, "burst").Wait() // which makes the kernel lose some
		}, func() { auditctl(t, "-r", "0") }},
		{"lost-reset", func() { auditctl(t, "--reset-lost") }, func() {}},
		{"backlog-limited", func() { auditctl(t, "-b", "1") }, func() { auditctl(t, "-b", "8192") }},
		{"rules-gone", func() { auditctl(t, "-D") }, func() { auditctl(t, append([]string{"-a"}, rule...)...) }},
	} {
		from := time.Now()
		row.does()
		t.Logf("%s: told after %v", row.code, ann.Sees(t, row.code).Sub(from)) // first, or beside what is not over yet
		row.back()
		d.onRecord("op=banner-", row.code)
	}
	killed := time.Now()
	d.kill()
	w.seen(ann, "run-gone", killed)
	auditd := peertest.StartAuditd(t)
	w.seen(ann, "socket-taken", time.Now())
	auditd.Stop()
	d.start()
	w.quiet()
	d.stop()
}

// TestOperatorsHearThatTheProbeIsLost: a rule that keeps messages out of the log
// keeps out the probe; it is told although nothing else shows it.
func TestOperatorsHearThatTheProbeIsLost(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999999", "-k", "watched")
	rule := []string{"always,exclude", "-F", "msgtype=TRUSTED_APP"}
	d := newDaemon(t, quickly)
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	d.start()
	w.start()
	d.onRecord("type=TRUSTED_APP ", "op=probe app=auditbridge-watch ")
	from := time.Now()
	auditctl(t, append([]string{"-a"}, rule...)...)
	w.seen(ann, "probe-lost", from)
	auditctl(t, append([]string{"-d"}, rule...)...)
	w.quiet()
	d.onRecord("op=banner-raised ", "because=probe-lost")
	d.stop()
}

// TestABusyMachineIsNotImpaired: five programs want each processor while the kernel
// records as fast as it can; nobody is told that auditing does not work.
func TestABusyMachineIsNotImpaired(t *testing.T) {
	kernel := audittest.Kernel(t)
	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999997", "-k", "watched")
	d := newDaemon(t, quickly)
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	d.start()
	w.start()
	d.until("all is well", func(s status.Status) bool { return s.Watch != nil && s.Watch.State == status.OK })
	for range 5 * runtime.NumCPU() {
		spin := exec.Command("/bin/sh", "-c", "while :; do :; done")
		must(t, peertest.StartChild(spin))
		t.Cleanup(func() {
			spin.Process.Kill()
			spin.Wait()
		})
	}
	load := kernel.StartGenerate(30_000, 0, "busy")
	for range 2 {
		d.until("the watch has looked again", heardAnew(d))
		auditctl(t, "-a", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999998", "-k", "probe") // a probe is due
		d.until("the watch has looked again", heardAnew(d))
		auditctl(t, "-d", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999998", "-k", "probe")
	}
	load.Wait()
	if shown := ann.Shown(); strings.Contains(shown, "IMPAIRED") {
		t.Errorf("told: %s", shown)
	}
	d.stop()
}

// TestOperatorsHearThatAuditdIsGone: beside a stock auditd, which is stopped, let go
// on, and killed. A watch that is killed meanwhile, too, leaves the next one no
// reason to say that all is well.
func TestOperatorsHearThatAuditdIsGone(t *testing.T) {
	t.Parallel()
	t.Run("T-BANNER", operatorsHearThatAuditdIsGone)
}

func operatorsHearThatAuditdIsGone(t *testing.T) {
	kernel := audittest.Kernel(t)
	auditd := peertest.StartAuditd(t)
	untilOwner(t, kernel, auditd)
	d := newDaemon(t, "[audit]\nsource = \"multicast\"\n"+quickly)
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	d.start()
	w.start()
	d.until("the watch has looked, and looks again", heardAnew(d)) // it has seen auditd
	d.until("all is well", func(s status.Status) bool { return s.Watch != nil && s.Watch.State == status.OK })
	from := time.Now()
	auditd.Tell(syscall.SIGSTOP)
	w.seen(ann, "auditd-stopped", from)
	auditd.Tell(syscall.SIGCONT)
	w.quiet()
	from = time.Now()
	auditd.Tell(syscall.SIGKILL)
	w.seen(ann, "auditd-gone", from)
	w.kill()
	w.start()
	before := time.Now()
	d.until("the next watch has been at work for longer than it is careful", func(s status.Status) bool {
		return s.Watch != nil && s.Watch.Missing == "" && s.Watch.Heard.Sub(before) > 8*time.Second
	})
	if w.motd() == "" {
		t.Error("the next watch says that all is well")
	}
	auditd.Start(t)
	w.quiet()
	// Somebody who has a program ready ends auditd and takes its place before anybody looks.
	other := filepath.Join(t.TempDir(), "auditd")
	must(t, os.WriteFile(other, []byte(read(t, fmt.Sprintf("/proc/%d/exe", auditd.PID()))), 0o755))
	intruder := peertest.NewAuditd(t, "")
	from = time.Now()
	auditd.Tell(syscall.SIGKILL)
	intruder.StartAs(t, other)
	w.seen(ann, "auditd-replaced", from)
	peertest.Until(t, "the next login sees which program it is", func() bool { return strings.Contains(w.motd(), other) })
	d.onRecord("op=banner-", "auditd-replaced")
	d.stop()
}

// TestOperatorsHearThatAuditdDoesNotStart: one that is enabled beside us, and does not
// come.
func TestOperatorsHearThatAuditdDoesNotStart(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	kernel.Enable() // as audit=1 does
	d := newDaemon(t, "[audit]\nsource = \"multicast\"\n"+quickly)
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	wants := filepath.Join(w.root, "etc/systemd/system/multi-user.target.wants")
	must(t, os.MkdirAll(wants, 0o755))
	must(t, os.Symlink("/lib/systemd/system/auditd.service", filepath.Join(wants, "auditd.service")))
	d.start()
	from := time.Now()
	w.start()
	w.seen(ann, "auditd-absent", from)
	peertest.StartAuditd(t)
	w.quiet()
	d.stop()
}

// TestOperatorsHearThatAuditdIsGoneWithUs: a stock auditd that starts us as its plugin
// is stopped, let go on, and killed.
func TestOperatorsHearThatAuditdIsGoneWithUs(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	d := newDaemon(t, fromStdin+quickly)
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	auditd := peertest.NewAuditd(t, "q_depth = 90000\n")
	auditd.Plugin(t, "auditbridge", pluginConf(t, d))
	auditd.Start(t)
	peertest.Until(t, "auditd has its plugin", func() bool {
		s, ok := d.status()
		return ok && s.Answering && kernel.Status().PID == auditd.PID()
	})
	w.start()
	d.until("all is well", func(s status.Status) bool { return s.Watch != nil && s.Watch.State != status.Impaired })
	from := time.Now()
	auditd.Tell(syscall.SIGSTOP)
	w.seen(ann, "auditd-stopped", from)
	auditd.Tell(syscall.SIGCONT)
	w.quiet()
	from = time.Now()
	auditd.Tell(syscall.SIGKILL)
	w.seen(ann, "run-gone", from)
	ann.Sees(t, "auditd-gone")
	auditd.Start(t)
	w.quiet()
	d.onRecord("op=banner-raised ", "because=auditd-stopped")
	d.onRecord("op=banner-", "run-gone")
	auditd.Stop()
}

// TestARestartIsNoOutage: run that replaces itself in place is not told of; nor is
// an heir that goes on with a dead process's socket, which the kernel still names: a
// probe shows that it hears.
func TestARestartIsNoOutage(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999999", "-k", "watched")
	d, m := newDaemon(t, quickly), startManager(t)
	m.service(d)
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	d.start()
	w.start()
	well := func(s status.Status) bool { return s.Watch != nil && s.Watch.State == status.OK && s.Ours }
	d.until("all is well", func(s status.Status) bool { return s.Kernel != nil && well(s) })
	for range 2 {
		if _, errs, code := auditbridgeCommand(t, "restart", "--config", d.config); code != 0 {
			t.Fatalf("restart: exit %d: %s", code, errs)
		}
		d.until("the watch is heard", func(s status.Status) bool { return s.Kernel != nil && well(s) })
		d.until("the watch is heard again", heardAnew(d))
	}
	if strings.Contains(ann.Shown(), "IMPAIRED") {
		t.Errorf("told of a restart in place: %s", ann.Shown())
	}
	peertest.Until(t, "the service manager has the socket", func() bool { return m.keeps(storedSocket) })
	probes := func() int { return strings.Count(strings.Join(d.journalLines(), "\n"), "app=auditbridge-watch nonce=") }
	d.kill()
	before := probes()
	d.start()
	peertest.Until(t, "a probe has reached the heir", func() bool { return probes() > before })
	d.until("all is well", func(s status.Status) bool { return s.Kernel != nil && well(s) && s.KernelPID == 0 })
	if owner := kernel.Status().PID; owner == d.cmd.Process.Pid {
		t.Error("the kernel names the heir: this test shows nothing")
	}
	d.until("the watch is heard again", heardAnew(d))
	if strings.Contains(ann.Shown(), "[socket-free,") {
		t.Errorf("told that nobody hears the kernel: %s", ann.Shown())
	}
	d.stop()
}
