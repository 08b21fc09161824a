package cef

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
	"auditbridge/forward/syslog"
)

var update = flag.Bool("update", false, "write golden files anew")

// messages puts a log through the reassembler and calls f for each event.
func messages(log []byte, f func(*auditbridge.Event, *auditbridge.Verdict)) {
	r := auditbridge.NewReassembler(auditbridge.Limits{})
	emit := func(e *auditbridge.Event) {
		v := auditbridge.Classify(e)
		f(e, &v)
	}
	for i, line := range bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n")) {
		r.Push(auditbridge.Sequence(i+1), line, emit)
	}
	r.Flush(emit)
}

var samples = []string{"sshd.log", "oddities.log", "execve.log"}

func sample(t testing.TB, name string) []byte {
	t.Helper()
	log, err := os.ReadFile("../../auditbridge/testdata/events/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

var testConfig = Config{Config: syslog.Config{Node: "node1.router1", Journal: "00112233445566778899aabbccddeeff"}, Version: `1.0|a\b`, Location: time.UTC}

// read is one message, read strictly after the specification: seven bars end
// the header's fields, and an unescaped equals sign a key.
type read struct {
	pri        int
	header     []string // version, vendor, product, device version, signature, name, severity
	extensions map[string]string
}

func parse(t *testing.T, message []byte) read {
	t.Helper()
	prefix := regexp.MustCompile(`^<(\d+)>[A-Z][a-z]{2} [ 1-3]\d \d\d:\d\d:\d\d [!-~]+ CEF:`).FindSubmatch(message)
	if prefix == nil {
		t.Fatalf("no syslog header before CEF: in %q", message)
	}
	for _, r := range string(message) {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || r == '\ufffd' {
			t.Fatalf("%U in %q", r, message)
		}
	}
	m := read{extensions: map[string]string{}}
	m.pri, _ = strconv.Atoi(string(prefix[1]))
	rest := string(message[len(prefix[0]):])
	for len(m.header) < 7 {
		field := ""
		field, rest = take(t, rest, '|', `|\`)
		m.header = append(m.header, field)
	}
	if len(rest) > 0 && rest[0] == ' ' {
		t.Fatalf("the extension begins with a blank in %q", message)
	}
	for key := ""; rest != ""; {
		key, rest, _ = strings.Cut(rest, "=")
		if !regexp.MustCompile(`^[A-Za-z0-9]+$`).MatchString(key) {
			t.Fatalf("%q is no key, in %q", key, message)
		}
		if _, twice := m.extensions[key]; twice {
			t.Fatalf("%s stands twice in %q", key, message)
		}
		value := ""
		value, rest = rest, ""
		if next := regexp.MustCompile(`(^|[^\\])((?:\\\\)*)=`).FindStringIndex(value); next != nil {
			blank := strings.LastIndexByte(value[:next[1]], ' ')
			value, rest = value[:blank], value[blank+1:]
		}
		m.extensions[key], _ = take(t, value, 0, `=\nr`)
	}
	return m
}

// take reads up to an unescaped stop (0: the end); only the given characters
// may be escaped.
func take(t *testing.T, s string, stop byte, escapable string) (value, rest string) {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == stop && stop != 0:
			return b.String(), s[i+1:]
		case c == '\\':
			i++
			if i == len(s) || strings.IndexByte(escapable, s[i]) < 0 {
				t.Fatalf("a wrong escape at %d of %q", i, s)
			}
			b.WriteString(map[byte]string{'n': "\n", 'r': "\r"}[s[i]])
			if s[i] != 'n' && s[i] != 'r' {
				b.WriteByte(s[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	if stop != 0 {
		t.Fatalf("no %q in %q", stop, s)
	}
	return b.String(), ""
}

// check reads e's message and holds it to e.
func check(t *testing.T, w *Writer, e *auditbridge.Event, v *auditbridge.Verdict) read {
	t.Helper()
	message := w.AppendEvent(nil, e, v)
	m := parse(t, message)
	if m.pri != int(v.Facility)*8+int(v.Severity) {
		t.Errorf("PRI %d of %v.%v", m.pri, v.Facility, v.Severity)
	}
	if len(message) > maxBytes {
		t.Errorf("%d bytes", len(message))
	}
	if m.header[0] != "0" || m.header[3] != w.config.Version {
		t.Errorf("header %q", m.header)
	}
	for _, k := range append(named, outlined...) {
		value, said := m.extensions[k.name]
		if !said {
			continue
		}
		if _, err := strconv.ParseInt(value, 10, 64); k.kind == number && err != nil {
			t.Errorf("%s: %v", k.name, err)
		}
		if a, err := netip.ParseAddr(value); (k.kind == ipv4 || k.kind == ipv6) && (err != nil || a.Is4() != (k.kind == ipv4)) {
			t.Errorf("%s is %q", k.name, value)
		}
		if k.length > 0 && len(value) > k.length {
			t.Errorf("%s has %d bytes, more than %d", k.name, len(value), k.length)
		}
	}
	if m.extensions["cat"] != v.Class.String() {
		t.Errorf("cat=%s, want %v", m.extensions["cat"], v.Class)
	}
	if want := map[auditbridge.Result]string{auditbridge.Success: "success", auditbridge.Fail: "failure"}[v.Result]; m.extensions["outcome"] != want {
		t.Errorf("outcome=%s, want %s", m.extensions["outcome"], want)
	}
	data := string(new(syslog.Texter).AppendRecords(nil, e, 1<<20))
	if got := m.extensions["AbEventData"]; got != data && !(m.extensions["AbTruncated"] == "yes" && strings.HasPrefix(data, got)) {
		t.Errorf("AbEventData=%s\nwant %s", got, data)
	}
	return m
}

func TestEveryMessageIsReadBack(t *testing.T) {
	w := New(testConfig)
	for _, name := range samples {
		messages(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) { check(t, w, e, v) })
	}
}

func TestGoldenMessages(t *testing.T) {
	w := New(Config{Config: testConfig.Config, Version: "1.0", Location: time.UTC})
	for _, name := range []string{"sshd", "oddities"} {
		var got []byte
		messages(sample(t, name+".log"), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			got = append(w.AppendEvent(got, e, v), '\n')
		})
		golden := "testdata/" + name + ".cef"
		if *update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
}

// One kind of event has one Signature ID and one Name, whatever its content.
func TestSignatures(t *testing.T) {
	for _, row := range []struct{ line, signature, name string }{
		{`type=USER_LOGIN msg=audit(1.000:1): pid=1 uid=0 auid=1 ses=1 msg='op=login res=success'`, "audit:USER_LOGIN", "Login"},
		{`type=CRYPTO_KEY_USER msg=audit(1.000:1): pid=1 uid=0 auid=1 ses=1 msg='op=destroy res=success'`, "audit:CRYPTO_KEY_USER", "Crypto session"},
		{`type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=90 success=yes exit=0 pid=1 key="identity"`, "audit:SYSCALL", "Account change"},
		{`type=UNKNOWN[1999] msg=audit(1.000:1): a=b`, "audit:UNKNOWN[1999]", "Unknown"},
		{`type=DAEMON_ERR msg=audit(1.000:4278190082): op=link-down auid=4294967295 pid=77 uid=0 ses=4294967295 res=failed`, "auditbridge:link-down", "Link"},
		{`type=DAEMON_ERR msg=audit(1.000:4278190082): op=a|b\c auid=4294967295 pid=77 uid=0 ses=4294967295 res=failed`, `auditbridge:a|b\c`, "Audit daemon"},
		{raised, "auditbridge:alarm:certificate-day", "certificate-day : 7"},
		{cleared, "auditbridge:alarm:certificate-day", "certificate-day : 7"},
		{`type=USER msg=audit(1.000:1): pid=1 uid=0 auid=1 ses=1 msg='op=alarm-raised alarm=disk-full number=7 res=failed'`, "audit:USER", "Application"},
		{"no record", "auditbridge:no-record", "Unknown"},
	} {
		messages([]byte(row.line), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			if m := check(t, New(testConfig), e, v); m.header[4] != row.signature || m.header[5] != row.name {
				t.Errorf("%s\nis %q %q, want %q %q", row.line, m.header[4], m.header[5], row.signature, row.name)
			}
		})
	}
}

func TestSeverities(t *testing.T) {
	messages(sample(t, "sshd.log")[:300], func(e *auditbridge.Event, v *auditbridge.Verdict) {
		for severity, want := range []string{"10", "10", "10", "8", "5", "2", "2", "0"} {
			v.Severity = auditbridge.Severity(severity)
			if m := check(t, New(testConfig), e, v); m.header[6] != want {
				t.Errorf("%v is %s, want %s", v.Severity, m.header[6], want)
			}
		}
	})
}

const (
	raised = `type=DAEMON_ERR msg=audit(1.000:4278190082): op=alarm-raised auid=4294967295 pid=77 uid=0 ses=4294967295 alarm=certificate-day number=7 of=siem severity=critical title="A certificate expires within a day" ` +
		`description=49742069732074686520736572766572277320746F6F2E remedy="Renew it at once." res=failed`
	cleared = `type=DAEMON_RESUME msg=audit(2.000:4278190083): op=alarm-cleared auid=4294967295 pid=77 uid=0 ses=4294967295 alarm=certificate-day number=7 of=siem title="A certificate expires within a day" res=success`
)

// An alarm's severity is its own, and it says what it means and what to do; its end is
// information.
func TestAlarms(t *testing.T) {
	for _, row := range []struct{ line, severity, act, msg string }{
		{raised, "10", "alarm-raised", "TITLE: A certificate expires within a day (siem) -- DESCRIPTION: It is the server's too. -- REMEDIATION: Renew it at once."},
		{strings.Replace(raised, "severity=critical", "severity=error", 1), "8", "alarm-raised", ""},
		{strings.Replace(raised, "severity=critical", "severity=warning", 1), "5", "alarm-raised", ""},
		{cleared, "2", "alarm-cleared", "auditbridge cleared the alarm certificate-day of siem: \"A certificate expires within a day\"."},
	} {
		messages([]byte(row.line), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			m := check(t, New(testConfig), e, v)
			if m.header[6] != row.severity || m.extensions["act"] != row.act || row.msg != "" && m.extensions["msg"] != row.msg {
				t.Errorf("%s\nis %q %s %q, want %q", row.line, m.header, m.extensions["act"], m.extensions["msg"], row)
			}
		})
	}
}

// Where things stand, as a SIEM looks for them.
func TestKeys(t *testing.T) {
	for _, row := range []struct {
		line string
		want map[string]string
	}{
		{`node=web1.rack2 type=USER_LOGIN msg=audit(1709742864.269:2321): pid=7120 uid=0 auid=4294967295 ses=4294967295 msg='op=login acct="joe" exe="/usr/sbin/sshd" hostname=? addr=2001:db8::7 terminal=ssh res=failed'`,
			map[string]string{"rt": "1709742864269", "dvchost": "web1.rack2", "externalId": "1709742864.269:2321", "cat": "login", "outcome": "failure", "act": "login",
				"duser": "joe", "suid": "0", "sproc": "/usr/sbin/sshd", "spid": "7120", "c6a2": "2001:db8::7", "c6a2Label": "Source IPv6 Address", "cs3": "ssh", "src": "", "shost": "", "cn2": ""}},
		{`type=USER_AUTH msg=audit(1.000:1): pid=7120 uid=0 auid=1000 ses=5 msg='op=x exe="/usr/sbin/sshd" hostname=a.example addr=198.51.100.23 rport=40122 laddr=203.0.113.7 lport=22 res=success'`,
			map[string]string{"src": "198.51.100.23", "shost": "a.example", "spt": "40122", "dst": "203.0.113.7", "dpt": "22", "suid": "1000", "cn1": "0", "cn2": "5", "outcome": "success"}},
		{`type=APPARMOR_DENIED msg=audit(1.000:1): apparmor="DENIED" operation="open" name="/etc/sha=dow" pid=9x comm="cups\d"`,
			map[string]string{"filePath": "/etc/sha=dow", "fname": "sha=dow", "sproc": `cups\d`, "spid": "", "act": "open"}},
		{`type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=90 success=no exit=-13 pid=47 auid=1000 uid=0 ses=3 comm="vi" exe="/usr/bin/vi" key=6964656E74697479016F74686572`,
			map[string]string{"cs1": "identity,other", "cs1Label": "Audit Key", "cn3": "90", "reason": "permission denied"}},
	} {
		messages([]byte(row.line), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			m := check(t, New(testConfig), e, v)
			for key, want := range row.want {
				if key != "reason" && m.extensions[key] != want || key == "reason" && m.extensions[key] == "" {
					t.Errorf("%s\n%s=%q, want %q", row.line, key, m.extensions[key], want)
				}
			}
		})
	}
}

// Who has an id is asked of the host's tables, for the host the record is from.
func TestNamesFromTables(t *testing.T) {
	config := testConfig
	config.Interpreter = &interpret.Interpreter{Names: jane{}}
	line := `node=web1 type=USER_AUTH msg=audit(1.000:1): pid=7 uid=0 auid=1000 ses=5 msg='op=x res=success'`
	messages([]byte(line), func(e *auditbridge.Event, v *auditbridge.Verdict) {
		m := check(t, New(config), e, v)
		if m.extensions["suser"] != "jane@web1" || !strings.Contains(m.extensions["msg"], "jane@web1") {
			t.Errorf("suser=%s msg=%s", m.extensions["suser"], m.extensions["msg"])
		}
	})
}

type jane struct{}

func (jane) AppendUser(dst []byte, node string, id uint32) ([]byte, bool) {
	if id != 1000 {
		return dst, false
	}
	return append(append(dst, "jane@"...), node...), true
}

func (jane) AppendGroup(dst []byte, _ string, _ uint32) ([]byte, bool) { return dst, false }

// A message never grows beyond the bound, and says when it ended early.
func TestLongMessageIsBounded(t *testing.T) {
	for length := range 90 {
		line := `type=EXECVE msg=audit(1709742862.344:7): argc=2 a0="cat" a1=` + strings.Repeat("C3A93D5C", 900+length)
		messages([]byte(line), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			if m := check(t, New(testConfig), e, v); m.extensions["AbTruncated"] != "yes" {
				t.Errorf("no mark in %q", m.extensions)
			}
		})
	}
}

// No bytes of a record break a message in two, or a key into another.
func FuzzAppendEvent(f *testing.F) {
	for _, s := range []string{
		`type=USER_AUTH msg=audit(1.002:3): pid=1 msg='op=a|b=c\|d acct="x AbTruncated=yes" exe="/a b\" res=failed'`,
		`type=USER_CMD msg=audit(1.002:3): pid=1 msg='cmd=0A0D3C33343E207C3D5C221B5B33316DFF5C6E res=success'`,
		"type=PATH msg=audit(1.002:3): item=0 name=\"a\x1b[2J\x85\xe2\x80\xa8\xc2\x85\"",
		"node=a|b=c\\ type=UNKNOWN[1999] msg=audit(1.002:3): ==\x00=\r",
		"type=DAEMON_ERR msg=audit(1.000:4278190082): op=a|b\\c\xff",
		"\xc3(|=\\",
		"type=USER_CMD msg=audit(0.0:0): msg='cmd=\"ends in a bar|\" res=success'",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 {
			return
		}
		w := New(testConfig)
		messages(line, func(e *auditbridge.Event, v *auditbridge.Verdict) { check(t, w, e, v) })
	})
}

func TestAppendEventAllocatesNothing(t *testing.T) {
	w := New(testConfig)
	dst := make([]byte, 0, 256<<10)
	for _, name := range samples {
		messages(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			if n := testing.AllocsPerRun(10, func() { dst = w.AppendEvent(dst[:0], e, v) }); n != 0 {
				t.Errorf("%v allocations for %s", n, e.Records[0].Line)
			}
		})
	}
}

// Every key that can be written stands in docs/format/cef.md, and no other.
func TestKeysAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/format/cef.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	documented := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| ([A-Za-z0-9]+) \| (text|number|IPv)`).FindAllStringSubmatch(page, -1) {
		documented[row[1]] = true
	}
	keys := append(append([]key{}, named...), outlined...)
	for _, k := range keys {
		bound := kindNames[k.kind]
		if k.length > 0 {
			bound = fmt.Sprintf("%s, %d", bound, k.length)
		}
		meaning := k.meaning
		if k.label != "" {
			meaning += " (" + k.name + "Label is " + k.label + ")"
		}
		if row := fmt.Sprintf("\n| %s | %s | %s |\n", k.name, bound, meaning); !strings.Contains(page, row) {
			t.Errorf("docs/format/cef.md lacks %s", row)
		}
		delete(documented, k.name)
	}
	for key := range documented {
		t.Errorf("docs/format/cef.md has %s, which is never written", key)
	}
	w := New(testConfig)
	for _, name := range samples {
		messages(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			for key := range check(t, w, e, v).extensions {
				if !strings.Contains(page, "\n| "+strings.TrimSuffix(key, "Label")+" | ") {
					t.Errorf("%s is written, and not documented", key)
				}
			}
		})
	}
}
