package syslog

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/leodido/go-syslog/v4/rfc3164"

	"auditbridge/auditbridge"
)

// sender is where the messages of these tests come from: an hour and a half
// off UTC, so that nothing hides in it.
var sender = time.FixedZone("", 90*60)

func packets(message []byte) (all []string) {
	for parts := Cut(message); ; {
		part, ok := parts.Next(nil)
		if !ok {
			return all
		}
		all = append(all, string(part))
	}
}

func TestGoldenBSDMessages(t *testing.T) {
	b := NewBSD(testConfig, sender)
	var got []byte
	messages(sample(t, "sshd.log"), func(e *auditbridge.Event, v *auditbridge.Verdict) {
		for _, p := range packets(b.AppendEvent(nil, e, v)) {
			got = append(append(got, p...), '\n')
		}
	})
	const name = "testdata/sshd.rfc3164"
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// bsdMessage is what the oracle and readWords make of packets.
type bsdMessage struct {
	*rfc3164.SyslogMessage
	words []word
}

type word struct{ key, value string }

// readBSD has the oracle read every packet, puts the parts together, and takes
// the text apart: an independent reader of docs/format/rfc3164.md.
func readBSD(t *testing.T, packets []string) bsdMessage {
	t.Helper()
	oracle := rfc3164.NewParser(rfc3164.WithYear(rfc3164.Year{YYYY: 2024}))
	content := regexp.MustCompile(`^(audit\(\d+\.\d{3}:\d+\)|no audit record) records \d+-\d+(?: part (\d+)/(\d+))?: (.*)$`)
	var m bsdMessage
	text, id := "", ""
	for i, p := range packets {
		if len(p) > 1024 {
			t.Fatalf("a packet of %d bytes", len(p))
		}
		if odd := strings.IndexFunc(p, func(r rune) bool { return r < ' ' || r > '~' }); odd >= 0 {
			t.Fatalf("byte %d is not printable ASCII: %q", odd, p)
		}
		parsed, err := oracle.Parse([]byte(p))
		if err != nil {
			t.Fatalf("%v in %q", err, p)
		}
		m.SyslogMessage = parsed.(*rfc3164.SyslogMessage)
		if m.Appname == nil || *m.Appname != "auditbridge" || m.Message == nil {
			t.Fatalf("no tag or no content in %q", p)
		}
		found := content.FindStringSubmatch(*m.Message)
		if found == nil || i > 0 && found[1] != id {
			t.Fatalf("content %q, id before it %q", *m.Message, id)
		}
		if part := found[2] + "/" + found[3]; len(packets) > 1 && part != fmt.Sprintf("%d/%d", i+1, len(packets)) || len(packets) == 1 && part != "/" {
			t.Fatalf("packet %d of %d says part %s", i+1, len(packets), part)
		}
		id, text = found[1], text+found[4]
	}
	m.words = readWords(t, text)
	return m
}

// readWords reads key=value and key="value" up to the end.
func readWords(t *testing.T, text string) (words []word) {
	t.Helper()
	one := regexp.MustCompile(`^([^ ="]+)=(?:"([^"]*)"|([^ ="]*))(?: |$)`)
	for text != "" {
		found := one.FindStringSubmatch(text)
		if found == nil {
			t.Fatalf("no word at the beginning of %q", text)
		}
		text = text[len(found[0]):]
		words = append(words, word{unescape(found[1]), unescape(found[2] + found[3])})
	}
	return words
}

func unescape(s string) string {
	return regexp.MustCompile(`\\x[0-9A-F]{2}`).ReplaceAllStringFunc(s, func(e string) string {
		b, _ := strconv.ParseUint(e[2:], 16, 8)
		return string([]byte{byte(b)})
	})
}

// fieldsOf is what the text has to hold: every field of every record, decoded.
func fieldsOf(e *auditbridge.Event) (words []word) {
	for i := range e.Records {
		r := &e.Records[i]
		if r.Body == 0 {
			words = append(words, word{"line", string(r.Line)})
			continue
		}
		words = append(words, word{"type", string(r.TypeName())})
		for _, part := range []struct {
			prefix string
			fields auditbridge.Fields
		}{{"", r.Stamped()}, {"msg-", r.Claims()}, {"", r.Resolved()}} {
			text := -1
			for f := part.fields; f.Next(); {
				switch {
				case len(f.Key) > 0:
					words = append(words, word{part.prefix + string(f.Key), string(f.AppendDecoded(nil, r.Type))})
				case text < 0:
					text = len(words)
					words = append(words, word{part.prefix + "text", string(part.fields.AppendWords(nil))})
				}
			}
		}
	}
	return words
}

// Whatever an event holds comes out at the far end as it went in: nothing is
// lost, nothing is added, no field ends in another, in one packet or in ten.
func checkBSD(t *testing.T, b *BSD, e *auditbridge.Event, v *auditbridge.Verdict) {
	t.Helper()
	m := readBSD(t, packets(b.AppendEvent(nil, e, v)))
	if *m.Priority != uint8(v.Facility)*8+uint8(v.Severity) {
		t.Errorf("priority %d of %v.%v", *m.Priority, v.Facility, v.Severity)
	}
	if want := time.Unix(e.ID.Seconds, 0).In(sender); e.End != auditbridge.EndMalformed && m.Timestamp.Format(time.Stamp) != want.Format(time.Stamp) {
		t.Errorf("time %v, want %v", m.Timestamp, want)
	}
	first := 0
	for first < len(m.words) && m.words[first].key != "type" && m.words[first].key != "line" {
		first++
	}
	own := map[string]string{}
	for _, w := range m.words[:first] {
		own[w.key] = w.value
	}
	if own["class"] != v.Class.String() || own["result"] != v.Result.String() || own["reason"] != string(v.Reason) {
		t.Errorf("the event is %v, want %v %v %q", own, v.Class, v.Result, v.Reason)
	}
	if diff := cmp.Diff(fieldsOf(e), m.words[first:], cmp.AllowUnexported(word{})); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}

func TestOracleReadsEveryBSDMessage(t *testing.T) {
	b := NewBSD(testConfig, sender)
	for _, name := range []string{"sshd.log", "oddities.log", "execve.log"} {
		messages(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) { checkBSD(t, b, e, v) })
	}
}

