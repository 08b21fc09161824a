package forward

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/journal"
)

// longEvent is an event whose message in any format is longer than a packet,
// with a word at its end that nothing else has.
func longEvent(serial int) string {
	return fmt.Sprintf(`type=USER_CMD msg=audit(1709742929.678:%d): pid=1 uid=0 auid=1000 ses=1 msg='cwd="/" cmd=%s exe="/usr/bin/sudo" terminal=lastword res=success'`,
		serial, strings.Repeat("61", 2000))
}

// Facility and severity are the destination's in every format; filters see
// the event's own, and a match the whole message, wherever it is cut.
func TestEveryFormatObeysItsDestination(t *testing.T) {
	for _, name := range Formats {
		c := testConfig(name)
		c.Facility, c.Severity = "local3", "notice"
		c.Filters = []Filter{{Facility: "auth", Severity: "info", Match: "lastword"}}
		messages, s := play(t, c, journal.Cursor{}, []string{loginEvent(1), longEvent(2), loginEvent(3)})
		s.end()
		if c := s.position(); c.Delivered != 1 || c.Excluded != 2 {
			t.Errorf("%s: %d delivered, %d excluded, want 1 and 2", name, c.Delivered, c.Excluded)
		}
		for _, m := range messages {
			if !strings.HasPrefix(m, "<157>") {
				t.Errorf("%s: %.60q… is not local3.notice", name, m)
			}
		}
		if packets := len(messages); (packets > 1) != (name == FormatBSD) {
			t.Errorf("%s: %d packets", name, packets)
		}
	}
}

// An event as JSON is MSG of a message that names it.
func TestJSONMessage(t *testing.T) {
	messages, _ := play(t, testConfig(FormatJSON), journal.Cursor{}, []string{loginEvent(1)})
	head, object, _ := strings.Cut(messages[0], "] ")
	if want := ` first="1" last="1" records="1"`; !strings.HasSuffix(head, want) {
		t.Errorf("%q does not end in %q", head, want)
	}
	var event struct{ Class string }
	if err := json.Unmarshal([]byte(object), &event); err != nil || event.Class != "login" {
		t.Errorf("%v in %q", err, object)
	}
}

// A stock rsyslog takes each format's messages apart as they were meant.
func TestStockRsyslogReadsEveryFormat(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ format, want string }{
		{FormatEvent, `38|node1|auditbridge|77|2023-11-14T22:13:20.001Z|$`},
		{FormatBSD, `38|node1|auditbridge|77|\d{4}-11-1[345]T\d\d:\d\d:20.\d\d:\d\d| audit\(1700000000.001:1\) records 1-1: class=login result=success .* msg-res=success$`},
		{FormatCEF, `38|node1|CEF||\d{4}-11-1[345]T\d\d:\d\d:20.\d\d:\d\d|0\|auditbridge\|auditbridge\|1.0\|audit:USER_LOGIN\|Login\|2\|rt=1700000000001 dvchost=node1 .* AbEventData=type\\=USER_LOGIN .* msg-res\\=success$`},
		{FormatJSON, `38|node1|auditbridge|77|2023-11-14T22:13:20.001Z|{"time":"2023-11-14T22:13:20.001Z",.*}$`},
	} {
		t.Run(row.format, func(t *testing.T) {
			t.Parallel()
			far := startParsingRsyslog(t)
			c := to(far.Port)
			c.Format, c.Node, c.PID, c.Build = row.format, "node1", 77, "1.0"
			r := startRelay(t, c, newMemJournal(loginEvent(1)), direct{c.withDefaults()}, journal.Cursor{})
			peertest.Until(t, "the message arrived", func() bool { return len(far.Received()) > 0 })
			r.end(t)
			want := regexp.MustCompile("^" + strings.ReplaceAll(row.want, "|", `\|`))
			if got := far.Received()[0]; !want.MatchString(got) {
				t.Errorf("rsyslog made of it\n%s\nwant\n%s", got, row.want)
			}
		})
	}
}

// logger(1) writes the same as the same message, but for time and host.
func TestLoggerWritesTheSameMessage(t *testing.T) {
	for _, row := range []struct {
		format string
		parts  *regexp.Regexp // MSGID and structured data, if any, and the text
		differ *regexp.Regexp
	}{
		{FormatBSD, regexp.MustCompile(`\]:()()() (.*)$`), regexp.MustCompile(`^(<\d+>)[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d [^ ]+ `)},
		{FormatRecord, regexp.MustCompile(` 77 (\S+) \[(\S+) ([^\]]*)\] (.*)$`), regexp.MustCompile(`^(<\d+>1 )\S+ \S+ `)},
	} {
		t.Run(row.format, func(t *testing.T) {
			far := startSink(t)
			c := testConfig(row.format)
			c.PID = 77
			messages, _ := play(t, c, journal.Cursor{}, []string{loginEvent(1)})
			parts := row.parts.FindStringSubmatch(messages[0])
			if parts == nil {
				t.Fatalf("%q has not the parts of its format", messages[0])
			}
			args := []string{"--tcp", "--octet-count", "--server", "127.0.0.1", "--port", strconv.Itoa(far.port()), "--priority", "auth.info", "--tag", "auditbridge", "--id=77"}
			if parts[1] == "" {
				args = append(args, "--rfc3164")
			} else {
				args = append(args, "--rfc5424=notq", "--msgid", parts[1], "--sd-id", parts[2])
				for _, param := range strings.Fields(parts[3]) {
					args = append(args, "--sd-param", param)
				}
			}
			if out, err := exec.Command("logger", append(args, "--", parts[4])...).CombinedOutput(); err != nil {
				t.Fatalf("logger: %v: %s", err, out)
			}
			peertest.Until(t, "logger's message arrived", func() bool { return len(far.received()) > 0 })
			ours, theirs := row.differ.ReplaceAllString(messages[0], "${1}TIME HOST "), row.differ.ReplaceAllString(far.received()[0], "${1}TIME HOST ")
			if ours != theirs || !strings.Contains(ours, "TIME HOST auditbridge") {
				t.Errorf("logger writes\n%s\nand we\n%s", theirs, ours)
			}
		})
	}
}

// startParsingRsyslog writes what rsyslog's parsers make of a message:
// PRI|HOSTNAME|TAG|PROCID|TIMESTAMP|MSG.
func startParsingRsyslog(t *testing.T) *peertest.Rsyslog {
	t.Helper()
	file, port := t.TempDir()+"/received", peertest.FreePort(t)
	return peertest.StartRsyslogWith(t, port, file, fmt.Sprintf(`global(workDirectory="%s" maxMessageSize="64k")
module(load="imtcp")
template(name="parsed" type="string" string="%%pri%%|%%hostname%%|%%programname%%|%%procid%%|%%timereported:::date-rfc3339%%|%%msg%%\n")
ruleset(name="keep" queue.type="direct") {
  action(type="omfile" file="%s" template="parsed" asyncWriting="off")
}
input(type="imtcp" address="127.0.0.1" port="%d" ruleset="keep")
`, t.TempDir(), file, port))
}

// Every message says which process hears the records, and which build it is:
// run's, though ship writes the message.
func TestRelaysSpeakForRun(t *testing.T) {
	h := hello{PID: 4711, Build: "v1", Destinations: []Config{testConfig(FormatEvent), testConfig(FormatCEF)}}
	relays, _, err := h.relays(newMemJournal(), nil, discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range relays {
		if r.cfg.PID != 4711 || r.cfg.Build != "v1" {
			t.Errorf("a relay speaks for process %d of build %q", r.cfg.PID, r.cfg.Build)
		}
	}
}
