package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// plain is a destination over TCP without a tunnel, from the journal's start.
func plain(name string, port int, more ...string) string {
	return fmt.Sprintf("[[remote-logging-server]]\nname = %q\naddress = \"127.0.0.1\"\nport = %d\nprotocol = \"tcp\"\nstart = \"oldest\"\n%s\n",
		name, port, strings.Join(more, "\n"))
}

// mixed are events of every class, successful and not, and of types that nobody
// knows. Serials name them.
const mixed = `type=USER_LOGIN msg=audit(1709742929.100:1): pid=1 uid=0 auid=1000 ses=5 msg='op=login acct="centos" exe="/usr/sbin/sshd" hostname=192.0.2.1 addr=192.0.2.1 terminal=ssh res=success'
type=USER_LOGIN msg=audit(1709742929.200:2): pid=1 uid=0 auid=4294967295 ses=4294967295 msg='op=login acct="mallory" exe="/usr/sbin/sshd" hostname=192.0.2.1 addr=192.0.2.1 terminal=ssh res=failed'
type=CONFIG_CHANGE msg=audit(1709742929.300:3): auid=1000 ses=5 op=add_rule key="x" list=4 res=1
type=SERVICE_START msg=audit(1709742929.400:4): pid=1 uid=0 auid=4294967295 ses=4294967295 msg='unit=cron comm="systemd" exe="/usr/lib/systemd/systemd" hostname=? addr=? terminal=? res=success'
type=SYSCALL msg=audit(1709742929.500:5): arch=c000003e syscall=62 success=yes exit=0 a0=1 a1=0 a2=0 a3=0 items=0 ppid=1 pid=2 auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=5 comm="kill" exe="/usr/bin/kill" key=(null)
type=PROCTITLE msg=audit(1709742929.500:5): proctitle="kill"
type=EOE msg=audit(1709742929.500:5): 
type=NETFILTER_PKT msg=audit(1709742929.600:6): mark=0x1 saddr=192.0.2.1 daddr=192.0.2.2 proto=6
type=UNKNOWN[1199] msg=audit(1709742929.700:7): op=odd
type=UNKNOWN[2999] msg=audit(1709742929.800:8): op=odd
type=NEWER_THAN_WE msg=audit(1709742929.900:9): op=odd
`

const (
	unknown    = "7 8 9"
	everything = "1 2 3 4 5 6 " + unknown
)

