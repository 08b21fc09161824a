package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"

	"golang.org/x/sys/unix"
)

const multicast = "[audit]\nsource = \"multicast\"\n"

// text is status as a person reads it.
func (d *instance) text() string {
	d.t.Helper()
	out, _, _ := auditbridgeCommand(d.t, "status", "--config", d.config)
	return out
}

// TestMulticastBesideAuditd: run hears beside stock auditd what auditd hears, and
// sends it; neither run nor ship is recorded, although a rule matches what they do;
// auditd's end and return change nothing; the rule that sees to this goes with run,
// or with the next when it was killed.
func TestMulticastBesideAuditd(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	auditd := peertest.StartAuditd(t)
	owned := func() bool { s := kernel.Status(); return s.PID == auditd.PID() && s.Enabled == 1 }
	peertest.Until(t, "auditd owns kernel audit", owned)
	self, err := os.Executable()
	must(t, err)
	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=7", "-k", "theirs")
	rules := kernel.Rules()
	ownCalls := []string{"always,exit", "-F", "arch=b64", "-S", "write,sendto,fdatasync,getpgid", "-F", "exe=" + self, "-k", "ours"}
	kernel.AddRule(append([]string{"-a"}, ownCalls...)...)
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, multicast+plain("siem", collector.Port, `format = "audit"`))
	d.start()
	others := 2
	well := func(s status.Status) bool {
		return s.State == status.OK && s.Multicast != nil && s.KernelPID == auditd.PID() && s.Kernel != nil && s.Audited == ""
	}
	counted := func(s status.Status) bool { return well(s) && s.Rules == others } // at the start, then every ten seconds
	d.until("all is well, with auditd as owner", counted)
	exempt := func(pid int) bool { return strings.Count(kernel.Rules(), fmt.Sprintf("pid=%d\n", pid)) == 2 }
	first := d.cmd.Process.Pid
	if !exempt(first) {
		t.Errorf("no exception for %d:\n%s", first, kernel.Rules())
	}
	const notice = "its losses are not in the kernel's counter"
	if text := d.text(); strings.Count(text, notice) != 1 || !strings.Contains(text, fmt.Sprintf("source:  multicast, beside auditd (pid %d); %s\n", auditd.PID(), notice)) {
		t.Errorf("status says\n%s", text)
	}

	kernel.SendUserMessage(1112, "op=mark-begin")
	kernel.Generate(2000, 0, "work")
	unix.Getpgid(999999) // the rule does match this program
	auditd.Kill()
	d.until("auditd is gone, which is no harm", func(s status.Status) bool { return s.State == status.OK && s.KernelPID == 0 })
	if !strings.Contains(d.text(), "nobody owns kernel audit, which prints each record") {
		t.Errorf("status without an owner:\n%s", d.text())
	}
	auditd = peertest.StartAuditd(t)
	peertest.Until(t, "auditd is back", owned)
	kernel.Generate(2000, 0, "work")
	kernel.SendUserMessage(1112, "op=mark-end")
	d.until("all is well again", well)
	peertest.Until(t, "the mark is in the journal", func() bool { return strings.Contains(strings.Join(d.journalLines(), "\n"), "op=mark-end") })
	kernel.AddRule(append([]string{"-d"}, ownCalls...)...) // it matches those who ask for the status, too
	others = 1
	d.untilDelivered()
	ours := map[string]int{}
	works := 0
	of := regexp.MustCompile(` ppid=(\d+) pid=(\d+) `)
	family := fmt.Sprint(append(peertest.Descendants(first), first))
	_, since, _ := strings.Cut(strings.Join(d.journalLines(), "\n"), "op=mark-begin")
	for line := range strings.SplitSeq(since, "\n") {
		if m := of.FindStringSubmatch(line); m != nil && strings.HasPrefix(line, "type=SYSCALL") {
			ours[m[2]]++
		}
		if strings.HasSuffix(line, `key="work"`) {
			works++
		}
	}
	for _, pid := range strings.Fields(strings.Trim(family, "[]")) {
		if ours[pid] > 0 {
			t.Errorf("%d calls of our own process %s are recorded", ours[pid], pid)
		}
	}
	if ours[strconv.Itoa(os.Getpid())] == 0 {
		t.Error("the rule does not match what this program does")
	}
	if works != 4000 {
		t.Errorf("%d of 4000 events stored", works)
	}

	d.kill()
	if !exempt(first) {
		t.Fatal("the killed process took its exception along; nothing is shown here")
	}
	d.start()
	d.until("the next is well", counted)
	if second := d.cmd.Process.Pid; strings.Contains(kernel.Rules(), fmt.Sprintf("pid=%d\n", first)) || !exempt(second) {
		t.Errorf("exceptions of %d, killed, and of %d:\n%s", first, second, kernel.Rules())
	}
	if all := strings.Join(d.journalLines(), "\n"); strings.Count(all, "op=add_rule") < 4 || strings.Count(all, "op=remove_rule") < 2 {
		t.Errorf("the kernel's records of the exceptions' coming and going are not in the journal")
	}
	d.stop()
	if after := kernel.Rules(); after != rules {
		t.Errorf("rules were\n%sare\n%s", rules, after)
	}
	if !owned() {
		t.Errorf("kernel audit after the end: %+v", kernel.Status())
	}
}

