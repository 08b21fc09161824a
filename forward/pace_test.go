package forward

import (
	"context"
	"errors"
	"sync"
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

// crowd is a log server whose hosts all lost it at the same moment. It counts who
// knocks, in tenths of a second.
type crowd struct {
	start, back time.Time
	mu          sync.Mutex
	knocks      map[int]int
}

// Dial implements Dialer.
func (c *crowd) Dial(context.Context) (Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.knocks[int(time.Since(c.start)/(time.Second/10))]++
	if time.Now().Before(c.back) {
		return nil, errors.New("connection refused")
	}
	return newPipe(), nil
}

// Two thousand hosts that lost their server at the same moment do not come back at the
// same moment: in no tenth of a second do more than a few knock. Within the longest wait
// all are back.
func TestTwoThousandHostsAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hosts, outage = 2000, 5 * time.Minute
		server := &crowd{start: time.Now(), back: time.Now().Add(outage), knocks: map[int]int{}}
		j := newMemJournal(events(0, 5)...)
		var relays []*running
		for range hosts {
			relays = append(relays, startRelay(t, testConfig(FormatRecord), j, server, journal.Cursor{}))
		}
		time.Sleep(outage + maxDelay + 10*time.Second)
		for _, r := range relays {
			if s := r.Stats(); s.Delivered != 15 {
				t.Fatalf("a host has %+v", s)
			}
			r.end(t)
		}
		for at, n := range server.knocks {
			if at >= 600 && n > hosts/40 { // the server has been away for a minute
				t.Errorf("%d of %d hosts knock within the same tenth of a second, %v after", n, hosts, time.Duration(at)*time.Second/10)
			}
		}
	})
}
