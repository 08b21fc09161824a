package forward

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/forward/https"
	"auditbridge/internal/peertest"
	"auditbridge/journal"
)

var update = flag.Bool("update", false, "write what was found as what is wanted")

// combination is a row of docs/destinations.md: a protocol, the way it goes, and who
// receives it there.
type combination struct {
	protocol, note, way, peer string
	begin                     func(t *testing.T) (c Config, way Dialer, received func() []string)
}

// combinations are what is tried with a stock receiver; HTTPS has a server of ours.
func combinations() (all []combination) {
	rsyslog := func(protocol, way string, far func(*testing.T) *peertest.Rsyslog, set func(*Config)) func(*testing.T) (Config, Dialer, func() []string) {
		return func(t *testing.T) (Config, Dialer, func() []string) {
			r := far(t)
			c := to(r.Port)
			c.Protocol = protocol
			if set != nil {
				set(&c)
			}
			return c, wayTo(t, way, c), r.Received
		}
	}
	secured := func(protocol, way string, far func(t *testing.T, ca *peertest.Identity) *peertest.Rsyslog) func(*testing.T) (Config, Dialer, func() []string) {
		return func(t *testing.T) (Config, Dialer, func() []string) {
			ca := peertest.NewCA(t, "Root", nil)
			r := far(t, ca)
			c := inTLS(t, to(r.Port), t.TempDir(), ca, ca.Client("fabric128", nil))
			c.Protocol = protocol
			return c, overTLS(t, c, wayTo(t, way, c)), r.Received
		}
	}
	imtcp := func(t *testing.T) *peertest.Rsyslog { return peertest.StartRsyslog(t) }
	imudp := func(t *testing.T) *peertest.Rsyslog { return peertest.StartUDP(t) }
	imrelp := func(t *testing.T) *peertest.Rsyslog { return peertest.StartRELP(t) }
	gtls := func(t *testing.T, ca *peertest.Identity) *peertest.Rsyslog {
		return peertest.StartRsyslogTLS(t, ca, ca.Server(nil, "127.0.0.1"), "fabric128")
	}
	relpTLS := func(t *testing.T, ca *peertest.Identity) *peertest.Rsyslog {
		return peertest.StartRELPTLS(t, ca, ca.Server(nil, "127.0.0.1"))
	}
	auditd := func(way string) func(*testing.T) (Config, Dialer, func() []string) {
		return func(t *testing.T) (Config, Dialer, func() []string) {
			a := peertest.StartAuditdReceiver(t, "64m", "")
			c := toAuditd(a.Port)
			return c, wayTo(t, way, c), a.Received
		}
	}
	syslogNG := func(source, framing string) func(*testing.T) (Config, Dialer, func() []string) {
		return func(t *testing.T) (Config, Dialer, func() []string) {
			ng := peertest.StartSyslogNG(t, source+`(ip("127.0.0.1") port(%d) transport("tcp") flags(store-raw-message))`, "$RAWMSG")
			c := to(ng.Port)
			c.Framing = framing
			return c, wayTo(t, "direct", c), ng.Received
		}
	}
	syslogNGTLS := func(t *testing.T) (Config, Dialer, func() []string) {
		dir, ca := t.TempDir(), peertest.NewCA(t, "Root", nil)
		anchors, _ := ca.Write(dir, "ca")
		cert, key := ca.Server(nil, "127.0.0.1").Write(dir, "server")
		ng := peertest.StartSyslogNG(t, fmt.Sprintf(`syslog(ip("127.0.0.1") port(%%d) transport("tls") flags(store-raw-message) tls(key-file(%q) cert-file(%q) ca-file(%q) peer-verify(required-trusted)))`, key, cert, anchors), "$RAWMSG")
		c := inTLS(t, to(ng.Port), t.TempDir(), ca, ca.Client("fabric128", nil))
		c.Protocol = ProtocolTLS
		return c, overTLS(t, c, wayTo(t, "direct", c)), ng.Received
	}
	all = []combination{
		{ProtocolUDP, "", "direct", "rsyslog imudp", rsyslog(ProtocolUDP, "direct", imudp, nil)},
		{ProtocolTCP, "octet counting", "direct", "rsyslog imtcp", rsyslog(ProtocolTCP, "direct", imtcp, nil)},
		{ProtocolTCP, "LF", "direct", "rsyslog imtcp", rsyslog(ProtocolTCP, "direct", imtcp, func(c *Config) { c.Framing = FramingLF })},
		{ProtocolTCP, "octet counting", "direct", "syslog-ng syslog()", syslogNG("syslog", FramingCount)},
		{ProtocolTCP, "LF", "direct", "syslog-ng network()", syslogNG("network", FramingLF)},
		{ProtocolTCP, "octet counting", "OpenSSH", "rsyslog imtcp", rsyslog(ProtocolTCP, "OpenSSH", imtcp, nil)},
		{ProtocolTLS, "both sides' certificates", "direct", "rsyslog imtcp, gtls", secured(ProtocolTLS, "direct", gtls)},
		{ProtocolTLS, "both sides' certificates", "OpenSSH", "rsyslog imtcp, gtls", secured(ProtocolTLS, "OpenSSH", gtls)},
		{ProtocolTLS, "both sides' certificates", "direct", "syslog-ng syslog()", syslogNGTLS},
		{ProtocolRELP, "", "direct", "rsyslog imrelp", rsyslog(ProtocolRELP, "direct", imrelp, nil)},
		{ProtocolRELP, "", "OpenSSH", "rsyslog imrelp", rsyslog(ProtocolRELP, "OpenSSH", imrelp, nil)},
		{ProtocolRELP, "`tls = true`", "direct", "rsyslog imrelp, gnutls", secured(ProtocolRELP, "direct", relpTLS)},
		{ProtocolAuditd, "", "direct", "auditd", auditd("direct")},
		{ProtocolAuditd, "", "OpenSSH", "auditd", auditd("OpenSSH")},
	}
	web := func(body, way string) combination {
		return combination{ProtocolHTTPS, body, way, "an HTTPS server in the test", func(t *testing.T) (Config, Dialer, func() []string) {
			s := startHTTPS(t, func(_ int, r request, w http.ResponseWriter) {
				io.WriteString(w, taken(body))
				if body == https.Elastic {
					io.WriteString(w, bulkAnswer(r.body, allCreated))
				}
			})
			c, _ := byHTTPS(t, s, body)
			return c, overTLS(t, c, wayTo(t, way, c)), func() []string { return eventsIn(s.all()) }
		}}
	}
	for _, body := range https.Bodies {
		all = append(all, web(body, "direct"))
	}
	return append(all, web(https.NDJSON, "OpenSSH"))
}

