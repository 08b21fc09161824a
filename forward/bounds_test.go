package forward

import (
	"slices"
	"strings"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/forward/syslog"
	"auditbridge/journal"
)

// A kernel whose events have no EOE leaves them open until time shows that they
// are whole; the cursor goes on nevertheless, and resumes exactly.
func TestCursorMovesHoweverManyEventsAreOpen(t *testing.T) {
	for _, format := range []string{FormatRecord, FormatEvent} {
		c := testConfig(format)
		var lines []string
		for i := range 2000 {
			lines = append(lines, syscallEvent(i)[:2]...)
		}
		lines = append(lines, syscallEvent(2000)...)
		whole, s := play(t, c, journal.Cursor{}, lines)
		s.end()
		whole = append(whole, frames(t, s)...)
		before, cursor := playTo(t, c, journal.Cursor{}, lines[:3900])
		if cursor.Delivered < 2500 {
			t.Errorf("%s: at %d of 3900, %d delivered", format, cursor.At, cursor.Delivered)
		}
		after, s := play(t, c, cursor, lines)
		s.end()
		if got := append(append(before, after...), frames(t, s)...); !slices.Equal(got, whole) {
			t.Errorf("%s: %d messages after a stop, want %d", format, len(got), len(whole))
		}
		if slices.ContainsFunc(whole, func(m string) bool { return strings.Contains(m, `complete="no"`) }) {
			t.Errorf("%s: an event whose PROCTITLE is there counts as torn", format)
		}
	}
}

// A gap of any size costs no memory: what waits before it is sent as it is.
func TestGapBehindAnOpenEvent(t *testing.T) {
	for _, format := range []string{FormatRecord, FormatEvent} {
		c := testConfig(format)
		s, _ := newStream(&c, journal.Cursor{}, new(census), syslog.AppendFrame)
		s.push(1, []byte(syscallEvent(1)[0]))
		s.push(30_000_000, []byte(loginEvent(2)))
		s.end()
		if got := frames(t, s); len(got) != 2 {
			t.Errorf("%s: %q", format, got)
		}
		if r, ok := s.(*recordStream); ok && cap(r.queue) > 100 {
			t.Errorf("%d slots", cap(r.queue))
		}
		if p := s.position(); p.At != 30_000_000 || p.Read != 2 || p.Missed != 29_999_998 {
			t.Errorf("%s: %+v", format, p)
		}
		checkBooks(t, s, 2)
	}
}

// At the bound what waits is sent as it is, nothing is dropped.
func TestRecordStreamIsBounded(t *testing.T) {
	c := testConfig(FormatRecord)
	c.Include = []string{"login"}
	s, _ := newStream(&c, journal.Cursor{}, new(census), syslog.AppendFrame)
	s.push(1, []byte(syscallEvent(1)[0])) // never ends
	n := maxWaiting + 10
	for i := 2; i <= n; i++ {
		s.push(auditbridge.Sequence(i), []byte(loginEvent(i)))
		if len(*s.batch()) > batchSize {
			*s.batch() = (*s.batch())[:0]
		}
	}
	position := s.position()
	if int(position.Delivered) < maxWaiting || s.waiting() > maxWaiting {
		t.Errorf("%+v, waiting %d", position, s.waiting())
	}
	checkBooks(t, s, n)
}
