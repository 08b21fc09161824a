package retention

import (
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"

	"pgregory.net/rapid"
)

// step is what happens to the host between two looks.
type step struct {
	what         string
	boot         string        // another name is a reboot
	passes       time.Duration // as the boot clock counts it
	wall         time.Duration // what the wall clock says, since the beginning
	synchronised bool
	confirm      bool
	want         time.Duration // the age clock, since the beginning
	held         bool
}

func TestWhatTimeSegmentsAgeBy(t *testing.T) {
	const day = 24 * time.Hour
	for _, row := range []struct {
		name  string
		steps []step
	}{
		{"time passes", []step{
			{"an hour later", "a", time.Hour, time.Hour, false, false, time.Hour, false},
			{"a day later", "a", day, day + time.Hour, false, false, day + time.Hour, false},
		}},
		{"the wall clock is set ahead, and back", []step{
			{"a year ahead", "a", time.Minute, 365 * day, false, false, time.Minute, false},
			{"still, synchronised or not", "a", time.Minute, 365 * day, true, false, 2 * time.Minute, false},
			{"set right", "a", time.Minute, 3 * time.Minute, true, false, 3 * time.Minute, false},
		}},
		{"the wall clock is set back, and right", []step{
			{"a year behind", "a", time.Hour, -365 * day, false, false, time.Hour, false},
			{"set right", "a", time.Hour, 2 * time.Hour, false, false, 2 * time.Hour, false},
		}},
		{"a reboot of half an hour", []step{
			{"up again", "b", 0, 30 * time.Minute, false, false, 30 * time.Minute, false},
		}},
		{"a reboot with a jump", []step{
			{"two days ahead", "b", time.Minute, 2 * day, false, false, 0, true},
			{"time passes", "b", time.Hour, 2*day + time.Hour, false, false, 0, true},
			{"synchronised", "b", time.Minute, 2*day + 2*time.Hour, true, false, 2*day + 2*time.Hour, false},
		}},
		{"a reboot with a jump that root confirms", []step{
			{"two days ahead", "b", time.Minute, 2 * day, false, false, 0, true},
			{"confirmed", "b", time.Minute, 2 * day, false, true, 2 * day, false},
		}},
		{"a reboot with a jump that somebody sets right", []step{
			{"two days ahead", "b", time.Minute, 2 * day, false, false, 0, true},
			{"set right", "b", time.Minute, 10 * time.Minute, false, false, 10 * time.Minute, false},
			{"and ahead again", "b", time.Minute, 2 * day, false, false, 11 * time.Minute, false},
		}},
		{"a reboot without a battery: the clock begins in the past", []step{
			{"in 1970, as it were", "b", time.Minute, -1000 * day, false, false, 0, false},
			{"a minute later", "b", time.Minute, -1000 * day, false, false, time.Minute, false},
			{"NTP", "b", time.Minute, day, true, false, day, false},
			{"the wall clock is set ahead", "b", time.Minute, 365 * day, true, false, day + time.Minute, false},
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			begin := time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)
			var c Clock
			r := Reading{Wall: begin, BootID: "a", Boot: time.Hour}
			if got, err := c.Advance(r); err != nil || !got.Equal(begin) {
				t.Fatalf("the first reading gives %v, %v", got, err)
			}
			for _, s := range row.steps {
				if r.BootID != s.boot {
					r.BootID, r.Boot = s.boot, 0
				}
				r.Boot += s.passes
				r.Wall, r.Synchronised = begin.Add(s.wall), s.synchronised
				if s.confirm {
					c.Confirm(r)
				}
				got, err := c.Advance(r)
				if errors.Is(err, ErrHeld) != s.held || !got.Equal(begin.Add(s.want)) {
					t.Errorf("%s: %v (held: %v), want %v (held: %v)", s.what, got.Sub(begin), err != nil, s.want, s.held)
				}
			}
		})
	}
}