func wayTo(t *testing.T, way string, c Config) Dialer {
	if way == "direct" {
		return direct{c.withDefaults()}
	}
	s := peertest.StartSSHD(t)
	return tunnelTo(t, s, s.Port, c)
}

// eventsIn are the events of requests, without what a body puts around them.
func eventsIn(requests []request) (events []string) {
	for _, r := range requests {
		for l := range strings.Lines(r.body) {
			l = strings.TrimSuffix(l, "\n")
			if i := strings.Index(l, `"event":{`); i >= 0 {
				l = strings.TrimSuffix(l[i+len(`"event":`):], "}")
			}
			if !strings.HasPrefix(l, `{"create":`) {
				events = append(events, l)
			}
		}
	}
	return events
}

// messagesOf are what a destination is to receive of lines.
func messagesOf(c Config, lines []string) (messages []string) {
	c = c.withDefaults()
	s, _ := newStream(&c, journal.Cursor{Journal: journal.ID{1}}, new(census), func(batch, message []byte) []byte {
		messages = append(messages, string(message))
		return batch
	})
	for i, l := range lines {
		s.push(auditbridge.Sequence(i+1), []byte(l))
	}
	s.end()
	return messages
}

// Every protocol, by every way there is to a stock receiver, carries each of its
// formats whole, in order and once; docs/destinations.md says so, and is made here.
func TestDestinations(t *testing.T) {
	all := combinations()
	rows := make([]string, len(all))
	t.Run("each", func(t *testing.T) {
		for i, combo := range all {
			t.Run(strings.Join([]string{combo.protocol, combo.note, combo.way, combo.peer}, " "), func(t *testing.T) {
				t.Parallel()
				rows[i] = combo.row(t)
			})
		}
	})
	if t.Failed() {
		return
	}
	const page, begin, end = "../docs/destinations.md", "<!-- made by TestDestinations -->\n", "<!-- end -->\n"
	have, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	table := "| `protocol` | | way | receiver | promise | " + "`" + strings.Join(Formats, "` | `") + "` |\n|" + strings.Repeat("---|", 5+len(Formats)) + "\n" + strings.Join(rows, "")
	before, rest, _ := strings.Cut(string(have), begin)
	_, after, found := strings.Cut(rest, end)
	if !found {
		t.Fatalf("%s has no place for the table", page)
	}
	want := []byte(before + begin + table + end + after)
	if *update {
		if err := os.WriteFile(page, want, 0o644); err != nil {
			t.Fatal(err)
		}
	} else if !bytes.Equal(have, want) {
		t.Errorf("%s does not say what was found; go test ./forward -run TestDestinations -update writes:\n%s", page, table)
	}
}

// row tries a combination with each format.
func (combo *combination) row(t *testing.T) string {
	c, way, received := combo.begin(t)
	cells := ""
	for _, format := range Formats {
		c.Format, c.Node = format, "node-"+format
		if err := c.Validate(); err != nil {
			cells += " – |"
			continue
		}
		lines := events(1, 40)
		lines = append(lines, loginEvent(41), longEvent(42))
		want := messagesOf(c, lines)
		r := startRelay(t, c, newMemJournal(lines...), way, journal.Cursor{})
		mine := func() (got []string) {
			for _, m := range received() {
				if strings.Contains(m, c.Node) {
					got = append(got, m)
				}
			}
			return got
		}
		peertest.Until(t, fmt.Sprintf("all of %s has arrived", format), func() bool { return len(mine()) >= len(want) })
		r.end(t)
		if got := mine(); !slices.Equal(got, want) {
			t.Errorf("%s: %d messages, want the %d sent, in order, each once; the first is %.200q, want %.200q", format, len(got), len(want), got[0], want[0])
		}
		if s := r.Stats(); s.Pending != 0 && PromiseOf(c.Protocol) == Acknowledged {
			t.Errorf("%s: %+v", format, s)
		}
		cells += " yes |"
	}
	return fmt.Sprintf("| `%s` | %s | %s | %s | %s |%s\n", combo.protocol, combo.note, combo.way, combo.peer, PromiseOf(combo.protocol), cells)
}