// TestWhatAListenerMissedIsOnRecord: while run hangs, the kernel drops what it has
// no room for. How many is said as a range, in the journal and by status, and it is
// true.
func TestWhatAListenerMissedIsOnRecord(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	d := newDaemon(t, multicast)
	kernel.Enable()
	d.start()
	kernel.SendUserMessage(1112, "op=mark-begin")
	must(t, d.cmd.Process.Signal(syscall.SIGSTOP))
	const events = 60000 // more than its socket holds
	kernel.Generate(events, 0, "missed")
	must(t, d.cmd.Process.Signal(syscall.SIGCONT))
	d.until("it has heard what its socket held", func(s status.Status) bool { return s.Multicast != nil && s.Dropped > 0 && s.InRing == 0 })
	kernel.SendUserMessage(1112, "op=mark-end") // only a later serial shows that the last ones are missing
	d.until("the loss is told", func(s status.Status) bool { return s.Multicast != nil && s.Missing > 0 && s.Losing == status.LosingNo })
	s, _ := d.status()
	if s.State != status.Degraded || !strings.HasPrefix(s.Causes[0].What, "we did not hear ") || s.Dropped == 0 || s.Gaps == 0 {
		t.Errorf("status: %+v %+v", s, s.Multicast)
	}
	d.stop()
	heard, least, most := 0, 0, 0
	note := regexp.MustCompile(`op=multicast-lost .* n=(\d+) at-most=(\d+) dropped=\d+ missing=(\d+)( first-serial=\d+ last-serial=\d+)? res=failed$`)
	for _, line := range d.journalLines() {
		switch m := note.FindStringSubmatch(line); {
		case m != nil:
			n, _ := strconv.Atoi(m[1])
			most1, _ := strconv.Atoi(m[2])
			least, most = least+n, most+most1
			if (m[3] != "0") != (m[4] != "") {
				t.Errorf("serials missing, and which: %s", line)
			}
		case strings.Contains(line, "op=multicast-lost"):
			t.Errorf("not as documented: %s", line)
		case strings.HasSuffix(line, `key="missed"`), strings.HasPrefix(line, "type=PROCTITLE"), strings.HasPrefix(line, "type=EOE"):
			heard++
		}
	}
	// Besides the three records of each event there are those of the rule's coming and
	// going, and of what tests beside this one do.
	const others = 300
	if lost := 3*events - heard; lost < least-others || lost > most || least == 0 {
		t.Errorf("%d records were not heard, on record are %d to %d", lost, least, most)
	}
	if uint64(least) != s.KernelLost || uint64(most) > s.KernelLostAtMost {
		t.Errorf("on record %d to %d, status said %d to %d", least, most, s.KernelLost, s.KernelLostAtMost)
	}
}

