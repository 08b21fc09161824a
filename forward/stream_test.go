package forward

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/forward/syslog"
	"auditbridge/journal"
)

// play pushes lines from the cursor on and returns the messages.
func play(t *testing.T, c Config, cursor journal.Cursor, lines []string) ([]string, stream) {
	t.Helper()
	s, from := newStream(&c, cursor, new(census), syslog.AppendFrame)
	for i := int(max(from, 1)) - 1; i < len(lines); i++ {
		s.push(auditbridge.Sequence(i+1), []byte(lines[i]))
	}
	return frames(t, s), s
}

func frames(t *testing.T, s stream) (messages []string) {
	t.Helper()
	r := bufio.NewReader(strings.NewReader(string(*s.batch())))
	*s.batch() = (*s.batch())[:0]
	for {
		m, err := readFrame(r)
		if err != nil {
			return messages
		}
		messages = append(messages, m)
	}
}

// interleaved is a stream in which events wait for each other, with lines that
// are no records, unknown types, our own and late ones between them.
func interleaved(seed uint64, n int) (lines []string) {
	random := rand.New(rand.NewPCG(seed, 1))
	var open [][]string
	for serial := 1; serial <= n; serial++ {
		switch random.IntN(8) {
		case 0:
			lines = append(lines, loginEvent(serial))
		case 1:
			open = append(open, configEvent(serial))
		case 2:
			lines = append(lines, blockLine(serial))
		case 3:
			lines = append(lines, fmt.Sprintf("this is no record, nr. %d", serial))
		case 4:
			open = append(open, unknownEvent(serial))
		default:
			open = append(open, syscallEvent(serial))
		}
		for len(open) > 0 && random.IntN(3) > 0 {
			i := random.IntN(len(open))
			lines = append(lines, open[i][0])
			if open[i] = open[i][1:]; len(open[i]) == 0 {
				open = slices.Delete(open, i, i+1)
			}
		}
	}
	for _, rest := range open {
		lines = append(lines, rest...)
	}
	return lines
}

func TestUnfilteredRecordStreamIsTheJournal(t *testing.T) {
	lines := interleaved(1, 300)
	messages, s := play(t, testConfig(FormatRecord), journal.Cursor{}, lines)
	s.end()
	messages = append(messages, frames(t, s)...)
	if got := rawTails(messages, lines); !slices.Equal(got, lines) {
		t.Fatalf("%d messages do not hold the %d lines in order", len(messages), len(lines))
	}
	c := s.position()
	if int(c.At) != len(lines) || len(c.Open) != 0 || int(c.Delivered) != len(lines) || s.waiting() != 0 {
		t.Errorf("position %+v, waiting %d", c, s.waiting())
	}
}

// rawTails finds for each message the line it ends in.
func rawTails(messages, lines []string) (tails []string) {
	for i, m := range messages {
		if i < len(lines) && strings.HasSuffix(m, lines[i]) {
			tails = append(tails, lines[i])
		}
	}
	return tails
}

// Wherever a relay is stopped, taking up its cursor sends exactly what was not
// sent before, and counts every record once.
func TestEveryCursorResumes(t *testing.T) {
	for _, format := range Formats {
		for _, include := range [][]string{nil, {"login"}, {"config-change"}} {
			t.Run(fmt.Sprint(format, include), func(t *testing.T) {
				c := testConfig(format)
				c.Include = include
				lines := interleaved(2, 120)
				whole, full := play(t, c, journal.Cursor{}, lines)
				full.end()
				whole = append(whole, frames(t, full)...)
				want := full.position()
				for cut := range lines {
					// Stopped twice: after cut lines, and somewhere behind the
					// cursor, maybe before the first stop.
					before, cursor := playTo(t, c, journal.Cursor{}, lines[:cut])
					again := int(cursor.At) + cut*7%(len(lines)-int(cursor.At))
					between, cursor := playTo(t, c, cursor, lines[:again])
					after, resumed := play(t, c, cursor, lines)
					resumed.end()
					after = append(after, frames(t, resumed)...)
					if got := slices.Concat(before, between, after); !slices.Equal(got, whole) {
						t.Fatalf("after %d and %d lines, at %+v: %d + %d + %d messages, want %d", cut, again, cursor, len(before), len(between), len(after), len(whole))
					}
					got := resumed.position()
					if got.Delivered != want.Delivered || got.Excluded != want.Excluded || got.LineHash != want.LineHash {
						t.Fatalf("after %d and %d lines: counts %+v, want %+v", cut, again, got, want)
					}
				}
			})
		}
	}
}