// TestEachDestinationGetsWhatItAskedFor: classes, the list of filters, values of
// its own; what cannot be understood passes them all; each one's books say what
// was excluded. All destinations are one server, told apart by their SD-ID.
func TestEachDestinationGetsWhatItAskedFor(t *testing.T) {
	beside(t)
	rows := []struct {
		name string
		keys []string
		want string
	}{
		{"all", nil, everything},
		{"login", []string{`include = ["login"]`}, "1 2 " + unknown},
		{"config-change", []string{`include = ["config-change"]`}, "3 " + unknown},
		{"session", []string{`include = ["session"]`}, "6 " + unknown},
		{"system", []string{`include = ["system"]`}, "4 5 " + unknown},
		{"two-classes", []string{`include = ["login", "config-change"]`}, "1 2 3 " + unknown},
		{"two-filters", []string{`filter = [{facility = "kern", severity = "notice"}, {facility = "auth", severity = "info"}]`}, "1 2 3 6 " + unknown},
		{"facility", []string{`filter = [{facility = "kern"}]`}, "5 " + unknown},
		{"severity", []string{`filter = [{severity = "error"}]`}, unknown},
		{"urgent", []string{`filter = [{severity = "notice"}]`}, "2 3 " + unknown},
		{"match", []string{`filter = [{match = "^<38>1 .*acct=.centos"}]`}, "1 " + unknown},
		{"match-and-class", []string{`include = ["config-change"]`, `filter = [{match = "centos"}]`}, unknown},
	}
	collector := peertest.StartRsyslog(t)
	settings := "[syslog]\nformat = \"audit\"\n" + fromStdin
	for _, row := range rows {
		settings += plain(row.name, collector.Port, append(row.keys, `format = "rfc5424"`, fmt.Sprintf(`sd-id = "%s@32473.1"`, row.name))...)
	}
	settings += plain("raw", collector.Port) // with the format of [syslog]
	settings += plain("stamped", collector.Port, `format = "rfc5424"`, `facility = "local7"`, `severity = "crit"`, `sd-id = "stamped@32473.1"`)
	d := newDaemon(t, settings)
	d.start()
	d.feed(mixed)
	peertest.Until(t, "all destinations have got what was sent", func() bool {
		s, ok := d.status()
		return ok && s.Stored == 11 && len(s.Destinations) == len(rows)+2 &&
			!slices.ContainsFunc(s.Destinations, func(b status.Destination) bool { return !b.Connected || b.Pending > 0 })
	})
	d.stdin.Close() // the source ends, and with it run
	<-d.ended
	if d.err != nil {
		t.Fatalf("auditbridge run: %v\n%s", d.err, d.said)
	}
	d.untilReceived(collector)
	received := collector.Received()
	books := map[string]status.Destination{}
	last := d.lastStatus()
	for _, b := range last.Destinations {
		books[b.Name] = b
	}
	for _, row := range rows {
		serials, records := arrived(t, received, row.name)
		if got := strings.Join(serials, " "); got != row.want {
			t.Errorf("%s: events %s arrived, want %s", row.name, got, row.want)
		}
		b := books[row.name]
		if b.Pending != 0 || b.Delivered != records || b.Delivered+b.Excluded != last.Durable {
			t.Errorf("%s: %d records arrived; delivered %d, excluded %d, pending %d, of %d", row.name, records, b.Delivered, b.Excluded, b.Pending, last.Durable)
		}
		if row.want == everything && b.Excluded != 0 {
			t.Errorf("%s: excluded %d without an include", row.name, b.Excluded)
		}
	}
	requireFacilities(t, received)
	if raw := slices.DeleteFunc(slices.Clone(received), func(m string) bool { return !strings.Contains(m, "] type=") }); len(raw) == 0 {
		t.Error("the server without a format of its own did not get that of [syslog]")
	} else {
		requireSameLines(t, d.journalLines(), raw)
	}
}

// requireFacilities: logins, changes and sessions are auth's; the kernel's own
// are kern's; a server's own values replace them.
func requireFacilities(t *testing.T, received []string) {
	t.Helper()
	want := map[string]int{"1": 4, "2": 4, "3": 4, "4": 3, "5": 0, "6": 4}
	for _, m := range received {
		pri, _, _ := strings.Cut(strings.TrimPrefix(m, "<"), ">")
		code, err := strconv.Atoi(pri)
		if err != nil {
			t.Fatalf("no PRI in %q", m)
		}
		if strings.Contains(m, "[stamped@32473.1 ") {
			if code != 23*8+2 {
				t.Errorf("PRI %d, want local7.crit: %s", code, m)
			}
			continue
		}
		if code%8 == 7 {
			t.Errorf("severity debug: %s", m)
		}
		if s := serialParam.FindStringSubmatch(m); s != nil {
			if facility, known := want[s[1]]; known && code/8 != facility {
				t.Errorf("facility %d, want %d: %s", code/8, facility, m)
			}
		}
	}
}

var recordsParam = regexp.MustCompile(` records="(\d+)"`)