// TestMulticastLeavesTheKernelAsItIs: where kernel audit is off it stays off, and
// status says what to do; with no more than the right to listen run listens, and
// says what it cannot know.
func TestMulticastLeavesTheKernelAsItIs(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	before := kernel.Status()
	d := newDaemon(t, multicast)
	d.start()
	d.until("kernel audit is off", func(s status.Status) bool {
		return s.State == status.Impaired && s.Causes[0].What == "kernel audit is switched off" && s.Causes[0].Command == "auditctl -e 1"
	})
	if !strings.Contains(d.said.String(), "kernel audit is switched off, and this source does not switch it on") {
		t.Errorf("at the start:\n%s", d.said)
	}
	kernel.Enable()
	d.until("it is on", func(s status.Status) bool { return s.State == status.OK })
	kernel.Set("-e", "0")
	d.stop()
	if after := kernel.Status(); after != before {
		t.Errorf("kernel audit was %+v, is %+v", before, after)
	}

	kernel.Enable()
	d = newDaemon(t, multicast)
	must(t, os.Chown(d.dir, 65534, 65534))
	must(t, os.Chown(d.config, 65534, 65534))
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	d.as = func(cmd *exec.Cmd) {
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody, AmbientCaps: []uintptr{unix.CAP_AUDIT_READ}}
	}
	status := func(flags ...string) string {
		cmd := program(append([]string{"status", "--config", d.config}, flags...)...)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
		out, _ := cmd.Output()
		return string(out)
	}
	d.launch()
	peertest.Until(t, "run listens", func() bool { return strings.Contains(status(), "source:  multicast, beside whoever owns kernel audit") })
	kernel.SendUserMessage(1112, "op=heard-by-nobody")
	peertest.Until(t, "it is in the journal", func() bool { return strings.Contains(strings.Join(d.journalLines(), "\n"), "op=heard-by-nobody") })
	wantAll(t, status(), "DEGRADED since ", ": whether records are being lost now is not known\n",
		"cause: whether kernel audit is on, and what it lost, is not known: ", "not allowed to control kernel audit",
		"run is audited itself: ")
	d.stop()
	if _, err := os.Stat(filepath.Join(d.dir, "run", "exempt-pids")); err == nil {
		t.Error("an exception that was never made is remembered")
	}
}

// exempt is a listener that is not audited itself.
type exempt struct{}

func (exempt) Audited() error { return nil }

// TestRecordsOfMissedRecordsAddUp: what was dropped is known before it is known
// which serials are missing; the records of both add up to the range that all of it
// together is in.
func TestRecordsOfMissedRecordsAddUp(t *testing.T) {
	kernel := &toldKernel{}
	var notes []string
	l := &losses{kernel: kernel, listener: exempt{}, log: slog.New(slog.DiscardHandler), note: func(n auditbridge.Note) {
		text := n.Op
		for _, f := range n.Fields {
			text += " " + f.Key + "=" + f.Value
		}
		notes = append(notes, text)
	}}
	must(t, l.begin())
	for _, step := range []struct {
		now  auditbridge.Unheard
		note string // "" is none
	}{
		{auditbridge.Unheard{}, ""},
		{auditbridge.Unheard{Dropped: 300}, "multicast-lost n=300 at-most=300 dropped=300 missing=0"},
		{auditbridge.Unheard{Dropped: 300}, ""},
		{auditbridge.Unheard{Dropped: 300, Missing: 90, New: auditbridge.Holes{Missing: 90, First: 7, Last: 99}}, "multicast-lost n=0 at-most=90 dropped=0 missing=90 first-serial=7 last-serial=99"},
		{auditbridge.Unheard{Dropped: 300, Missing: 310, New: auditbridge.Holes{Missing: 220, First: 1<<32 - 1, Last: 218}}, "multicast-lost n=10 at-most=220 dropped=0 missing=220 first-serial=4294967295 last-serial=218"},
	} {
		notes, kernel.unheard = nil, step.now
		l.look()
		if got := strings.Join(notes, "; "); got != step.note {
			t.Errorf("on record %q, want %q", got, step.note)
		}
		var s status.Status
		l.fill(&s)
		if least, most := lossRange(step.now.Dropped, step.now.Missing); s.KernelLost != least || s.KernelLostAtMost != most || s.Dropped != step.now.Dropped || s.Missing != step.now.Missing {
			t.Errorf("status says %d to %d, %+v", s.KernelLost, s.KernelLostAtMost, s.Multicast)
		}
	}
	notes = nil
	kernel.status.Lost = 5 // to the owner, or to everybody
	l.look()
	var s status.Status
	if l.fill(&s); strings.Join(notes, "") != "kernel-lost n=5" || s.KernelLost != 310 || s.KernelLostAtMost != 615 {
		t.Errorf("the kernel's own count: %q, %d to %d", notes, s.KernelLost, s.KernelLostAtMost)
	}
}
