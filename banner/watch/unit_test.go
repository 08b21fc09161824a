package watch

import (
	"testing"
	"time"
)

// A service that is not there is missed at once when its manager knows that it is not
// on its way, and when it has begun and does nothing; one that waits for others, or
// works, is given time. Where nobody knows, a host that boots is given a little more.
func TestWhatMayStillCome(t *testing.T) {
	known := Unit{Known: true}
	queued, begins := Unit{Known: true, Queued: true}, Unit{Known: true, Begins: 7}
	for _, row := range []struct {
		what           string
		unit           Unit
		works, booting bool
		missed         int // ms after the first look
	}{
		{"nobody knows", Unit{}, false, false, 1500},
		{"nobody knows, and the host boots", Unit{}, false, true, 5000},
		{"nobody starts it", known, false, false, 1500},
		{"nobody starts it, and the host boots", known, false, true, 1500},
		{"it waits for others", queued, false, true, 30_000},
		{"it begins and works", begins, true, true, 30_000},
		{"it begins and does nothing", begins, false, true, 1500},
	} {
		var a awaited
		for ms := 0; ; ms += 100 {
			may := a.may(at(ms), &row.unit, row.works, row.booting)
			if may != (ms < row.missed) {
				t.Errorf("%s: after %d ms it may come: %v", row.what, ms, may)
				break
			}
			if !may {
				break
			}
		}
	}
}

// Once its turn has come and gone, a service has the time of one that nothing is seen
// of; one that was given up is not waited for again.
func TestAServiceWhoseTurnHasGone(t *testing.T) {
	var a awaited
	for _, step := range []struct {
		ms   int
		unit Unit
		may  bool
	}{
		{0, Unit{Known: true, Queued: true}, true}, {8000, Unit{Known: true, Queued: true}, true}, {8200, Unit{Known: true}, true}, {9400, Unit{Known: true}, true},
		{9500, Unit{Known: true}, false}, {9700, Unit{Known: true, Queued: true}, false},
	} {
		if may := a.may(at(step.ms), &step.unit, false, true); may != step.may {
			t.Errorf("at %d ms: %v", step.ms, may)
		}
	}
}

// What waits for a processor or a disk is held up by others; what has had its
// processor is not, nor is what waits for something to happen.
func TestWhoIsHeldUp(t *testing.T) {
	second := func(got, waited time.Duration, disk bool) (before, after effort) {
		before = effort{pid: 7, at: at(0), got: time.Minute, waited: time.Hour, ready: true}
		return before, effort{pid: 7, at: at(1000), got: time.Minute + got, waited: time.Hour + waited, ready: true, disk: disk}
	}
	for _, row := range []struct {
		what        string
		got, waited time.Duration
		disk        bool
		held, works bool
	}{
		{"idle", time.Millisecond, time.Millisecond, false, false, false},
		{"round and round", time.Second, time.Millisecond, false, false, true},
		{"among many", 100 * time.Millisecond, 800 * time.Millisecond, false, true, true},
		{"starved", 0, time.Second, false, true, false},
		{"at a disk", 0, 0, true, true, false},
	} {
		before, after := second(row.got, row.waited, row.disk)
		if held, works := after.held(&before), after.works(&before); held != row.held || works != row.works {
			t.Errorf("%s: held up %v, works %v", row.what, held, works)
		}
	}
	_, first := second(0, 0, false)
	if !first.held(&effort{}) || (&effort{at: at(0)}).held(&effort{}) {
		t.Error("at the first look, who is ready to go on may be held up, and nobody else")
	}
}
