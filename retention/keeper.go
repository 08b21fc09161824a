package retention

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"time"

	"auditbridge/auditbridge"
)

// Journal is what a Keeper needs of a journal.
type Journal interface {
	// Segments lists the segments, oldest first, the open one last.
	Segments() []Segment
	// Drop puts note into the journal and, once that is durable, removes the n
	// oldest segments. Dying in between leaves segments that a later Drop
	// names again: on record twice, never off the record.
	Drop(n int, note auditbridge.Note) error
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
		err := k.Look(time.Now())
		if err != nil && !failing {
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
func (k *Keeper) Look(now time.Time) error {
	for _, d := range Decide(now, k.journal.Segments(), k.cursors(), k.cfg) {
		if err := k.journal.Drop(d.Segments, d.Note()); err != nil {
			return fmt.Errorf("drop the segments %d to %d, for %s: %w", d.First, d.Last, d.Reason, err)
		}
	}
	return nil
}

// Note is the record of d: op=drop with what went, why, and which relay never
// delivered how much of it.
func (d *Drop) Note() auditbridge.Note {
	u := func(n uint64) string { return strconv.FormatUint(n, 10) }
	note := auditbridge.Note{
		Type: auditbridge.TypeDaemonConfig,
		Op:   "drop",
		Actor: auditbridge.Actor{
			AUID: auditbridge.Unset, UID: uint32(os.Geteuid()), Session: auditbridge.Unset, PID: os.Getpid(),
		},
		Fields: []auditbridge.Field{
			{Key: "why", Value: string(d.Reason)},
			{Key: "segments", Value: strconv.Itoa(d.Segments)},
			{Key: "first", Value: u(uint64(d.First))},
			{Key: "last", Value: u(uint64(d.Last))},
			{Key: "bytes", Value: strconv.FormatInt(d.Bytes, 10)},
		},
	}
	for i, lost := range d.Undelivered {
		n := strconv.Itoa(i)
		note.Fields = append(note.Fields,
			auditbridge.Field{Key: "relay" + n, Value: lost.Relay},
			auditbridge.Field{Key: "undelivered" + n, Value: u(lost.Records)})
	}
	if len(d.Undelivered) > 0 {
		note.Type = auditbridge.TypeDaemonErr
	}
	return note
}