// Whatever is done to the wall clock, within a boot nothing ages faster than
// the boot clock counts.
func TestNothingAgesFasterThanTheBootClock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Clock
		begin := time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)
		c.Advance(Reading{Wall: begin, BootID: "a"})
		var boot time.Duration
		for range rapid.IntRange(1, 30).Draw(t, "looks") {
			boot += time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "passes"))
			wall := time.Duration(rapid.Int64Range(-int64(1000*time.Hour), int64(1000*time.Hour)).Draw(t, "wall"))
			got, err := c.Advance(Reading{Wall: begin.Add(wall), BootID: "a", Boot: boot, Synchronised: rapid.Bool().Draw(t, "synchronised")})
			if err != nil || got.Sub(begin) > boot {
				t.Fatalf("%v after %v of the boot clock, with the wall clock at %v: %v", got.Sub(begin), boot, wall, err)
			}
		}
	})
}

// A clock that is set to the past or the future, by root or by a boot without a
// battery, and then right, makes nothing go before it is as old as retention says, in
// true time, and within a boot nothing stay for longer.
func TestWhatIsClosedAtAWrongTimeIsAsOldAsItIs(t *testing.T) {
	dir := t.TempDir()
	checks := 0
	rapid.Check(t, func(rt *rapid.T) {
		checks++
		const age, years = 24 * time.Hour, 30 * 365 * 24 * time.Hour
		j, closed := &dropper{segments: []journal.Segment{{First: 1}}}, map[auditbridge.Sequence]time.Time{}
		place := filepath.Join(dir, strconv.Itoa(checks))
		truth, boot, started, off := now, 0, now, time.Duration(0)
		set := func() { off = rapid.SampledFrom([]time.Duration{0, 0, -years, years}).Draw(rt, "off") }
		wall := func() time.Time { return truth.Add(off) }
		k := newKeeper(t, place, Config{Age: age, MaxSize: 1 << 40}, j)
		look := func() {
			k.clocks = at(Reading{Wall: wall(), BootID: strconv.Itoa(boot), Boot: truth.Sub(started), Synchronised: off == 0})
			if err := k.Look(t.Context()); err != nil {
				rt.Fatal(err)
			}
		}
		look()
		for range rapid.IntRange(5, 30).Draw(rt, "steps") {
			truth = truth.Add(time.Duration(rapid.IntRange(0, 8).Draw(rt, "hours")) * time.Hour)
			switch rapid.SampledFrom([]string{"segment", "segment", "segment", "clock", "reboot"}).Draw(rt, "what") {
			case "segment":
				look() // as every 10 seconds
				last := &j.segments[len(j.segments)-1]
				last.Last, last.Closed = last.First, wall()
				closed[last.First] = truth
				j.segments = append(j.segments, journal.Segment{First: last.First + 1})
			case "clock":
				look()
				set()
			case "reboot":
				k.Close()
				k = newKeeper(t, place, Config{Age: age, MaxSize: 1 << 40}, j)
				boot, started = boot+1, truth
				set()
			}
			look()
			for s, when := range closed {
				if s >= j.segments[0].First {
					continue
				}
				if truth.Sub(when) < age {
					rt.Fatalf("segment %d went %v after it was closed", s, truth.Sub(when))
				}
				delete(closed, s)
			}
			if when, left := closed[j.segments[0].First]; left && boot == 0 && truth.Sub(when) > age+2*grain {
				rt.Fatalf("segment %d stays %v after it was closed", j.segments[0].First, truth.Sub(when))
			}
		}
		k.Close()
	})
}

func TestTheHostsClocks(t *testing.T) {
	a, err := ReadClocks()
	if err != nil {
		t.Fatal(err)
	}
	b, err := ReadClocks()
	if err != nil || b.BootID != a.BootID || b.Boot < a.Boot || len(a.BootID) != 36 || a.Wall.IsZero() {
		t.Errorf("%+v, then %+v: %v", a, b, err)
	}
}
