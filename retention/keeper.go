package retention

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
	"auditbridge/journal"
)

// Journal is what a Keeper needs of a journal: *journal.Journal.
type Journal interface {
	ID() journal.ID
	// Segments lists the segments, oldest first, the open one last.
	Segments() []journal.Segment
	// Drop puts on record, durably, that the n oldest segments go, why, and
	// more about it; then it removes them.
	Drop(ctx context.Context, n int, why string, more ...auditbridge.Field) error
	// Note puts a record of our own into the journal; it does not block.
	Note(auditbridge.Note)
}

// Keeper drops what need not be kept any more. It owns the journal's old end:
// nobody else removes segments. What it decides is durable before the journal
// puts it on record, so that a drop which a crash cuts short, wherever, is
// finished at the next start, again on record first.
type Keeper struct {
	journal Journal
	cursors func() []Cursor
	clocks  func() (Reading, error)
	dir     string // state-dir
	log     *slog.Logger
	wake    chan struct{}

	mu    sync.Mutex // guards what follows
	cfg   Config
	slots *durable.Slots // nil after an error, until it is opened anew
	state state
	saved time.Duration // on the boot clock, when state was last stored
	held  bool          // the wall clock is not believed
}

// NewKeeper returns a Keeper of the journal, whose state is kept in stateDir,
// and starts nothing. cursors reports how far each configured relay has come; it
// is asked at each look.
func NewKeeper(cfg Config, stateDir string, journal Journal, cursors func() []Cursor, log *slog.Logger) (*Keeper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	k := &Keeper{cfg: cfg, journal: journal, cursors: cursors, clocks: ReadClocks, dir: stateDir, log: log, wake: make(chan struct{}, 1)}
	var err error
	k.slots, k.state, err = openState(stateDir, journal.ID())
	return k, err
}

// Wake has Run look at once: a segment was closed. Any goroutine may call it; it does
// not wait.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default: // it is about to look
	}
}

// Reconfigure keeps by another cfg, from now on where Run runs.
func (k *Keeper) Reconfigure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	defer k.Wake()
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cfg = cfg
	return nil
}

// Close closes the state.
func (k *Keeper) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.slots == nil {
		return nil
	}
	return k.slots.Close()
}

const (
	// interval is short against the smallest retention (an hour).
	interval = 10 * time.Second
	// clockInterval is how much of the boot clock a crash may take back.
	clockInterval = time.Minute
)

// Run looks at once, when it is woken, and every 10 seconds until ctx ends. What cannot be
// dropped now is tried again; that it cannot is logged once.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	failing := false
	for {
		err := k.Look(ctx)
		if err != nil && !failing && ctx.Err() == nil {
			k.log.Error("old segments cannot be dropped; trying again", "error", err)
		} else if err == nil && failing {
			k.log.Info("old segments are dropped again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
		case <-tick.C:
		}
	}
}

// Look drops what is due. Any goroutine may call it.
func (k *Keeper) Look(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, kept, err := k.survey()
	if err != nil {
		return err
	}
	for _, d := range Decide(now, kept, k.cfg) {
		if err := k.drop(ctx, &d); err != nil {
			return err
		}
	}
	return nil
}

// Rotate drops the oldest closed segment before it is due, because room is asked
// for, and reports whether there was one that nothing holds. Any goroutine may
// call it.
func (k *Keeper) Rotate(ctx context.Context) (dropped bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now, kept, err := k.survey()
	if err != nil {
		return false, err
	}
	d := Oldest(now, kept, k.cfg)
	if d == nil {
		return false, nil
	}
	return true, k.drop(ctx, d)
}

// survey tells the time by which segments age, and what is kept by now.
func (k *Keeper) survey() (now time.Time, kept Kept, err error) {
	before, segments := k.state.Clock, k.journal.Segments()
	if now, err = k.advance(); err != nil {
		return now, kept, err
	}
	if k.state.see(segments, before.Time.Add(k.state.Clock.jumped(before)), now) {
		if err := k.store(); err != nil {
			return now, kept, err
		}
	}
	k.state.correct(segments)
	return now, Kept{Segments: segments, Doomed: k.state.Doomed, Cursors: k.cursors()}, nil
}

// drop makes the decision durable, then has the journal carry it out.
func (k *Keeper) drop(ctx context.Context, d *Drop) error {
	k.state.Doomed = d.Last
	if err := k.store(); err != nil {
		return err
	}
	if err := k.journal.Drop(ctx, d.Segments, string(d.Reason), d.fields()...); err != nil {
		return fmt.Errorf("drop the segments %d to %d, for %s: %w", d.First, d.Last, d.Reason, err)
	}
	return nil
}

// advance tells the time by which segments age now.
func (k *Keeper) advance() (time.Time, error) {
	r, err := k.clocks()
	if err != nil {
		return time.Time{}, fmt.Errorf("tell how old segments are: %w", err)
	}
	before := k.state.Clock
	now, err := k.state.Clock.Advance(r)
	k.state.jump(k.state.Clock.jumped(before))
	k.believe(err == nil, before, r, auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "clock-believed"))
	if err == nil && (before.BootID != r.BootID || r.Boot-k.saved >= clockInterval) {
		return now, k.store()
	}
	return now, nil
}

// ConfirmClock believes the wall clock as it is, because actor says so. It is an
// error when it is believed already.
func (k *Keeper) ConfirmClock(actor auditbridge.Actor) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.held {
		return errors.New("the clock is believed already: there is nothing to confirm")
	}
	r, err := k.clocks()
	if err != nil {
		return err
	}
	n := auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "clock-believed")
	n.Actor = actor
	before := k.state.Clock
	k.state.Clock.Confirm(r)
	k.state.jump(k.state.Clock.jumped(before))
	k.believe(true, before, r, n)
	return k.store()
}

// believe puts on record when the wall clock is no longer, or again, believed.
func (k *Keeper) believe(is bool, seen Clock, r Reading, again auditbridge.Note) {
	if is != k.held {
		return
	}
	k.held = !is
	fields := []auditbridge.Field{auditbridge.Text("seen", stamp(seen.Time)), auditbridge.Text("wall", stamp(r.Wall))}
	if is {
		again.Fields = fields
		k.journal.Note(again)
		k.log.Info("the clock is believed: segments age again")
		return
	}
	k.journal.Note(auditbridge.OwnFailure("clock-held", fields...))
	k.log.Warn("no segment is dropped for its age", "why", ErrHeld, "seen", seen.Time, "wall", r.Wall)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Held says whether nothing ages because the wall clock is not believed.
func (k *Keeper) Held() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.held
}

func (k *Keeper) store() (err error) {
	if k.slots == nil {
		if k.slots, _, err = openState(k.dir, k.journal.ID()); err != nil {
			return err
		}
	}
	text, err := json.Marshal(&k.state)
	if err == nil {
		err = k.slots.Store(text)
	}
	if err != nil {
		k.slots.Close()
		k.slots = nil
		return fmt.Errorf("store retention's state: %w", err)
	}
	k.saved = k.state.Clock.Boot
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