// playTo is play up to the end of lines, and the cursor there. The books must
// balance.
func playTo(t *testing.T, c Config, from journal.Cursor, lines []string) ([]string, journal.Cursor) {
	t.Helper()
	messages, s := play(t, c, from, lines)
	cursor := s.position()
	checkBooks(t, s, len(lines))
	return messages, cursor
}

// checkBooks is the invariant: read = delivered + excluded + waiting.
func checkBooks(t *testing.T, s stream, read int) {
	t.Helper()
	c := s.position()
	if got := int(c.Delivered+c.Excluded) + s.waiting(); got != read {
		t.Fatalf("delivered %d + excluded %d + waiting %d, but %d were read", c.Delivered, c.Excluded, s.waiting(), read)
	}
	if c.Read != c.Delivered+c.Excluded+c.Waiting || len(c.Open) > journal.MaxOpen {
		t.Fatalf("the cursor does not balance, or cannot be stored: %+v", c)
	}
}

func TestGapsInTheNumberingAreStepsNotStops(t *testing.T) {
	for _, format := range Formats {
		c := testConfig(format)
		s, _ := newStream(&c, journal.Cursor{}, new(census), syslog.AppendFrame)
		for i, l := range events(1, 4) { // 9 lines at 10, 20, …
			s.push(auditbridge.Sequence(10*(i+1)), []byte(l))
		}
		position := s.position()
		if position.At != 90 || position.Delivered != 9 || s.waiting() != 0 {
			t.Errorf("%s: %+v, waiting %d", format, position, s.waiting())
		}
	}
}

func TestFilters(t *testing.T) {
	lines := slices.Concat([]string{loginEvent(1)}, configEvent(2), syscallEvent(3), unknownEvent(5), []string{
		line("USER_LOGIN", 4, `pid=1 uid=0 auid=0 ses=1 msg='op=login acct="centos" exe="/usr/sbin/sshd" hostname=h addr=10.0.0.1 terminal=ssh res=failed'`),
		"no record at all", blockLine(6),
		line("DAEMON_ERR", auditbridge.FirstNoteSerial+7, "op=alarm-raised auid=4294967295 pid=1 uid=0 ses=4294967295 id=1 res=failed"),
		line("DAEMON_ERR", auditbridge.FirstNoteSerial+8, "op=gap auid=4294967295 pid=1 uid=0 ses=4294967295 n=1 res=failed"),
		line("SERVICE_START", 9, `pid=1 uid=0 auid=4294967295 ses=4294967295 msg='unit=x comm="systemd" exe="/x" hostname=? addr=? terminal=? res=success'`)})
	const always = " ? block alarm-raised gap"
	for _, row := range []struct {
		name    string
		include []string
		filters []Filter
		want    string
	}{
		{"nothing set is everything", nil, nil, "USER_LOGIN CONFIG_CHANGE SYSCALL UNKNOWN[1999] USER_LOGIN ? block alarm-raised gap SERVICE_START"},
		{"include all", []string{"login", "all"}, nil, "USER_LOGIN CONFIG_CHANGE SYSCALL UNKNOWN[1999] USER_LOGIN ? block alarm-raised gap SERVICE_START"},
		{"include login", []string{"login"}, nil, "USER_LOGIN UNKNOWN[1999] USER_LOGIN" + always},
		{"include login and config-change", []string{"login", "config-change"}, nil, "USER_LOGIN CONFIG_CHANGE UNKNOWN[1999] USER_LOGIN" + always},
		{"include session: nothing of it here", []string{"session"}, nil, "UNKNOWN[1999]" + always},
		{"facility", nil, []Filter{{Facility: "auth"}}, "USER_LOGIN CONFIG_CHANGE UNKNOWN[1999] USER_LOGIN" + always},
		{"facility kern", nil, []Filter{{Facility: "kern"}}, "SYSCALL UNKNOWN[1999]" + always},
		{"severity is a threshold", nil, []Filter{{Severity: "warning"}}, "UNKNOWN[1999] USER_LOGIN" + always},
		{"severity error: no failed login", nil, []Filter{{Severity: "error"}}, "UNKNOWN[1999]" + always},
		{"several are OR", nil, []Filter{{Facility: "kern"}, {Facility: "auth", Severity: "warning"}}, "SYSCALL UNKNOWN[1999] USER_LOGIN" + always},
		{"within one all must hold", nil, []Filter{{Facility: "kern", Severity: "emerg"}}, "UNKNOWN[1999]" + always},
		{"match on the whole message", nil, []Filter{{Match: `^<3[0-9]>1 .*centos`}}, "UNKNOWN[1999] USER_LOGIN" + always},
		{"match that matches nothing", nil, []Filter{{Match: `^never$`}}, "UNKNOWN[1999]" + always},
		{"match or facility", nil, []Filter{{Match: `never`}, {Facility: "kern"}}, "SYSCALL UNKNOWN[1999]" + always},
		{"include and filter must both hold", []string{"config-change"}, []Filter{{Match: "acct="}}, "UNKNOWN[1999]" + always},
	} {
		for _, format := range []string{FormatEvent, FormatRecord} {
			t.Run(row.name+"/"+format, func(t *testing.T) {
				c := testConfig(format)
				c.Include, c.Filters = row.include, row.filters
				if err := c.Validate(); err != nil {
					t.Fatal(err)
				}
				f := newFilter(&c)
				var got []string
				r := auditbridge.NewReassembler(auditbridge.Limits{})
				for i, l := range lines {
					r.Push(auditbridge.Sequence(i+1), []byte(l), func(e *auditbridge.Event) {
						v := auditbridge.Classify(e)
						messages, _ := play(t, c, journal.Cursor{}, linesOf(e))
						if len(messages) > 0 {
							got = append(got, nameOf(e))
						}
						if passes := f.admit(e, &v) != excluded; !passes && len(messages) > 0 {
							t.Errorf("%s is sent though excluded", nameOf(e))
						}
					})
				}
				if text := strings.Join(got, " "); text != row.want {
					t.Errorf("passes %s\nwant   %s", text, row.want)
				}
			})
		}
	}
}