// A record of 7 kB comes in packets of at most 1024 bytes, whole.
func TestLongEventComesInParts(t *testing.T) {
	line := `type=EXECVE msg=audit(1709742862.344:7): argc=2 a0="cat" a1=` + strings.Repeat("C3A90A5C", 900)
	messages([]byte(line), func(e *auditbridge.Event, v *auditbridge.Verdict) {
		b := NewBSD(testConfig, sender)
		all := packets(b.AppendEvent(nil, e, v))
		if len(all) < 8 {
			t.Errorf("%d packets", len(all))
		}
		for _, p := range all {
			if dangling.MatchString(p) {
				t.Errorf("an escape is cut in two at the end of %q", p)
			}
		}
		checkBSD(t, b, e, v)
	})
}

// Beyond the bound of a whole message it ends behind a whole word, and says so.
func TestLongBSDMessageIsBounded(t *testing.T) {
	line := `type=EXECVE msg=audit(1709742862.344:7): argc=300`
	for i := range 300 {
		line += fmt.Sprintf(` a%d="word %d"`, i, i)
	}
	config := testConfig
	config.MaxBytes = minMaxBytes
	messages([]byte(line), func(e *auditbridge.Event, v *auditbridge.Verdict) {
		message := NewBSD(config, sender).AppendEvent([]byte(`" before`), e, v)[len(`" before`):]
		if len(message) > config.MaxBytes {
			t.Errorf("%d bytes", len(message))
		}
		words := readBSD(t, packets(message)).words
		if last := words[len(words)-1]; last != (word{"truncated", "yes"}) {
			t.Errorf("it ends with %v", last)
		}
	})
}

func TestEmptyRecordIsAMessage(t *testing.T) {
	messages([]byte("type=KERNEL msg=audit(1.000:1): "), func(e *auditbridge.Event, v *auditbridge.Verdict) {
		checkBSD(t, NewBSD(Config{}, sender), e, v)
	})
}

