package forward

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"auditbridge/auditbridge"
	"auditbridge/forward/syslog"
	"auditbridge/journal"
)

// What was open for want of room is sent in pieces, whole and counted, and each
// piece counts as what it is, once, however often it is read.
func TestWhatIsSentInPiecesIsCounted(t *testing.T) {
	var lines []string
	const more = 7
	for i := range journal.MaxOpen + more {
		lines = append(lines, syscallEvent(i)[0]) // its PROCTITLE and EOE never come
	}
	lines = append(lines, syscallEvent(0)[1], "no record")
	for _, format := range []string{FormatRecord, FormatEvent} {
		c := testConfig(format)
		seen := new(census)
		for range 2 {
			s, _ := newStream(&c, journal.Cursor{}, seen, syslog.AppendFrame)
			for i, line := range lines {
				s.push(auditbridge.Sequence(i+1), []byte(line))
			}
			s.end()
			if got := len(frames(t, s)); got != len(lines) {
				t.Errorf("%s: %d of %d records sent", format, got, len(lines))
			}
			checkBooks(t, s, len(lines))
		}
		if got := seen.inPieces(); got["limit"] != more || got["late"] != 1 || got["malformed"] != 1 {
			t.Errorf("%s: %v", format, got)
		}
	}
}

// It is on record by how many; another ship counts anew.
func TestWhatIsSentInPiecesIsOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, said := bookkeeper(t, t.TempDir(), to(9))
		for _, n := range []uint64{0, 3, 3, 5, 0, 1} {
			if err := s.crews[0].follow(report{Relay: "siem", Stats: &Stats{Pieces: map[string]uint64{"limit": n, "late": 1}}}); err != nil {
				t.Fatal(err)
			}
		}
		if got := said.ops(); !slices.Equal(got, []string{"events-cut", "events-cut", "events-cut"}) {
			t.Errorf("on record: %q", got)
		}
		if got := strings.Join(said.fields("n"), " "); got != "3 2 1" {
			t.Errorf("by %s", got)
		}
		if b := s.Stats()["siem"]; b.Pieces["limit"] != 1 {
			t.Errorf("%+v", b)
		}
	})
}
