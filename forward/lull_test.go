package forward

import (
	"testing"
	"time"

	"auditbridge/auditbridge"
)

// Each row is a pause of the journal: when, what was read and written last,
// and what was quiet then.
func TestLull(t *testing.T) {
	const idle = 200 * time.Millisecond
	type pause struct {
		at            time.Duration
		last, written auditbridge.Sequence
		quiet         auditbridge.Sequence
		wait          time.Duration
	}
	for name, pauses := range map[string][]pause{
		"silence":            {{0, 5, 5, 0, idle}, {150, 5, 5, 0, 50}, {200, 5, 5, 5, 0}},
		"a little comes":     {{0, 5, 5, 0, idle}, {100, 9, 9, 0, 100}, {200, 12, 12, 5, 0}, {399, 14, 14, 0, 1}, {400, 14, 14, 12, 0}},
		"much comes":         {{0, 5, 5, 0, idle}, {100, 200, 200, 0, idle}, {200, 400, 400, 0, idle}, {400, 400, 400, 400, 0}},
		"a slow disk":        {{0, 5, 5, 0, idle}, {200, 5, 7, 0, idle}, {250, 7, 7, 5, 0}},
		"a disk that stands": {{0, 5, 5, 0, idle}, {200, 5, 7, 0, idle}, {1999, 5, 7, 0, idle}, {2000, 5, 7, 5, 0}},
	} {
		var l lull
		for i, p := range pauses {
			at := time.Unix(1_700_000_000, 0).Add(p.at * time.Millisecond)
			want := p.wait
			if want < idle {
				want *= time.Millisecond
			}
			if quiet, wait := l.follow(p.last, p.written, at, idle); quiet != p.quiet || wait != want {
				t.Errorf("%s: pause %d: quiet up to %d, wait %v; want %d, %v", name, i, quiet, wait, p.quiet, want)
			}
		}
	}
}