// HOSTNAME is a name without its domain, or an address; the whole name stands
// in the text.
func TestHostnameWithoutDomain(t *testing.T) {
	for _, row := range []struct{ node, config, host, whole string }{
		{"", "node1.router1", "node1", "node1.router1"},
		{"web.example.org", "node1", "web", "web.example.org"},
		{"", "192.0.2.7", "192.0.2.7", ""},
		{"", "2001:db8::7", "2001:db8::7", ""},
		{"colon:", "", "colon?", ""},
		{"", "plain", "plain", ""},
		{"", "", "-", ""},
		{strings.Repeat("n", 70), "", strings.Repeat("n", 63), strings.Repeat("n", 70)},
		{"a\x01b\xff|.c", "", "a?b??", "a\x01b\xff|.c"},
	} {
		line := "type=USER_AUTH msg=audit(1709742864.269:1): pid=1 uid=0 auid=1 ses=1 msg='res=success'"
		if row.node != "" {
			line = "node=" + row.node + " " + line
		}
		messages([]byte(line), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			message := NewBSD(Config{Node: row.config}, sender).AppendEvent(nil, e, v)
			if host := strings.Fields(string(message))[3]; host != row.host {
				t.Errorf("%q, %q: HOSTNAME %q, want %q", row.node, row.config, host, row.host)
			}
			_, text, _ := strings.Cut(string(message), " records 1-1: ")
			whole := ""
			for _, w := range readWords(t, text) {
				if w.key == "node" {
					whole = w.value
				}
			}
			if whole != row.whole {
				t.Errorf("%q, %q: node=%q, want %q", row.node, row.config, whole, row.whole)
			}
		})
	}
}

// PRI has three bits of severity below five of facility (RFC 3164 section
// 4.1.1), and a day of one digit a blank before it.
func TestBSDHeader(t *testing.T) {
	b := NewBSD(testConfig, time.UTC)
	e := auditbridge.Event{Records: []auditbridge.Record{{Line: []byte("type=EOE msg=audit(1709288096.000:1): "), Body: 38}},
		ID: auditbridge.EventID{Seconds: 1709288096, Serial: 1}}
	for pri := range 192 {
		v := auditbridge.Verdict{Facility: auditbridge.Facility(pri >> 3), Severity: auditbridge.Severity(pri & 7), MsgID: "TEST"}
		want := fmt.Sprintf("<%d>Mar  1 10:14:56 node1 auditbridge[1234]: audit(1709288096.000:1) records 0-0: ", pri)
		if got := string(b.AppendEvent(nil, &e, &v)); !strings.HasPrefix(got, want) {
			t.Errorf("%q does not begin with %q", got, want)
		}
	}
}

// No bytes of a record break a message in two, or a field into another.
func FuzzBSD(f *testing.F) {
	for _, s := range hostileLines {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 || len(line) > 8<<10 {
			return
		}
		b := NewBSD(testConfig, sender)
		messages(line, func(e *auditbridge.Event, v *auditbridge.Verdict) { checkBSD(t, b, e, v) })
	})
}

// hostileLines hold what formats take for their own: separators, escapes,
// control characters, bytes that are no UTF-8.
var hostileLines = []string{
	`type=USER_AUTH msg=audit(1.002:3): pid=1 pid=2 a b msg='op=x op=y "z" acct=\xff class=alarm'`,
	"type=AVC msg=audit(1.002:3): avc:  denied  { read } for  =\x1dA=\"b\"",
	`type=USER_CMD msg=audit(1.002:3): pid=1 msg='cmd=0A3C33343E4A616E207C3D5C221B5B33316DFF res=success'`,
	`type=USER_AUTH msg=audit(1.002:3): pid=1 msg='op=a|b=c\|d acct="x: part 1/2: y" exe="/a b" res=failed'`,
	"type=PATH msg=audit(1.002:3): item=0 name=\"a\x1b[2J\x85\xe2\x80\xa8\xc2\x85\"",
	"node=a|b=c\\ type=UNKNOWN[1999] msg=audit(1.002:3): ==\x00=\r",
	"\xc3(|=\\",
}

func TestBSDAllocatesNothing(t *testing.T) {
	config := testConfig
	config.Node = strings.Repeat("long", 15) + ".router1"
	b := NewBSD(config, sender)
	message, part := make([]byte, 0, 256<<10), make([]byte, 0, 1024)
	for _, name := range []string{"sshd.log", "oddities.log", "execve.log"} {
		messages(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			n := testing.AllocsPerRun(10, func() {
				message = b.AppendEvent(message[:0], e, v)
				parts := Cut(message)
				for ok := true; ok; {
					part, ok = parts.Next(part[:0])
				}
			})
			if n != 0 {
				t.Errorf("%v allocations for %s", n, e.Records[0].Line)
			}
		})
	}
}
