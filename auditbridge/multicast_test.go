package auditbridge

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/journal/ring"
)

// listener is the source "multicast" at work, and a consumer.
type listener struct {
	*Multicast
	*consumer
	end    func() // stops the source, then the consumer; returns when both ended
	missed Unheard
}

// Close comes when Run has ended: then it is known what was missed.
func (l *listener) Close() (err error) {
	l.missed, err = l.Unheard(time.Now())
	return errors.Join(err, l.Multicast.Close())
}

func listen(t *testing.T, cfg MulticastConfig, ringConfig ring.Config) *listener {
	t.Helper()
	r, err := ring.Open(ringConfig)
	if err != nil {
		t.Fatal(err)
	}
	m, err := OpenMulticast(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{Multicast: m, consumer: &consumer{t: t, ring: r}}
	l.end = l.work(l)
	return l
}

// startAuditd starts stock auditd, which then owns kernel audit and has enabled it.
func startAuditd(t *testing.T, audit *audittest.Audit) *peertest.Auditd {
	t.Helper()
	auditd := peertest.StartAuditd(t)
	audittest.Poll(t, "auditd owns kernel audit and has enabled it", func() bool {
		s := audit.Status()
		return s.PID == auditd.PID() && s.Enabled == 1
	})
	return auditd
}

// since are the records of a log from one mark to another, sorted: the kernel sends
// the owner a record that found no room once more, behind others. auditd's own are
// left out, and EOE, which it does not write.
func since(t *testing.T, log []byte, from, to string) (records []string) {
	t.Helper()
	in := false
	for line := range bytes.Lines(log) {
		switch {
		case bytes.Contains(line, []byte("op="+from)):
			in = true
		case bytes.Contains(line, []byte("op="+to)):
			slices.Sort(records)
			return records
		case in && !bytes.HasPrefix(line, []byte("type=DAEMON_")) && !bytes.HasPrefix(line, []byte("type=EOE")):
			records = append(records, string(line))
		}
	}
	t.Fatalf("no records from %s to %s", from, to)
	return nil
}

// Beside stock auditd the same records are heard, byte for byte.
func TestBesideAuditdTheSameRecordsAreHeard(t *testing.T) {
	audit := audittest.Kernel(t)
	audit.Patient()
	auditd := startAuditd(t, audit)
	l := listen(t, MulticastConfig{}, ring.Config{})
	owned := audit.Status()
	audit.SendUserMessage(1112, "op=mark-begin")
	const events = 5000
	audit.Generate(events, 0, "beside")
	audit.SendUserMessage(1112, "op=nl acct=x\ntype=USER_LOGIN msg=audit(1.000:1): auid=0")
	audit.SendUserMessage(1112, "op=mark-end")
	l.line("op=mark-end")
	audittest.Poll(t, "auditd has written the mark", func() bool {
		log, _ := os.ReadFile(auditd.Log)
		return bytes.Contains(log, []byte("op=mark-end"))
	})
	log, err := os.ReadFile(auditd.Log)
	if err != nil {
		t.Fatal(err)
	}
	theirs := since(t, log, "mark-begin", "mark-end")
	ours := since(t, []byte(l.text()), "mark-begin", "mark-end")
	for i, record := range ours { // auditd makes a blank of a newline, we keep it
		ours[i] = strings.Replace(strings.Replace(record, `acct=x\x0A`, "acct=x ", 1), " ab-esc=1\n", "\n", 1)
	}
	slices.Sort(ours)
	if len(ours) < 2*events {
		t.Errorf("%d records of %d events", len(ours), events)
	}
	if !slices.Equal(ours, theirs) {
		for i := range min(len(ours), len(theirs)) {
			if ours[i] != theirs[i] {
				t.Errorf("first difference:\n%sis auditd's\n%s", ours[i], theirs[i])
				break
			}
		}
		t.Errorf("%d records heard, %d in auditd's log", len(ours), len(theirs))
	}
	l.end()
	if s := audit.Status(); s.PID != owned.PID || s.Enabled != owned.Enabled || s.Lost != owned.Lost {
		t.Errorf("kernel audit was %+v, is %+v", owned, s)
	}
	if l.missed.Dropped+l.missed.Missing != 0 {
		t.Errorf("missed %+v", l.missed)
	}
}

// auditd may go and come, killed or in order: what is heard has no hole.
func TestTheOwnersComingAndGoingMakesNoHole(t *testing.T) {
	audit := audittest.Kernel(t)
	l := listen(t, MulticastConfig{}, ring.Config{})
	audit.Enable()
	const events = 3000
	total := 0
	generate := func(key string) {
		audit.Generate(events, 0, key)
		total += events
	}
	generate("nobody")
	first := startAuditd(t, audit)
	generate("first")
	generator := audit.StartGenerate(events, 3000, "dying")
	first.Kill()
	generator.Wait()
	second := startAuditd(t, audit)
	generate("second")
	second.Stop()
	if owner := audit.Status().PID; owner != 0 {
		t.Errorf("auditd has gone in order, and kernel audit is owned by %d", owner)
	}
	audit.Enable() // auditd switched it off
	generate("last")
	audit.SendUserMessage(1112, "op=mark-end")
	l.line("op=mark-end")
	for _, key := range []string{"nobody", "first", "dying", "second", "last"} {
		if n := stored(l.text(), key); n != events {
			t.Errorf("%s: %d of %d events", key, n, events)
		}
	}
	l.end()
	if l.missed.Dropped+l.missed.Missing != 0 {
		t.Errorf("missed %+v", l.missed)
	}
}

// What a small buffer and a reader that does not come miss is in the range that is
// told, record by record, and the holes lie where records are missing.
func TestAnOverrunIsFoundRecordByRecord(t *testing.T) {
	audit := audittest.Kernel(t)
	r, err := ring.Open(ring.Config{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := OpenMulticast(MulticastConfig{ReceiveBuffer: 128 << 10}, r)
	if err != nil {
		t.Fatal(err)
	}
	audit.Enable()
	audit.SendUserMessage(1112, "op=mark-begin")
	const events = 5000
	audit.Generate(events, 0, "overrun") // nobody reads
	atLeast := netlinkDrops(t, m.socket.fd)
	if u, err := m.Unheard(time.Now()); err != nil || u.Dropped == 0 || u.Missing != 0 {
		t.Fatalf("before anything is read: %+v, %v", u, err)
	}
	// Whoever else is audited meanwhile adds to it.
	if atMost := netlinkDrops(t, m.socket.fd); m.dropped.total < uint64(atLeast) || m.dropped.total > uint64(atMost) {
		t.Errorf("dropped %d, /proc/net/netlink says %d to %d", m.dropped.total, atLeast, atMost)
	}
	l := &listener{Multicast: m, consumer: &consumer{t: t, ring: r}}
	l.end = l.work(l)
	audittest.Poll(t, "what stood in the buffer is read", func() bool { return strings.Contains(l.text(), `"overrun"`) })
	audit.SendUserMessage(1112, "op=mark-end")
	l.line("op=mark-end")
	l.end()

	heard := map[uint32]bool{}
	var first, last uint32
	records := 0
	for line := range strings.Lines(l.text()) {
		h, ok := ParseHeader([]byte(line))
		if !ok {
			t.Fatalf("not a record: %q", line)
		}
		heard[h.ID.Serial] = true
		if strings.Contains(line, "op=mark-begin") {
			first = h.ID.Serial
		}
		if strings.Contains(line, "op=mark-end") {
			last = h.ID.Serial
		}
		if strings.Contains(line, `key="overrun"`) || strings.HasPrefix(line, "type=PROCTITLE") || strings.HasPrefix(line, "type=EOE") {
			records++
		}
	}
	holes := uint64(0)
	for serial := first + 1; serial != last; serial++ {
		if !heard[serial] {
			holes++
		}
	}
	u := l.missed
	if u.Missing != holes || holes == 0 || u.New.First <= first || u.New.Last >= last || heard[u.New.First] || heard[u.New.Last] {
		t.Errorf("%d serials between %d and %d were not heard; said: %+v", holes, first, last, u)
	}
	// Three records an event, and those of adding and deleting the rule.
	least, most := max(u.Dropped, u.Missing), u.Dropped+u.Missing
	if lost := uint64(3*events - records); lost > most || lost+10 < least {
		t.Errorf("%d records were lost, said: %d to %d", lost, least, most)
	}
}

// netlinkDrops is the Drops column of a socket in /proc/net/netlink.
func netlinkDrops(t *testing.T, fd int) (drops uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("/proc/net/netlink")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) == 10 && f[9] == fmt.Sprint(st.Ino) {
			if _, err := fmt.Sscan(f[8], &drops); err != nil {
				t.Fatal(err)
			}
			return drops
		}
	}
	t.Fatalf("no socket %d in\n%s", st.Ino, table)
	return 0
}

func TestListeningStopsAtOnce(t *testing.T) {
	for _, load := range []string{"quiet", "busy"} {
		t.Run(load, func(t *testing.T) {
			audit := audittest.Kernel(t)
			audit.Enable()
			l := listen(t, MulticastConfig{}, ring.Config{})
			var generator *audittest.Generator
			if load == "busy" {
				generator = audit.StartGenerate(100000, 0, "busy")
				l.line(`key="busy"`)
			}
			done := make(chan struct{})
			go func() { l.end(); close(done) }()
			select {
			case <-done:
			case <-time.After(2 * time.Minute):
				t.Error("Run hangs")
			}
			if generator != nil {
				generator.Wait()
			}
			if l.missed.Dropped+l.missed.Missing != 0 {
				t.Errorf("missed %+v", l.missed)
			}
		})
	}
}

// A rule that matches what this process does makes records of it, from each of its
// threads, but for the exception; afterwards the kernel's rules are what they were.
func TestListeningIsNotHeard(t *testing.T) {
	audit := audittest.Kernel(t)
	file := filepath.Join(t.TempDir(), "exempt")
	rule := []string{"always,exit", "-F", "arch=b64", "-S", "write,getpgid", "-k", "ours"}
	audit.AddRule(append([]string{"-a"}, rule...)...)
	rules := audit.Rules()
	audit.Enable()
	l := listen(t, MulticastConfig{}, ring.Config{})
	if own := ownCalls(audit, l, "audited"); own < 20 {
		t.Errorf("the rule catches %d of our 20 calls", own)
	}
	if n, err := l.Rules(); n != 1 || err != nil {
		t.Errorf("%d rules, %v", n, err)
	}
	l.end()

	l = listen(t, MulticastConfig{ExemptionFile: file}, ring.Config{})
	exempt := func() bool {
		return strings.Count(audit.Rules(), fmt.Sprintf("pid=%d\n", os.Getpid())) == 2
	}
	audittest.Poll(t, "the exception is made", exempt)
	if own := ownCalls(audit, l, "exempt"); own != 0 {
		t.Errorf("we hear %d calls of our own:\n%.2000s", own, l.text())
	}
	if n, err := l.Rules(); n != 1 || err != nil {
		t.Errorf("%d rules, %v", n, err)
	}
	audit.AddRule("-D")
	if _, err := l.Rules(); err != nil || !exempt() || l.Audited() != nil {
		t.Errorf("deleted by somebody, not there again: %v\n%s", err, audit.Rules())
	}
	audit.AddRule(append([]string{"-a"}, rule...)...)
	l.end()
	if after := audit.Rules(); after != rules {
		t.Errorf("rules were\n%sare\n%s", rules, after)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
}

// ownCalls has this process make system calls on threads of their own, and returns
// how many records of its calls are heard.
func ownCalls(audit *audittest.Audit, l *listener, mark string) (own int) {
	audit.SendUserMessage(1112, "op=begin-"+mark)
	for range 20 {
		done := make(chan struct{})
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends
			unix.Getpgid(999999)
			close(done)
		}()
		<-done
	}
	audit.SendUserMessage(1112, "op=end-"+mark)
	l.line("op=end-" + mark)
	_, text, _ := strings.Cut(l.text(), "op=begin-"+mark)
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "type=SYSCALL") && strings.Contains(line, fmt.Sprintf(" pid=%d ", os.Getpid())) {
			own++
		}
	}
	return own
}

