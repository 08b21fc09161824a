package main

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"

	"auditbridge/auditbridge"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// readmeConfiguration is the worked configuration of the README with the far
// end's addresses and our keys put in.
func readmeConfiguration(t *testing.T, d *instance, sshd *peertest.SSHD, collector *peertest.Rsyslog) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(readme), "```toml\n")
	text, _, closed := strings.Cut(text, "```")
	if !ok || !closed {
		t.Fatal("README.md has no configuration")
	}
	for _, put := range [][2]string{
		{`"172.18.4.99"`, `"127.0.0.1"`},
		{`server-port     = 22`, fmt.Sprintf("server-port     = %d", sshd.Port)},
		{`remote-port     = 9999`, fmt.Sprintf("remote-port     = %d", collector.Port)},
		{`user            = "audit"`, fmt.Sprintf("user            = %q", sshd.User)},
		{`"/etc/auditbridge/ssh/id"`, fmt.Sprintf("%q", d.identity(sshd.Identity))},
		{`"/etc/auditbridge/ssh/known_hosts"`, fmt.Sprintf("%q", d.public(sshd.KnownHosts))},
	} {
		if strings.Count(text, put[0]) != 1 {
			t.Fatalf("the README's configuration does not have %q once", put[0])
		}
		text = strings.Replace(text, put[0], put[1], 1)
	}
	return text
}

// TestReadmeConfigurationShipsLoginsAndConfigChangesOnly is the main job on
// stock peers: a person logs in at a stock sshd with PAM, another is refused;
// the live kernel's records of it reach a stock rsyslog through a stock sshd,
// and of everything the journal holds only logins and configuration changes do.
func TestReadmeConfigurationShipsLoginsAndConfigChangesOnly(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	far, collector := peertest.StartSSHD(t), peertest.StartRsyslog(t)
	entrance := peertest.StartLoginSSHD(t)
	d := newDaemon(t, "")
	d.configure(readmeConfiguration(t, d, far, collector))
	d.start()
	peertest.Until(t, "the link is up", func() bool {
		s, _ := d.status()
		return len(s.Destinations) == 1 && s.Destinations[0].Connected
	})

	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999999", "-k", "quiet-rule")
	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "write", "-F", fmt.Sprintf("auid=%d", entrance.UID), "-k", "session-write")
	if out, err := entrance.Login(t, entrance.User, entrance.Password, "id -un"); err != nil {
		t.Fatalf("log in: %v: %s\n%s", err, out, entrance.Output())
	}
	if out, err := entrance.Login(t, entrance.User, "not "+entrance.Password, "id"); err == nil {
		t.Fatalf("a wrong password was let in: %s", out)
	}
	kernel.SendUserMessage(1130, `unit=end-marker comm="systemd" exe="/usr/lib/systemd/systemd" hostname=? addr=? terminal=? res=success`)
	kernel.SendUserMessage(1112, `op=login acct="end-marker" exe="/usr/sbin/sshd" hostname=? addr=192.0.2.1 terminal=ssh res=success`)
	peertest.Until(t, "the last login arrives", func() bool {
		return slices.ContainsFunc(collector.Received(), func(m string) bool { return strings.Contains(m, "end-marker") })
	})
	d.untilDelivered()
	d.stop()

	want := readEvents(t, d, "login,config-change")
	others := readEvents(t, d, "system,session")
	got := map[string]bool{}
	for _, message := range collector.Received() {
		if id := serialOf(t, message); id != "" {
			got[id] = true
		}
	}
	for id, e := range want {
		if !got[id] && !e.own {
			t.Errorf("%s event %s did not arrive: %v", e.class, id, e.types)
		}
	}
	for id, e := range others {
		if got[id] && !e.own {
			t.Errorf("%s event %s arrived: %v", e.class, id, e.types)
		}
	}
	requireEvent(t, want, "a refused login", func(e listedEvent) bool {
		return e.result == "fail" && slices.Contains(e.types, "USER_AUTH")
	})
	requireEvent(t, want, "a login", func(e listedEvent) bool {
		return e.result == "success" && slices.Contains(e.types, "USER_AUTH")
	})
	requireEvent(t, want, "LOGIN together with its SYSCALL", func(e listedEvent) bool {
		return slices.Contains(e.types, "LOGIN") && slices.Contains(e.types, "SYSCALL")
	})
	requireEvent(t, want, "a change of the rules", func(e listedEvent) bool { return slices.Contains(e.types, "CONFIG_CHANGE") })
	requireEvent(t, others, "a system call of the session", func(e listedEvent) bool { return slices.Contains(e.types, "SYSCALL") })

	if out, err := exec.Command("ausearch", "-if", d.journal, "-m", "USER_AUTH").CombinedOutput(); err != nil || !strings.Contains(string(out), entrance.User) {
		t.Errorf("ausearch on the journal: %v: %s", err, out)
	}
	if out, errs, code := auditbridgeCommand(t, "verify", d.journal); code != 0 {
		t.Errorf("verify the journal: exit %d: %s%s", code, out, errs)
	}
}