func linesOf(e *auditbridge.Event) (lines []string) {
	for _, r := range e.Records {
		lines = append(lines, string(r.Line))
	}
	return lines
}

// nameOf is the op of one of our own, else the type of the first record.
func nameOf(e *auditbridge.Event) string {
	r := &e.Records[0]
	switch {
	case r.Body == 0:
		return "?"
	case e.Own():
		op, _, _ := strings.Cut(strings.TrimPrefix(string(r.Line[r.Body:]), "op="), " ")
		return op
	}
	return string(r.TypeName())
}

// A system call that was cut by a limit, a pause or a time-out is never
// filtered away: what would have decided may be missing.
func TestWhatIsNotWholePasses(t *testing.T) {
	for _, format := range []string{FormatEvent, FormatRecord} {
		c := testConfig(format)
		c.Include, c.Filters = []string{"login"}, []Filter{{Match: "never"}}
		s, _ := newStream(&c, journal.Cursor{}, new(census), syslog.AppendFrame)
		s.push(1, []byte(syscallEvent(1)[0]))
		if s.idle(9); len(frames(t, s)) != 1 {
			t.Errorf("%s: an event ended by a pause was excluded", format)
		}
		s.push(2, []byte(syscallEvent(1)[1]))
		if got := frames(t, s); len(got) != 1 {
			t.Errorf("%s: a record that came late was excluded", format)
		}
		checkBooks(t, s, 2)
	}
}

// A record that decides by itself is whole whatever ended its event: on a host
// without rules CONFIG_CHANGE and LOGIN have no EOE, and must not reach a
// destination that did not ask for them.
func TestWhatDecidesByItselfIsFilteredWithoutItsEnd(t *testing.T) {
	for _, format := range []string{FormatEvent, FormatRecord} {
		c := testConfig(format)
		c.Include = []string{"login"}
		s, _ := newStream(&c, journal.Cursor{}, new(census), syslog.AppendFrame)
		s.push(1, []byte(`type=CONFIG_CHANGE msg=audit(1700000000.001:7): op=set audit_enabled=1 old=0 auid=4294967295 ses=4294967295 res=1`))
		if s.idle(9); len(frames(t, s)) != 0 {
			t.Errorf("%s: a config-change was sent to who asked for logins", format)
		}
		s.push(2, []byte(`type=LOGIN msg=audit(1700000000.002:8): pid=1 uid=0 old-auid=4294967295 auid=0 tty=(none) old-ses=4294967295 ses=1 res=1`))
		if s.idle(9); len(frames(t, s)) != 1 {
			t.Errorf("%s: a login without its end was excluded", format)
		}
		checkBooks(t, s, 2)
	}
}

