package forward

import (
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/journal"
)

func TestPace(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	p := pace{rate: 1000}
	for _, row := range []struct {
		after time.Duration // since the one before
		bytes int
		want  time.Duration
	}{{0, 1000, 0}, {0, 500, 500 * time.Millisecond}, {500 * time.Millisecond, 1000, time.Second}, {3 * time.Second, 1500, 500 * time.Millisecond}} {
		now = now.Add(row.after)
		if got := p.sent(row.bytes, now); got != row.want {
			t.Errorf("%d bytes: wait %v, want %v", row.bytes, got, row.want)
		}
	}
	if got := (&pace{}).sent(1<<40, now); got != 0 {
		t.Errorf("without a bound: wait %v", got)
	}
}

// What has waited for a server goes out at the rate that was set, and what is new
// behind it; an end does not wait for it.
func TestCatchUpRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		c := testConfig(FormatRecord)
		c.CatchUpRate = 64 << 10
		j := newMemJournal(events(0, 5000)...)
		r := startRelay(t, c, j, &script{conns: []*pipe{p}}, journal.Cursor{})
		for range 5 {
			before := len(p.text())
			time.Sleep(10 * time.Second)
			if got := len(p.text()) - before; got > 12*64<<10 || got < 8*64<<10 {
				t.Errorf("%d bytes in ten seconds, want ten times 64 KiB", got)
			}
		}
		start := time.Now()
		r.end(t)
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("the end took %v", took)
		}
	})
}

// Two thousand hosts that lost their server at the same moment do not come back at
// the same moment: in no tenth of a second do more than a few knock.
func TestHostsComeBackOneByOne(t *testing.T) {
	const hosts, step = 2000, 100 * time.Millisecond
	random := uint64(1)
	knocks := map[int]int{}
	for range hosts {
		at := time.Duration(0)
		for try := 0; at < 10*time.Minute; try++ {
			random = random*6364136223846793005 + 1442695040888963407
			at += backoff(try, float64(random>>11)/(1<<53))
			if try >= 6 { // the server has been away for half a minute
				knocks[int(at/step)]++
			}
		}
	}
	for at, n := range knocks {
		if n > hosts/40 {
			t.Errorf("%d of %d hosts knock within the same tenth of a second, %v after", n, hosts, time.Duration(at)*step)
		}
	}
}