// TestNothingIsLostWhenTheFarEndIsDown: the SSH server is killed under load and
// comes back half a minute later; every line of the journal is then in the far
// end's file, and that file verifies.
func TestNothingIsLostWhenTheFarEndIsDown(t *testing.T) {
	t.Parallel()
	t.Run("T-STG-OUTAGE", farEndIsDown)
}

func farEndIsDown(t *testing.T) {
	kernel := audittest.Kernel(t)
	kernel.Patient()
	before := kernel.Status()
	far, collector := peertest.StartSSHD(t), peertest.StartRsyslog(t)
	d := newDaemon(t, "")
	d.configure(tunnelled(d, far, collector, "audit"))
	d.start()
	peertest.Until(t, "the link is up", func() bool {
		s, _ := d.status()
		return len(s.Destinations) == 1 && s.Destinations[0].Connected
	})
	load := kernel.StartGenerate(1_000_000, 2000, "load")
	peertest.Until(t, "records arrive", func() bool { return len(collector.Received()) > 1000 })
	far.Kill()
	peertest.Until(t, "the break is noticed", func() bool {
		s, _ := d.status()
		return len(s.Destinations) == 1 && !s.Destinations[0].Connected && s.Destinations[0].LastError != ""
	})
	time.Sleep(30 * time.Second) // not a deadline: the length of the outage that the test is about
	far.Start(t)
	peertest.Until(t, "the link is up again, under load", func() bool {
		s, _ := d.status()
		return len(s.Destinations) == 1 && s.Destinations[0].Connected
	})
	load.Stop()
	d.untilDelivered()
	d.stop()

	if lost := kernel.Status().Lost - before.Lost; lost != 0 {
		t.Errorf("the kernel lost %d records", lost)
	}
	d.untilReceived(collector)
	requireSameLines(t, d.journalLines(), collector.Received())
	if out, errs, code := auditbridgeCommand(t, "verify", collector.File); code != 0 {
		t.Errorf("verify the far end's file: exit %d: %s%s", code, out, errs)
	}
}

// TestACrashLosesNothingThatWasHeard: run is killed under load and started
// again; the journal verifies, its sequences are dense, and the far end has
// every line of it.
func TestACrashLosesNothingThatWasHeard(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	far, collector := peertest.StartSSHD(t), peertest.StartRsyslog(t)
	d := newDaemon(t, "")
	d.configure(tunnelled(d, far, collector, "audit"))
	for range 3 {
		d.start()
		kernel.Generate(3000, 0, "crash")
		d.kill()
	}
	d.start()
	d.untilDelivered()
	d.stop()
	if out, errs, code := auditbridgeCommand(t, "verify", d.journal); code != 0 {
		t.Errorf("verify the journal: exit %d: %s%s", code, out, errs)
	}
	d.untilReceived(collector)
	requireSameLines(t, d.journalLines(), collector.Received())
}

// tunnelled is a configuration with one unfiltered destination through SSH.
func tunnelled(d *instance, far *peertest.SSHD, collector *peertest.Rsyslog, format string) string {
	return fmt.Sprintf(`
[[remote-logging-server]]
name    = "siem"
address = "127.0.0.1"
port    = 7777
format  = %q
start   = "oldest"

[[port-forwarding]]
name           = "siem-tunnel"
server-address = "127.0.0.1"
server-port    = %d
remote-host    = "127.0.0.1"
remote-port    = %d
local-address  = "127.0.0.1"
local-port     = 7777
user           = %q
identity-file  = %q
known-hosts    = %q
`, format, far.Port, collector.Port, far.User, d.identity(far.Identity), d.public(far.KnownHosts))
}

