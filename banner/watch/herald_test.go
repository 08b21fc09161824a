package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/banner"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"

	"golang.org/x/sys/unix"
)

// TestMain has what a test mounts go with it.
func TestMain(m *testing.M) {
	peertest.OwnMounts()
	os.Exit(m.Run())
}

// heard is a herald below a root of its own, where nobody sits at a terminal, and
// what it said to syslog.
func heard(t *testing.T, down func() bool) (h *herald, syslog *[]string) {
	t.Helper()
	root := t.TempDir()
	run := filepath.Join(root, "run/auditbridge")
	syslog = &[]string{}
	return heardBelow(t, root, run, down, syslog), syslog
}

func heardBelow(t *testing.T, root, run string, down func() bool, syslog *[]string) *herald {
	h := newHerald(&Config{
		Root: root, Stopping: down, Logger: slog.New(slog.DiscardHandler),
		Syslog: func(text string) error { *syslog = append(*syslog, text); return nil },
	}, &Settings{Node: "host", RunDir: run, StateDir: filepath.Join(root, "state"), Repeat: time.Minute, Places: banner.Places{Root: root, RunDir: run}})
	t.Cleanup(func() {
		for range mostWaiting { // until nothing is being written any more
			h.lasting.busy <- struct{}{}
		}
	})
	return h
}

func impaired(ms int, codes ...string) *Verdict {
	v := &Verdict{State: status.Impaired, Since: at(ms)}
	for _, c := range codes {
		v.Raised = append(v.Raised, Raised{Finding{Code: c}, at(ms)})
	}
	return v
}

func ops(h *herald) string {
	var all []string
	for _, e := range h.report().Entries {
		all = append(all, e.Op+"("+strings.Join(e.Codes, ",")+")")
	}
	return strings.Join(all, " ")
}

// An outage is told once, what comes to it once more, and its end names all of it;
// what comes and goes within it is no news, and that something is degraded is none.
func TestAnOutageIsToldOnce(t *testing.T) {
	h, syslog := heard(t, func() bool { return false })
	ok := &Verdict{State: status.OK, Since: at(90000)}
	degraded := &Verdict{State: status.Degraded, Raised: []Raised{{Finding{Code: "link-down", Object: "siem"}, at(0)}}}
	for _, v := range []*Verdict{ok, degraded, impaired(1000, "run-gone"), impaired(1000, "run-gone"), impaired(1000, "run-gone", "link-down"),
		impaired(1000, "run-gone", "kernel-off"), impaired(1000, "kernel-off")} {
		h.hear(at(2000), v, time.Hour)
	}
	h.hear(at(70000), impaired(1000, "kernel-off"), time.Hour) // repeated
	motd := filepath.Join(h.root, "run/motd.d/00-auditbridge")
	if text, err := os.ReadFile(motd); err != nil || !strings.Contains(string(text), "[kernel-off, since") || strings.Contains(string(text), "run-gone") {
		t.Errorf("the next login sees %q, %v", text, err)
	}
	h.hear(at(90000), ok, time.Hour)
	if got, want := ops(h), "banner-raised(run-gone) banner-changed(run-gone,kernel-off) banner-cleared(run-gone,kernel-off)"; got != want {
		t.Errorf("on record: %s, want %s", got, want)
	}
	if len(*syslog) != 3 {
		t.Errorf("syslog: %q", *syslog)
	}
	if _, err := os.Stat(motd); err == nil {
		t.Error("the message is left behind")
	}
}

// Quiet that somebody asks for before he begins holds for what goes wrong then: it is
// told, and not repeated until the time is over; when all is well again, nothing is
// left of it.
func TestQuietCanBeAskedForBefore(t *testing.T) {
	h, _ := heard(t, func() bool { return false })
	ann := peertest.StartPerson(t, h.root, 46234, "bash")
	told := func(times int) {
		t.Helper()
		ann.Sees(t, strings.Repeat("x", times))
		if n := strings.Count(ann.Shown(), "IS IMPAIRED"); n != times {
			t.Errorf("told %d times, want %d", n, times)
		}
	}
	h.snooze(at(0), &Snooze{Until: at(600_000), Reason: "a disk is replaced"})
	h.hear(at(1000), impaired(1000, "run-gone"), time.Hour)
	h.hear(at(70_000), impaired(1000, "run-gone"), time.Hour)
	h.teller.Tell("x")
	told(1)
	h.hear(at(700_000), impaired(1000, "run-gone"), time.Hour)
	h.teller.Tell("xx")
	told(2)
	h.hear(at(800_000), &Verdict{State: status.OK, Since: at(800_000)}, time.Hour)
	if h.told.Snooze != nil {
		t.Error("the next outage is not repeated, either")
	}
}