// What a killed process left is taken back, and no other rule.
func TestExceptionsOfTheDeadAreTakenBack(t *testing.T) {
	audit := audittest.Kernel(t)
	file := filepath.Join(t.TempDir(), "exempt")
	if err := WithdrawExemptions(file); err != nil {
		t.Errorf("when nothing was left: %v", err)
	}
	audit.AddRule("-A", "exit,never", "-F", "pid=77777777")
	rules := audit.Rules()
	const dead = 88888888
	c, err := openControl()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := remember(file, dead); err != nil {
		t.Fatal(err)
	}
	if others, added, err := c.except(dead); others != 1 || !added || err != nil {
		t.Fatalf("%d, %v, %v", others, added, err)
	}
	if !strings.HasPrefix(audit.Rules(), "-a never,exit -S all -F ppid=88888888\n-a never,exit -S all -F pid=88888888\n") {
		t.Errorf("not before all others:\n%s", audit.Rules())
	}
	if err := WithdrawExemptions(file); err != nil || audit.Rules() != rules {
		t.Errorf("%v; rules were\n%sare\n%s", err, rules, audit.Rules())
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is left: %v", err)
	}
	if err := os.WriteFile(file, []byte("not a pid\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WithdrawExemptions(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("a file that says nothing: %v", err)
	}
}
