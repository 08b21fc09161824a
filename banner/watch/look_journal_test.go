package watch

import (
	"testing"
	"time"
)

// A message that went through the kernel is lost when what was made after it comes
// out before it, or nothing comes out at all; what is busy, or has much before it,
// is waited for. One that is lost stays so until one arrives.
func TestWhenAProbeIsLost(t *testing.T) {
	nothing, before, after, found := sought{}, sought{read: true}, sought{read: true, overtaken: true}, sought{found: true}
	for _, row := range []struct {
		what   string
		busy   bool
		sought []sought // a look each 200 ms
		lost   int      // the look that says so; 0 for none
	}{
		{"it arrives", false, []sought{nothing, nothing, found, nothing, nothing, nothing, nothing}, 0},
		{"nothing comes", false, []sought{nothing, nothing, nothing}, 3},
		{"nothing comes, and run is held up", true, []sought{nothing, nothing, nothing, nothing, nothing, nothing}, 0},
		{"much comes before it", false, []sought{before, before, before, before, before, before, before}, 0},
		{"much came before it", false, []sought{before, before, before, nothing, nothing, nothing}, 6},
		{"something made after it comes first", true, []sought{before, after}, 2},
		{"it arrives late", false, []sought{nothing, nothing, nothing, nothing, found}, 3},
	} {
		var p probing
		p.sent(at(0))
		lost := 0
		for i, s := range row.sought {
			if p.probe.Arrived {
				break // nobody looks any more
			}
			if p.judge(s, row.busy, at(200*(i+1))); p.probe.Overdue && lost == 0 {
				lost = i + 1
			}
		}
		last := row.sought[len(row.sought)-1]
		if lost != row.lost || last.found && (!p.probe.Arrived || p.probe.Overdue) {
			t.Errorf("%s: lost at look %d, want %d; %+v", row.what, lost, row.lost, p.probe)
		}
	}
}

// Whoever has us stopped has run stopped, too, more often than not: time alone, in
// which we did not look, loses no message.
func TestAPauseLosesNoProbe(t *testing.T) {
	var p probing
	p.sent(at(0))
	for i, ms := range []int{0, 3000, 3200, 3400} {
		if p.judge(sought{}, false, at(ms)); p.probe.Overdue != (i >= 2) {
			t.Errorf("at %d ms lost: %v", ms, p.probe.Overdue)
		}
	}
}

// One is sent when there is reason to: after a minute, after one that is lost, or
// when something happened that only one sent since can decide.
func TestWhenAProbeIsSent(t *testing.T) {
	for _, row := range []struct {
		what  string
		probe Probe
		doubt time.Time
		since time.Time
		at    time.Time
		want  bool
	}{
		{"the first", Probe{}, time.Time{}, time.Time{}, at(0), true},
		{"one is on its way", Probe{Sent: at(0)}, time.Time{}, time.Time{}, at(100_000), false},
		{"one has arrived", Probe{Sent: at(0), Arrived: true}, time.Time{}, time.Time{}, at(59_000), false},
		{"that was a minute ago", Probe{Sent: at(0), Arrived: true}, time.Time{}, time.Time{}, at(60_000), true},
		{"one is lost", Probe{Sent: at(0), Overdue: true}, time.Time{}, time.Time{}, at(4_000), false},
		{"one is lost for a while", Probe{Sent: at(0), Overdue: true}, time.Time{}, time.Time{}, at(5_000), true},
		{"something has changed", Probe{Sent: at(0), Arrived: true}, at(1000), time.Time{}, at(1001), true},
		{"something had changed", Probe{Sent: at(2000), Arrived: true}, at(1000), at(1000), at(3000), false},
		{"the owner has died", Probe{Sent: at(0)}, time.Time{}, at(1000), at(1001), true},
	} {
		p := probing{probe: row.probe, doubted: row.doubt}
		if got := p.due(row.at, row.since); got != row.want {
			t.Errorf("%s: %v", row.what, got)
		}
	}
}

// Other rules, and another owner, may send records another way; a longer queue does
// not.
func TestWhatMayChangeTheWay(t *testing.T) {
	is := well(0).Kernel
	for _, row := range []struct {
		does func(*Kernel)
		want bool
	}{
		{func(k *Kernel) {}, false},
		{func(k *Kernel) { k.Lost, k.Backlog, k.Wait, k.Failure = 9, 9, 9, 0 }, false},
		{func(k *Kernel) { k.Print++ }, true},
		{func(k *Kernel) { k.Rules++ }, true},
		{func(k *Kernel) { k.Enabled = 0 }, true},
		{func(k *Kernel) { k.Owner.PID = 0 }, true},
		{func(k *Kernel) { k.Rate = 1 }, true},
	} {
		now := is
		row.does(&now)
		if got := now.otherwise(&is); got != row.want {
			t.Errorf("%+v after %+v: %v", now, is, got)
		}
	}
}