// What cannot be taken back when an outage is over, for its file system is read-only
// then, is tried again: nobody reads for ever that auditing does not work.
func TestAMessageThatCannotBeTakenBackIsTriedAgain(t *testing.T) {
	h, _ := heard(t, func() bool { return false })
	issue := filepath.Join(h.root, "etc/issue.d")
	left := func() bool {
		_, err := os.Lstat(filepath.Join(issue, "00-auditbridge.issue"))
		return err == nil
	}
	ok := &Verdict{State: status.OK, Since: at(90000)}
	h.hear(at(2000), impaired(1000, "run-gone"), time.Hour)
	if err := unix.Mount(issue, issue, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(issue, unix.MNT_DETACH) })
	if err := unix.Mount("", issue, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
	h.hear(at(90000), ok, time.Hour)
	if !left() {
		t.Fatal("it could be taken back: this test shows nothing")
	}
	if err := unix.Unmount(issue, 0); err != nil {
		t.Fatal(err)
	}
	h.hear(at(91000), ok, time.Hour)
	h.hear(at(150000), ok, time.Hour)
	if left() {
		t.Error("it is left behind")
	}
}

// What stops because the host goes down is no outage; what was one before stays.
func TestAHostThatGoesDownIsNoOutage(t *testing.T) {
	down := false
	h, _ := heard(t, func() bool { return down })
	h.hear(at(1000), impaired(1000, "kernel-off"), time.Hour)
	down = true
	h.hear(at(2000), impaired(1000, "kernel-off", "run-gone"), time.Hour)
	if got := ops(h); got != "banner-raised(kernel-off)" {
		t.Errorf("on record: %s", got)
	}
}

// A watch that takes over believes for a while that what was told still holds.
func TestAWatchThatTakesOverIsInNoHurry(t *testing.T) {
	before, _ := heard(t, func() bool { return false })
	before.hear(at(1000), impaired(1000, "run-gone"), time.Hour)
	h := heardBelow(t, before.root, before.settings.RunDir, before.down, new([]string))
	ok := &Verdict{State: status.OK, Since: at(2000)}
	h.hear(at(2000), ok, settling-1)
	if h.told.Raised == nil {
		t.Fatal("it says at once that all is well")
	}
	h.hear(at(3000), ok, settling)
	if got := ops(h); got != "banner-raised(run-gone) banner-cleared(run-gone)" {
		t.Errorf("on record: %s", got)
	}
}

// Entries wait for run, at most so many; what run has is forgotten.
func TestEntriesWaitForRun(t *testing.T) {
	h, _ := heard(t, func() bool { return false })
	for range mostEntries + 10 {
		h.snooze(at(1000), &Snooze{Until: at(2000), Reason: "x"})
	}
	all := h.report().Entries
	if len(all) != mostEntries || all[len(all)-1].Number != mostEntries+10 {
		t.Fatalf("%d entries, the last has number %d", len(all), all[len(all)-1].Number)
	}
	h.recorded(all[:100])
	if rest := h.report().Entries; len(rest) != mostEntries-100 || rest[0].Number != all[100].Number {
		t.Errorf("%d entries are left, from number %d", len(rest), rest[0].Number)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	h.run(ctx) // ends with its context
}

// What run has not put on record outlives the host, whose run-dir does not; when it
// is on record nothing of it is kept.
func TestEntriesOutliveTheHost(t *testing.T) {
	h, syslog := heard(t, func() bool { return false })
	h.hear(at(2000), impaired(1000, "run-gone"), time.Hour)
	h.decided(Entry{At: at(3000), Op: "failure-action", Action: "halt", Codes: []string{"run-gone"}})
	was := h.report().Entries
	reboot := func() *herald {
		t.Helper()
		if err := os.RemoveAll(h.settings.RunDir); err != nil {
			t.Fatal(err)
		}
		return heardBelow(t, h.root, h.settings.RunDir, h.down, syslog)
	}
	next := reboot()
	if now := ops(next); now != "banner-raised(run-gone) failure-action(run-gone)" || next.text() != "" {
		t.Errorf("the next boot has %s, and shows %q", now, next.text())
	}
	next.hear(at(9000), impaired(9000, "run-absent"), time.Hour)
	if all := next.report().Entries; len(all) != 3 || all[2].Number <= was[1].Number || !all[1].At.Equal(at(3000)) {
		t.Errorf("%+v", all)
	}
	next.recorded(next.report().Entries)
	if err := <-next.lasting.keep(next.settings.StateDir, nil); err != nil { // behind what is still being written
		t.Error(err)
	}
	if now := ops(reboot()); now != "" {
		t.Errorf("what is on record is kept: %s", now)
	}
}

// A disk that hangs holds up nobody; what it takes late is not older than what it
// has.
func TestNobodyWaitsForADiskThatHangs(t *testing.T) {
	l, dir := newLasting(), t.TempDir()
	l.disk.Lock()
	var all []<-chan error
	for n := range mostWaiting + 1 {
		all = append(all, l.keep(dir, []Entry{{Number: uint64(n + 1)}}))
	}
	if err := <-all[mostWaiting]; err == nil {
		t.Error("more wait than may")
	}
	l.disk.Unlock()
	for _, done := range all[:mostWaiting] {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if got, err := kept(dir); err != nil || len(got) != 1 || got[0].Number != mostWaiting {
		t.Errorf("%+v, %v", got, err)
	}
}
