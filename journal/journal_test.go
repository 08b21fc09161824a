package journal

import (
	"context"
	"testing"

	"auditbridge/internal/durable"
)

func openIn(cfg Config, in intake) (*Journal, error) { return open(cfg, in, durable.OpenDir) }

func TestWhatIsReceivedIsStoredInOrder(t *testing.T) {
	for _, row := range []struct {
		name  string
		flush Flush
		size  int64
		n     int
	}{
		{"in one segment", FlushGroup, 0, 5000},
		{"over many segments", FlushGroup, 200 << 10, 20000},
		{"one sync a batch", FlushData, 1 << 20, 20000},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, r := testConfig(t), newRing(t)
			cfg.Flush, cfg.SegmentSize = row.flush, row.size
			j := mustOpen(t, cfg, r)
			done := make(chan error, 1)
			go func() { done <- j.Run(context.Background()) }()
			feed(t, r, 1, row.n)
			r.Close()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			c := checkJournal(t, cfg)
			wantRecords(t, c, 1, row.n)
			if got := j.Mark().Durable(); got != c.last {
				t.Errorf("durable to %d, the journal ends at %d", got, c.last)
			}
			if c.report.Chains[0].Tail != 0 || !c.report.Verified {
				t.Errorf("not sealed to its end: %+v", c.report.Chains[0])
			}
			if err := j.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