func TestStampedFacilityAndSeverity(t *testing.T) {
	for _, row := range []struct{ facility, severity, want string }{
		{"", "", "<38>1 "}, {"local7", "", "<190>1 "}, {"", "emerg", "<32>1 "}, {"kern", "alert", "<1>1 "},
	} {
		c := testConfig(FormatEvent)
		c.Facility, c.Severity, c.Filters = row.facility, row.severity, []Filter{{Facility: "auth", Severity: "info"}}
		messages, _ := play(t, c, journal.Cursor{}, []string{loginEvent(1)})
		if len(messages) != 1 || !strings.HasPrefix(messages[0], row.want) {
			t.Errorf("%+v: %q", row, messages)
		}
	}
}

func TestValidateNamesEveryKey(t *testing.T) {
	err := Config{Port: -1, Format: "xml", Start: "later", Facility: "x", Severity: "x", SDID: "a b", Include: []string{"logins"},
		Filters: []Filter{{Facility: "x", Severity: "x", Match: "("}}, Settle: -1}.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, key := range []string{"name", "address", "port", "format", "start", "facility", "severity", "sd-id", "include", "filter[0].facility", "filter[0].severity", "filter[0].match", "settle"} {
		if !strings.Contains(err.Error(), ": "+key+":") {
			t.Errorf("no word of %s in: %v", key, err)
		}
	}
}

// The hot path: what a record costs from line to framed message, in every
// format, is no allocation.
func TestStreamAllocatesNothing(t *testing.T) {
	for _, format := range Formats {
		c := testConfig(format)
		c.Filters = []Filter{{Facility: "kern"}}
		s, _ := newStream(&c, journal.Cursor{}, new(census), syslog.AppendFrame)
		lines := bytesOf(events(0, 30_000))
		next := 0
		step := func() {
			for range 3000 {
				s.push(auditbridge.Sequence(next+1), lines[next])
				next++
			}
			*s.batch() = (*s.batch())[:0]
		}
		for range 10 { // buffers and maps find their size
			step()
		}
		// Others in this process may allocate meanwhile; one for each record were 3000.
		if allocs := testing.AllocsPerRun(15, step); allocs > 30 {
			t.Errorf("%s: %v allocations for 3000 records", format, allocs)
		}
	}
}

func bytesOf(lines []string) (all [][]byte) {
	for _, l := range lines {
		all = append(all, []byte(l))
	}
	return all
}

func BenchmarkStream(b *testing.B) {
	for _, format := range Formats {
		b.Run(format, func(b *testing.B) {
			c := testConfig(format)
			s, _ := newStream(&c, journal.Cursor{}, new(census), syslog.AppendFrame)
			lines := bytesOf(events(0, 10_000))
			b.ReportAllocs()
			b.ResetTimer()
			for i := range b.N {
				s.push(auditbridge.Sequence(i+1), lines[i%len(lines)])
				if len(*s.batch()) > batchSize {
					*s.batch() = (*s.batch())[:0]
				}
			}
		})
	}
}

// What is read again after a break was counted before.
func TestEveryEventIsCountedOnceByClass(t *testing.T) {
	c, seen := testConfig(FormatEvent), new(census)
	lines := append(syscallEvent(1), `type=LOGIN msg=audit(1700000000.002:8): pid=1 uid=0 old-auid=4294967295 auid=0 tty=(none) old-ses=4294967295 ses=1 res=1`)
	for range 3 {
		s, _ := newStream(&c, journal.Cursor{}, seen, syslog.AppendFrame)
		for i, l := range lines {
			s.push(auditbridge.Sequence(i+1), []byte(l))
		}
		s.end()
	}
	if got := seen.classes(); got["system"] != 1 || got["login"] != 1 {
		t.Errorf("one system event and one login, read three times, are counted as %v", got)
	}
}