// untilDelivered waits until each destination has what is in the journal now, and
// the books balance. More may come meanwhile: this host has other users.
func (d *instance) untilDelivered() {
	d.t.Helper()
	written := uint64(0)
	d.until("what was heard is stored", func(s status.Status) bool {
		written = s.Written
		return s.Answering && s.InRing == 0 && written > 0
	})
	d.until("everything is delivered and the books balance", func(s status.Status) bool {
		return s.Balanced && len(s.Destinations) > 0 && !slices.ContainsFunc(s.Destinations, func(to status.Destination) bool {
			return to.Delivered == 0 || to.Pending > s.Written-written
		})
	})
}

// requireSameLines: every line of the journal is among the messages, in the
// journal's order, and nothing else is; a message may come again after a break.
func requireSameLines(t *testing.T, journal, messages []string) {
	t.Helper()
	want := map[string]bool{}
	for _, line := range journal {
		want[line] = true
	}
	got := map[string]bool{}
	var order []string
	for _, m := range messages {
		_, line, ok := strings.Cut(m, `"] `) // inside a parameter both are escaped
		if !ok {
			t.Fatalf("a message without a record: %q", m)
		}
		if !want[line] {
			t.Errorf("the far end has a line that the journal does not have: %q", line)
		}
		if !got[line] {
			order = append(order, line)
		}
		got[line] = true
	}
	missing := 0
	for _, line := range journal {
		if !got[line] {
			if missing++; missing <= 3 {
				t.Errorf("missing at the far end: %q", line)
			}
		}
	}
	if missing > 0 {
		t.Fatalf("%d of %d lines are missing at the far end", missing, len(journal))
	}
	if !slices.Equal(order, unique(journal)) {
		t.Error("the far end has the lines in another order")
	}
}

func unique(all []string) (once []string) {
	seen := map[string]bool{}
	for _, s := range all {
		if !seen[s] {
			once = append(once, s)
		}
		seen[s] = true
	}
	return once
}

// listedEvent is an event as `auditbridge read -o json` prints it.
type listedEvent struct {
	class, result string
	types         []string
	own           bool
}

func requireEvent(t *testing.T, events map[string]listedEvent, what string, is func(listedEvent) bool) {
	t.Helper()
	for _, e := range events {
		if is(e) {
			return
		}
	}
	t.Errorf("there is no event that is %s", what)
}

var serialParam = regexp.MustCompile(` serial="(\d+)"`)

// serialOf is the serial of an event in its RFC 5424 message.
func serialOf(t *testing.T, message string) string {
	t.Helper()
	m := serialParam.FindStringSubmatch(message)
	if m == nil {
		t.Fatalf("no serial in %q", message)
	}
	return m[1]
}

// readEvents lists the journal's events of some classes by serial.
func readEvents(t *testing.T, d *instance, classes string) map[string]listedEvent {
	t.Helper()
	segments, err := filepath.Glob(filepath.Join(d.journal, "0*.log"))
	if err != nil {
		t.Fatal(err)
	}
	out, errs, code := auditbridgeCommand(t, append([]string{"read", "-o", "json", "--include", classes}, segments...)...)
	if code != 0 {
		t.Fatalf("read the journal: exit %d: %s", code, errs)
	}
	events := map[string]listedEvent{}
	for decode := json.NewDecoder(strings.NewReader(out)); ; {
		var e struct {
			Serial  uint32
			Class   string
			Result  string
			Records []struct{ Type string }
		}
		if err := decode.Decode(&e); errors.Is(err, io.EOF) {
			return events
		} else if err != nil {
			t.Fatal(err)
		}
		listed := listedEvent{class: e.Class, result: e.Result, own: e.Serial >= auditbridge.FirstNoteSerial}
		for _, r := range e.Records {
			listed.types = append(listed.types, r.Type)
		}
		events[fmt.Sprint(e.Serial)] = listed
	}
}
