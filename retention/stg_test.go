package retention

import (
	"slices"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// What an evaluator of a product with `retention = "1d"` wants to see, on a clock
// that the test sets: only what is old and acknowledged goes, whatever the clock
// does, and nothing stays for more than 25 hours.
func TestRetentionOfADay(t *testing.T) {
	day := Config{Age: 24 * time.Hour, MaxSize: 1 << 40, Keep: true}
	hourly := func(hours int) (all []journal.Segment) {
		for h := range hours {
			closed := now.Add(time.Duration(h-hours+1) * time.Hour)
			all = append(all, journal.Segment{First: auditbridge.Sequence(h + 1), Last: auditbridge.Sequence(h + 1), Bytes: 1, Created: closed.Add(-time.Hour), Closed: closed})
		}
		return append(all, journal.Segment{First: auditbridge.Sequence(hours + 1), Last: auditbridge.Sequence(hours + 1)})
	}
	t.Run("T-STG-RETAIN only what is old and acknowledged goes", func(t *testing.T) {
		for _, row := range []struct {
			acked auditbridge.Sequence
			goes  int
		}{{0, 0}, {3, 3}, {40, 6}} { // of 30 hourly segments the first 6 are more than a day old
			gone := 0
			for _, d := range Decide(now.Add(time.Minute), Kept{Segments: hourly(30), Cursors: []Cursor{{"siem", row.acked}}}, day) {
				gone += d.Segments
			}
			if gone != row.goes {
				t.Errorf("acknowledged up to %d: %d segments go, want %d", row.acked, gone, row.goes)
			}
		}
	})
	t.Run("T-STG-RETAIN a clock step drops nothing early", func(t *testing.T) {
		for _, step := range []time.Duration{-365 * 24 * time.Hour, -time.Hour, time.Hour, 365 * 24 * time.Hour} {
			j := &dropper{segments: hourly(20)} // none is a day old
			k := newKeeper(t, t.TempDir(), day, j, Cursor{"siem", 40})
			for _, r := range []Reading{
				{Wall: now, BootID: "a", Boot: time.Hour},
				{Wall: now.Add(step), BootID: "a", Boot: time.Hour + time.Second},
				{Wall: now.Add(step + time.Minute), BootID: "a", Boot: time.Hour + time.Minute},
			} {
				k.clocks = at(r)
				if err := k.Look(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if !slices.Equal(j.said, nil) {
				t.Errorf("the clock was set by %v: %q", step, j.said)
			}
		}
	})
	t.Run("T-STG-RETAIN whatever the clock showed when it was closed", TestWhatIsClosedAtAWrongTimeIsAsOldAsItIs)
	t.Run("T-STG-RETAIN a day is at most 25 hours", TestADayIsAtMost25Hours)
}
