package main

import (
	"context"
	"sync/atomic"
	"time"

	"auditbridge/auditbridge"
)

// losses counts what went missing before it reached us.
type losses struct {
	kernel atomic.Uint64 // records, by the kernel's own count, since we began
	gaps   atomic.Uint64 // notes that say so
}

// lossInterval is how soon after a loss the record of it is in the journal.
const lossInterval = time.Second

// watchLosses turns what the kernel and its socket lost into records. The
// kernel's counter belongs to everybody: when it falls, somebody reset it.
func (d *daemon) watchLosses(ctx context.Context) error {
	if d.kernel == nil {
		return nil
	}
	status, err := d.kernel.Status()
	if err != nil {
		return err
	}
	lost, heard := uint64(status.Lost), d.kernel.Stats()
	tick := time.NewTicker(lossInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		status, err := d.kernel.Status()
		if err != nil {
			d.log.Warn("the kernel does not say what it lost", "err", err)
			continue
		}
		switch now := uint64(status.Lost); {
		case now > lost:
			d.losses.kernel.Add(now - lost)
			d.noteLoss("kernel-lost", now-lost)
			lost = now
		case now < lost:
			d.journal.Note(auditbridge.OwnNote(auditbridge.TypeDaemonErr, "kernel-lost-reset", auditbridge.Number("old", lost), auditbridge.Number("new", now)))
			lost = now
		}
		stats := d.kernel.Stats()
		for _, c := range []struct {
			op       string
			now, was uint64
		}{
			{"socket-overrun", stats.Overruns, heard.Overruns},
			{"foreign-message", stats.Foreign, heard.Foreign},
			{"malformed-message", stats.Malformed, heard.Malformed},
			{"truncated-record", stats.Truncated, heard.Truncated},
		} {
			if c.now > c.was {
				d.noteLoss(c.op, c.now-c.was)
			}
		}
		heard = stats
	}
}

func (d *daemon) noteLoss(op string, n uint64) {
	d.losses.gaps.Add(1)
	d.journal.Note(auditbridge.OwnFailure(op, auditbridge.Number("n", n)))
}