// arrived lists the serials of the events that arrived for one destination, our
// own left out, and counts their records, our own too.
func arrived(t *testing.T, received []string, name string) (serials []string, records uint64) {
	t.Helper()
	for _, m := range received {
		if !strings.Contains(m, "["+name+"@32473.1 ") {
			continue
		}
		n, err := strconv.ParseUint(recordsParam.FindStringSubmatch(m)[1], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		records += n
		if s, err := strconv.ParseUint(serialOf(t, m), 10, 32); err != nil || s < auditbridge.FirstNoteSerial {
			serials = append(serials, serialOf(t, m))
		}
	}
	slices.Sort(serials)
	return serials, records
}

// trouble is one destination's; the other one does not notice.
type trouble struct {
	name   string
	says   string // the reason in status
	hint   string
	sshd   []string // lines of sshd's configuration
	begin  func(t *testing.T, far *peertest.SSHD, collector *peertest.Rsyslog, d *instance)
	during func(t *testing.T, far *peertest.SSHD)
	mend   func(t *testing.T, far *peertest.SSHD, collector *peertest.Rsyslog, d *instance)
}

// TestADestinationInTroubleStopsNobody: recording goes on, status is DEGRADED
// and says why and what to do, the other destination gets everything; and when
// the trouble is over, so does this one.
func TestADestinationInTroubleStopsNobody(t *testing.T) {
	t.Parallel()
	for _, row := range []trouble{
		{name: "the wrong host key", says: "is not the one in the known-hosts file", hint: "somebody may stand between",
			begin: func(t *testing.T, far *peertest.SSHD, _ *peertest.Rsyslog, d *instance) {
				peertest.Keygen(t, d.dir+"/other", "ed25519")
				rewrite(t, far.KnownHosts+".ours", peertest.KnownHostsLine(t, far.Port, d.dir+"/other.pub"))
			},
			during: func(t *testing.T, far *peertest.SSHD) {
				for _, word := range []string{"Failed ", "Accepted ", "Invalid user", "authenticating user", "Postponed"} {
					if strings.Contains(far.Output(), word) {
						t.Errorf("something of authentication was sent to a server with the wrong key: sshd says %q:\n%s", word, far.Output())
					}
				}
			},
			mend: func(t *testing.T, far *peertest.SSHD, _ *peertest.Rsyslog, _ *instance) {
				rewrite(t, far.KnownHosts+".ours", peertest.KnownHostsLine(t, far.Port, far.HostKey))
			}},
		{name: "a key that the server does not know", says: "does not accept the key", hint: `authorized_keys: restrict,port-forwarding,permitopen="127.0.0.1:`,
			begin: func(t *testing.T, far *peertest.SSHD, _ *peertest.Rsyslog, _ *instance) {
				must(t, os.Rename(far.AuthorizedKeys, far.AuthorizedKeys+".away"))
			},
			mend: func(t *testing.T, far *peertest.SSHD, _ *peertest.Rsyslog, _ *instance) {
				must(t, os.Rename(far.AuthorizedKeys+".away", far.AuthorizedKeys))
			}},
		{name: "a server that forbids forwarding", says: "the server forbids it", hint: "AllowTcpForwarding",
			sshd: []string{"AllowTcpForwarding no"},
			mend: func(t *testing.T, far *peertest.SSHD, _ *peertest.Rsyslog, _ *instance) {
				reconfigure(t, far, "AllowTcpForwarding no", "AllowTcpForwarding yes")
			}},
		{name: "a server that permits another target", says: "the server forbids it", hint: "PermitOpen",
			sshd: []string{"PermitOpen 127.0.0.1:1"},
			mend: func(t *testing.T, far *peertest.SSHD, _ *peertest.Rsyslog, _ *instance) {
				reconfigure(t, far, "PermitOpen 127.0.0.1:1", "PermitOpen any")
			}},
		{name: "a log server that is away", says: "the server cannot connect there", hint: "is the log server running",
			begin: func(_ *testing.T, _ *peertest.SSHD, collector *peertest.Rsyslog, _ *instance) { collector.Kill() },
			mend:  func(t *testing.T, _ *peertest.SSHD, collector *peertest.Rsyslog, _ *instance) { collector.Start(t) }},
		{name: "an SSH server that is away", says: "connection refused", hint: "is the SSH server running",
			begin: func(_ *testing.T, far *peertest.SSHD, _ *peertest.Rsyslog, _ *instance) { far.Kill() },
			mend:  func(t *testing.T, far *peertest.SSHD, _ *peertest.Rsyslog, _ *instance) { far.Start(t) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			beside(t)
			row.run(t)
		})
	}
}

func (row *trouble) run(t *testing.T) {
	far, collector, other := peertest.StartSSHD(t, row.sshd...), peertest.StartRsyslog(t), peertest.StartRsyslog(t)
	d := newDaemon(t, "")
	settings := tunnelled(d, far, collector, "audit")
	rewrite(t, far.KnownHosts+".ours", peertest.KnownHostsLine(t, far.Port, far.HostKey))
	must(t, os.Chmod(strings.TrimSuffix(far.KnownHosts, "/known_hosts"), 0o755))
	d.configure(fromStdin + settings + plain("other", other.Port, `format = "audit"`))
	edit(t, d.config, d.public(far.KnownHosts), far.KnownHosts+".ours")
	if row.begin != nil {
		row.begin(t, far, collector, d)
	}
	d.start()
	d.feed(mixed)
	var s status.Status
	peertest.Until(t, "one is in trouble, the other has everything, all is recorded", func() bool {
		var ok bool
		s, ok = d.status()
		return ok && len(s.Destinations) == 2 && strings.Contains(s.Destinations[0].LastError, row.says) && !s.Destinations[0].Connected &&
			s.Destinations[1].Connected && s.Destinations[1].Delivered >= 11 && s.Stored == 11 && s.Destinations[0].Pending >= 11
	})
	bad := s.Destinations[0]
	if s.State != status.Degraded || s.Losing != status.LosingNo || !s.Balanced || bad.Delivered != 0 || bad.Pending < 11 {
		t.Errorf("status is %s, losing %s, balanced %v; %+v", s.State, s.Losing, s.Balanced, bad)
	}
	if !strings.Contains(bad.LastError, row.says) || !strings.Contains(bad.Hint, row.hint) {
		t.Errorf("status says %q, hint %q; want %q and %q", bad.LastError, bad.Hint, row.says, row.hint)
	}
	out, _, code := auditbridgeCommand(t, "status", "--config", d.config)
	if code != 1 || !strings.HasPrefix(out, "DEGRADED since ") || !strings.Contains(out, row.says) {
		t.Errorf("status exits %d and says\n%s", code, out)
	}
	if row.during != nil {
		row.during(t, far)
	}
	row.mend(t, far, collector, d)
	peertest.Until(t, "both have everything", func() bool {
		s, ok := d.status()
		return ok && s.State == status.OK && s.Balanced && s.Destinations[0].Pending == 0 && s.Destinations[1].Pending == 0
	})
	d.stop()
	for _, c := range []*peertest.Rsyslog{collector, other} {
		d.untilReceived(c)
		requireSameLines(t, d.journalLines(), c.Received())
		d.verifies(c.File)
	}
}

// feed writes lines to run's standard input.
func (d *instance) feed(text string) {
	d.t.Helper()
	if _, err := d.stdin.WriteString(text); err != nil {
		d.t.Fatal(err)
	}
}

// verifies: `auditbridge verify` has nothing to say against a journal or a copy.
func (d *instance) verifies(path string) {
	d.t.Helper()
	if out, errs, code := auditbridgeCommand(d.t, "verify", path); code != 0 {
		d.t.Errorf("verify %s: exit %d: %s%s", path, code, out, errs)
	}
}

// untilReceived waits until a stock peer has written down what it was sent last.
func (d *instance) untilReceived(collector *peertest.Rsyslog) {
	d.t.Helper()
	all := d.journalLines()
	peertest.Until(d.t, "the collector has written the journal's last line", func() bool {
		got := collector.Received()
		return slices.ContainsFunc(got, func(m string) bool { return strings.HasSuffix(m, all[len(all)-1]) })
	})
}

// rewrite writes a file that everybody may read.
func rewrite(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o644))
}

func reconfigure(t *testing.T, far *peertest.SSHD, old, new string) {
	t.Helper()
	far.Kill()
	edit(t, far.Config, old, new)
	far.Start(t)
}

// lastStatus is the status of a run that has ended, with its destinations' last
// books.
func (d *instance) lastStatus() status.Status {
	d.t.Helper()
	s, err := lastStatus(d.dir + "/run")
	must(d.t, err)
	if len(s.Destinations) == 0 {
		d.t.Fatalf("run left no books: %+v", s)
	}
	return s
}
