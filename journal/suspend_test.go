package journal

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
)

// By order nothing is stored until the order is taken back: what comes is
// counted, and the journal is sound and sealed meanwhile.
func TestRecordingIsSuspendedAndResumed(t *testing.T) {
	for _, row := range []struct {
		name string
		full bool // the disk, while it is suspended
		ops  string
	}{
		{"with room on the disk", false, "suspend resumed refused"},
		{"on a full disk", true, "disk-full resumed refused"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, r, d := testConfig(t), newMemRing(), &disk{}
			cfg.reserve = 128 << 10
			var full atomic.Bool
			d.fullWhile(full.Load, allocates)
			j, err := open(cfg, r, d.open)
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			stop := runFor(t, j)
			ctx, fed := context.Background(), 0
			feed := func(n int) {
				r.feed(fed+1, n)
				fed += n
				until(t, "the ring is empty", func() bool { return len(r.Pending()) == 0 })
			}
			feed(100)
			before := len(opsIn(t, cfg))
			full.Store(row.full)
			for row.full && j.Stats().State == StateOK {
				feed(500)
			}
			if err := j.Suspend(ctx); err != nil {
				t.Fatal(err)
			}
			if c := checkJournal(t, cfg); c.report.Chains[0].Tail != 0 {
				t.Errorf("%d records are not sealed", c.report.Chains[0].Tail)
			}
			refused := j.Stats().Refused
			feed(200)
			until(t, "they are counted", func() bool { return j.Stats().Refused == refused+200 })
			if s := j.Stats(); s.RefusedLast != serialOf([]byte(record(fed))) || s.RefusedLast-s.RefusedFirst+1 != uint32(s.Refused) {
				t.Errorf("serials %d to %d are said to be those of %d records", s.RefusedFirst, s.RefusedLast, s.Refused)
			}
			if row.full {
				if err := j.Resume(ctx); err == nil || j.Stats().State != StateFull {
					t.Errorf("resumed on a full disk: %v, state %s", err, j.Stats().State)
				}
				full.Store(false)
			}
			if err := j.Resume(ctx); err != nil || j.Stats().State != StateOK {
				t.Fatalf("%v, state %s", err, j.Stats().State)
			}
			feed(50)
			stop()
			balance(t, checkJournal(t, cfg), fed)
			if got := strings.Join(opsIn(t, cfg)[before:], " "); got != row.ops {
				t.Errorf("on record: %s", got)
			}
			if !strings.Contains(string(allBytes(t, cfg)), " state=suspended since=") {
				t.Error("what is over is not on record")
			}
		})
	}
}
