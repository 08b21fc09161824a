package forward

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"

	"auditbridge/forward/syslog"
	"auditbridge/internal/peertest"
)

// The golden messages of each syslog format, whole, taken apart by the stock readers'
// own parsers. What each has to find stands in the message itself: cut by this test
// where RFC 5424 section 6 and RFC 3164 section 4.1 say that the parts are.
func TestStockReadersTakeGoldenMessagesApart(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		golden string
		parts  *regexp.Regexp // pri, timestamp, hostname, app-name, procid, msgid, structured data, msg
	}{
		{"syslog/testdata/sshd.rfc5424", header5424},
		{"syslog/testdata/sshd.audit", header5424},
		{"syslog/testdata/sshd.rfc3164", header3164},
		{"cef/testdata/sshd.cef", headerCEF},
		{"cef/testdata/oddities.cef", headerCEF},
	} {
		t.Run(row.golden, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(row.golden)
			if err != nil {
				t.Fatal(err)
			}
			messages := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
			for _, reader := range stockReaders(t, row.parts == header5424) {
				t.Run(reader.name, func(t *testing.T) {
					var want []string
					for _, m := range messages {
						parts := row.parts.FindStringSubmatch(m)
						if parts == nil {
							t.Fatalf("%q has not the parts of its format", m)
						}
						want = append(want, strings.Join(reader.says(parts[1:]), "|"))
					}
					feed(t, reader.port, messages, row.parts == header5424)
					peertest.Until(t, fmt.Sprintf("%d messages are taken apart", len(want)), func() bool { return len(reader.received()) >= len(want) })
					for i, got := range reader.received() {
						if got != want[i] {
							t.Fatalf("it made of\n%s\nthis:\n%s\nand it is\n%s", messages[i], got, want[i])
						}
					}
				})
			}
		})
	}
}

var (
	header5424 = regexp.MustCompile(`^<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) (\[(?:[^\]\\]|\\.)*\])(?: (.*))?$`)
	header3164 = regexp.MustCompile(`^<(\d+)>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (\S+) ([a-z]+)\[(\d+)\]:()()( .*)$`)
	headerCEF  = regexp.MustCompile(`^<(\d+)>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (\S+) (CEF)()()():(.*)$`) // the text is CEF's, and so the tag
)

// stockReader is a peer that writes eight parts of each message to a line.
type stockReader struct {
	name     string
	port     int
	received func() []string
	says     func(parts []string) []string // how it writes them
}

func stockReaders(t *testing.T, is5424 bool) []stockReader {
	t.Helper()
	date, source, ngDate := "rfc3164", "network", "$DATE"
	if is5424 {
		date, source, ngDate = "rfc3339", "syslog", "$ISODATE"
	}
	file, port := t.TempDir()+"/received", peertest.FreePort(t)
	rsyslog := peertest.StartRsyslogWith(t, port, file, fmt.Sprintf(`global(workDirectory="%s" maxMessageSize="64k" parser.escapeControlCharactersOnReceive="off")
module(load="imtcp")
template(name="parts" type="string" string="%%pri%%|%%timereported:::date-%s%%|%%hostname%%|%%app-name%%|%%procid%%|%%msgid%%|%%structured-data%%|%%msg%%\n")
ruleset(name="keep" queue.type="direct") {
  action(type="omfile" file="%s" template="parts" asyncWriting="off")
}
input(type="imtcp" address="127.0.0.1" port="%d" ruleset="keep")
`, t.TempDir(), date, file, port))
	ng := peertest.StartSyslogNG(t, source+`(ip("127.0.0.1") port(%d) transport("tcp"))`, "$PRI|"+ngDate+"|$HOST|$PROGRAM|$PID|$MSGID|$SDATA|$MSG")
	return []stockReader{
		{"rsyslog", port, rsyslog.Received, func(parts []string) []string {
			for i := range parts[:7] {
				parts[i] = cmp.Or(parts[i], "-") // what a message has not
			}
			return parts
		}},
		{"syslog-ng", ng.Port, ng.Received, func(parts []string) []string {
			if parts[1] = strings.Replace(parts[1], "Z", "+00:00", 1); !is5424 {
				parts[1] += ".000"
			}
			parts[7] = strings.TrimPrefix(parts[7], " ")
			return parts
		}},
	}
}

// feed sends the messages by TCP, each behind its length or before a line's end (RFC 6587
// sections 3.4.1 and 3.4.2).
func feed(t *testing.T, port int, messages []string, counted bool) {
	t.Helper()
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, m := range messages {
		frame := []byte(m + "\n")
		if counted {
			frame = syslog.AppendFrame(nil, []byte(m))
		}
		if _, err := conn.Write(frame); err != nil {
			t.Fatal(err)
		}
	}
}
