package retention

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// Journal is what a Keeper needs of a journal: *journal.Journal.
type Journal interface {
	// Segments lists the segments, oldest first, the open one last.
	Segments() []journal.Segment
	// Drop puts on record, durably, that the n oldest segments go, why, and
	// more about it; then it removes them.
	Drop(ctx context.Context, n int, why string, more ...auditbridge.Field) error
}

// Keeper drops what need not be kept any more. It owns the journal's old end:
// nobody else removes segments.
type Keeper struct {
	cfg     Config
	journal Journal
	cursors func() []Cursor
	log     *slog.Logger
}

// NewKeeper returns a Keeper that starts nothing. cursors reports how far each
// configured relay has come; it is asked at each look.
func NewKeeper(cfg Config, journal Journal, cursors func() []Cursor, log *slog.Logger) (*Keeper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return &Keeper{cfg, journal, cursors, log}, nil
}

// interval is short against the smallest retention (an hour) and long against
// the time a segment takes to fill.
const interval = 10 * time.Second

// Run looks at once and then every 10 seconds until ctx ends. What cannot be
// dropped now is tried again; that it cannot is logged once.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	failing := false
	for {
		err := k.Look(ctx, time.Now())
		if err != nil && !failing && ctx.Err() == nil {
			k.log.Error("old segments cannot be dropped; trying again", "error", err)
		} else if err == nil && failing {
			k.log.Info("old segments are dropped again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Look drops what is due at now. Anyone who needs room may call it between
// Run's own looks, not at the same time as another Look.
func (k *Keeper) Look(ctx context.Context, now time.Time) error {
	for _, d := range Decide(now, k.journal.Segments(), k.cursors(), k.cfg) {
		if err := k.journal.Drop(ctx, d.Segments, string(d.Reason), d.fields()...); err != nil {
			return fmt.Errorf("drop the segments %d to %d, for %s: %w", d.First, d.Last, d.Reason, err)
		}
	}
	return nil
}

// fields say which relay never delivered how many of the records that go.
func (d *Drop) fields() []auditbridge.Field {
	var fields []auditbridge.Field
	for i, lost := range d.Undelivered {
		n := strconv.Itoa(i)
		fields = append(fields,
			auditbridge.Text("relay"+n, lost.Relay),
			auditbridge.Number("undelivered"+n, lost.Records))
	}
	return fields
}
