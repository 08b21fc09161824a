package syslog

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	gosyslog "github.com/leodido/go-syslog/v4"
	"github.com/leodido/go-syslog/v4/rfc5424"

	"auditbridge/auditbridge"
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

func sample(t testing.TB, name string) []byte {
	t.Helper()
	log, err := os.ReadFile("../../auditbridge/testdata/events/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

var testConfig = Config{Node: "node1.router1", PID: 1234, Journal: "00112233445566778899aabbccddeeff", SDID: "acme@32473.1.0.0"}

func TestGoldenMessages(t *testing.T) {
	format := New(testConfig)
	var events, records []byte
	messages(sample(t, "sshd.log"), func(e *auditbridge.Event, v *auditbridge.Verdict) {
		events = append(format.AppendEvent(events, e, v), '\n')
		for i := range e.Records {
			records = append(format.AppendRecord(records, &e.Records[i], v), '\n')
		}
	})
	for name, got := range map[string][]byte{"testdata/sshd.rfc5424": events, "testdata/sshd.audit": records} {
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
}

// The oracle reads every message, and finds in it what was put in.
func TestOracleReadsEveryMessage(t *testing.T) {
	format, oracle := New(testConfig), rfc5424.NewParser()
	for _, name := range []string{"sshd.log", "oddities.log", "execve.log"} {
		messages(sample(t, name), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			parsed := parse(t, oracle, format.AppendEvent(nil, e, v))
			params := (*parsed.StructuredData)[testConfig.SDID]
			if got := params["first"]; got != fmt.Sprint(e.First) {
				t.Errorf("first=%q, want %d", got, e.First)
			}
			if *parsed.Priority != uint8(v.Facility)*8+uint8(v.Severity) {
				t.Errorf("priority %d of %v.%v", *parsed.Priority, v.Facility, v.Severity)
			}
			if parsed.Message != nil && *parsed.Message != "" {
				t.Errorf("message %q, want none", *parsed.Message)
			}
			for i := range e.Records {
				parsed := parse(t, oracle, format.AppendRecord(nil, &e.Records[i], v))
				if *parsed.Message != string(e.Records[i].Line) {
					t.Errorf("message %q, want the line %q", *parsed.Message, e.Records[i].Line)
				}
			}
		})
	}
}

func parse(t *testing.T, oracle gosyslog.Machine, message []byte) *rfc5424.SyslogMessage {
	t.Helper()
	parsed, err := oracle.Parse(message)
	if err != nil {
		t.Fatalf("%v in %q", err, message)
	}
	return parsed.(*rfc5424.SyslogMessage)
}

func TestPriorityIsFacilityTimesEightPlusSeverity(t *testing.T) {
	format := New(testConfig)
	e := auditbridge.Event{Records: []auditbridge.Record{{Line: []byte("type=EOE msg=audit(1.000:1): ")}}}
	for facility := auditbridge.Facility(0); facility < 24; facility++ {
		for severity := auditbridge.Emergency; severity <= auditbridge.Debug; severity++ {
			v := auditbridge.Verdict{Facility: facility, Severity: severity, MsgID: "TEST"}
			want := fmt.Sprintf("<%d>1 ", int(facility)*8+int(severity))
			if got := format.AppendEvent(nil, &e, &v); !strings.HasPrefix(string(got), want) {
				t.Errorf("%v.%v: %q does not begin with %q", facility, severity, got, want)
			}
		}
	}
}

func TestParamValue(t *testing.T) {
	for _, row := range []struct{ value, want string }{
		{"plain", "plain"},
		{`a"b\c]d`, `a\"b\\c\]d`},
		{"tab\tnul\x00del\x7f", `tab\\x09nul\\x00del\\x7F`},
		{"grün €", "grün €"},
		{"bad \xff\xc3 end", `bad \\xFF\\xC3 end`},
		{"c1 \u0085", `c1 \\xC2\\x85`},
	} {
		if got, whole := appendValue(nil, []byte(row.value), 1000); string(got) != row.want || !whole {
			t.Errorf("%q is written %q, want %q", row.value, got, row.want)
		}
		for room := range len(row.want) {
			got, whole := appendValue(nil, []byte(row.value), room)
			if whole || len(got) > room || !utf8.Valid(got) || !strings.HasPrefix(row.want, string(got)) || dangling.Match(got) {
				t.Errorf("%q in %d bytes is %q", row.value, room, got)
			}
		}
	}
}

// dangling matches an escape that was cut in two.
var dangling = regexp.MustCompile(`(^|[^\\])(\\\\)*\\$|\\\\x[0-9A-F]?$`)

func TestLongMessageIsBounded(t *testing.T) {
	line := []byte(`type=USER_CMD msg=audit(1709742862.344:7): pid=1 uid=0 auid=1000 ses=1 msg='cmd=` +
		strings.Repeat("C3A9", 2000) + ` exe="/usr/bin/sudo" res=success'`)
	config := testConfig
	config.MaxBytes = minMaxBytes
	messages(line, func(e *auditbridge.Event, v *auditbridge.Verdict) {
		message := New(config).AppendEvent(nil, e, v)
		if len(message) > config.MaxBytes || !utf8.Valid(message) {
			t.Errorf("%d bytes, valid %v", len(message), utf8.Valid(message))
		}
		if !bytes.HasSuffix(message, []byte(` truncated="yes"]`)) {
			t.Errorf("no mark at the end of %q", message)
		}
		parse(t, rfc5424.NewParser(), message)
	})
}

func TestHostnameCannotForgeFields(t *testing.T) {
	line := []byte("node=a\x00b\xff] type=USER_AUTH msg=audit(1.000:1): pid=1 uid=0 auid=1 ses=1 msg='res=success'")
	messages(line, func(e *auditbridge.Event, v *auditbridge.Verdict) {
		parsed := parse(t, rfc5424.NewParser(), New(testConfig).AppendEvent(nil, e, v))
		if *parsed.Hostname != "a?b?]" {
			t.Errorf("hostname %q", *parsed.Hostname)
		}
	})
}

func TestConfigIsChecked(t *testing.T) {
	for _, row := range []struct {
		config Config
		bad    string
	}{
		{Config{}, ""},
		{testConfig, ""},
		{Config{SDID: "a b"}, "sd-id"},
		{Config{SDID: strings.Repeat("x", 33)}, "sd-id"},
		{Config{Node: "node 1"}, "node"},
		{Config{MaxBytes: 100}, "max-bytes"},
	} {
		err := row.config.Validate()
		if (err == nil) != (row.bad == "") || err != nil && !strings.Contains(err.Error(), row.bad) {
			t.Errorf("%+v: %v, want a problem with %q", row.config, err, row.bad)
		}
	}
}

func TestFrame(t *testing.T) {
	if got := string(AppendLine([]byte("<14>0\n"), []byte("<14>1\né"))); got != "<14>0\n<14>1 é\n" {
		t.Errorf("%q", got)
	}
	if got := string(AppendFrame(nil, []byte("<14>1 é"))); got != "8 <14>1 é" {
		t.Errorf("frame %q", got)
	}
}

// What a person writes with `auditctl -m`, and any field we have no parameter
// for, arrives in the program's own words.
func TestNoWordOfAProgramIsLeftOut(t *testing.T) {
	for text, want := range map[string]string{
		`text=hello there`:                `msg-text="text=hello there"`,
		`op=login brand_new=1 res=failed`: `msg-text="op=login brand_new=1 res=failed"`,
		`op=login res=success`:            ``,
	} {
		line := "type=USER msg=audit(1700000000.001:7): pid=1 uid=0 auid=0 ses=1 msg='" + text + "'"
		messages([]byte(line+"\n"), func(e *auditbridge.Event, v *auditbridge.Verdict) {
			message := string(New(testConfig).AppendEvent(nil, e, v))
			if !strings.Contains(message, want) || want == "" && strings.Contains(message, "msg-text") {
				t.Errorf("%s becomes %s", text, message)
			}
		})
	}
}
