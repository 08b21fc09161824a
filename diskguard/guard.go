package diskguard

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// Journal is what a Guard needs of the journal: *journal.Journal.
type Journal interface {
	Stats() journal.Stats
	Segments() []journal.Segment
	// Note puts a record into the journal without waiting; on a full disk it
	// goes into the reserve with the next checkpoint.
	Note(auditbridge.Note)
	// Checkpoint writes what waits, signs it and makes it durable.
	Checkpoint(context.Context) error
	// Suspend stops storing, on record, until Resume.
	Suspend(context.Context) error
	Resume(context.Context) error
}

// Guard watches one journal.
type Guard struct {
	cfg     Config
	journal Journal
	log     *slog.Logger
	changed chan struct{}
	next    chan Config // what Reconfigure was given last; capacity 1
	room    func(used int64) Room

	mu    sync.Mutex
	space Space

	// owned by Run
	machine   Machine
	forecast  forecast
	growth    forecast // of the journal alone
	flood     string   // who floods the journal; "" when nobody does
	loudest   func(newest auditbridge.Sequence) (talker, int, error)
	suspended Level // whose action stopped recording; "" when none did
	last      last  // what ends all this
	memory    *memory
	open      bool // nobody is kept from logging in by us
	stuck     bool // the last rotation found nothing to drop; said once
}

// New returns a Guard that starts nothing.
func New(cfg Config, journal Journal) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg.setDefaults()
	return &Guard{
		cfg: cfg, journal: journal, log: cfg.Logger, memory: openMemory(cfg.StateDir, guardMemory, cfg.Logger),
		changed: make(chan struct{}, 1),
		next:    make(chan Config, 1),
		room:    func(used int64) Room { return RoomAt(cfg.Dir, used) },
		loudest: func(newest auditbridge.Sequence) (talker, int, error) { return loudest(cfg.Dir, newest) },
		space:   Space{Level: LevelOK, Since: time.Now()},
	}, nil
}

// Changed tells a Guard that the journal has grown, or that its state may be
// another one. It never blocks, so the journal may call it from where it writes.
func (g *Guard) Changed() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// Reconfigure watches by other levels and acts by other actions, from Run's next
// look on; where to look and by what Means to act stays.
func (g *Guard) Reconfigure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	select {
	case <-g.next:
	default:
	}
	g.next <- cfg
	return nil
}

// Space is the room as last seen.
func (g *Guard) Space() Space {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.space
}

// lookInterval is how often a Guard looks by itself: others fill disks, too.
const lookInterval = time.Second

// Run looks every second and whenever the journal says so, until ctx ends. It
// acts once when a level begins; a halt that fails is tried again.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		g.look(ctx, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-g.changed:
		case cfg := <-g.next:
			cfg.Dir, cfg.Means = g.cfg.Dir, g.cfg.Means
			g.cfg = cfg
			g.reconsider()
		case <-tick.C:
		}
	}
}

// look sees what room there is, and deals with each level on the way from the
// one before to the one there is now.
func (g *Guard) look(ctx context.Context, now time.Time) {
	stats := g.journal.Stats()
	room := g.room(used(g.journal.Segments()))
	limits, left := g.cfg.Limits(room)
	g.forecast.see(now, left)
	g.watchFlood(now, stats, limits.Whole)
	g.update(func(s *Space) {
		s.State, s.Cause = stats.State, CauseOf(stats.Err, room)
		s.Used, s.Free, s.FullIn = room.Used, g.cfg.Free(room), g.forecast.fullIn()
		s.Flood = g.flood
	})
	for _, change := range g.machine.Step(stats.State, limits, left) {
		g.enter(ctx, change, now)
	}
	g.goOn(ctx, now)
}

func (g *Guard) update(change func(*Space)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	change(&g.space)
}

func used(segments []journal.Segment) int64 {
	var n int64
	for _, s := range segments {
		n += s.Bytes
	}
	return n
}

// enter puts a change on record, and does what is due. If we die between the
// two, the next process finds the level anew and does it.
func (g *Guard) enter(ctx context.Context, change Change, now time.Time) {
	action := Action("")
	if change.Worse() {
		action = g.cfg.ActionAt(change.New)
	}
	g.update(func(s *Space) {
		s.Level, s.Since, s.Action, s.Banner = change.New, now, action, g.wantsBanner()
	})
	space := g.Space()
	g.journal.Note(levelNote(change, space))
	if !change.Worse() {
		g.log.Info("the journal has room again", "level", change.New, "free", space.Free)
		g.relent()
		g.resume(ctx, change.New)
		return
	}
	g.log.Error("the journal is short of room", "level", change.New, "cause", space.Cause, "action", action, "free", space.Free, "full-in", space.FullIn)
	g.act(ctx, action, change.New)
	if change.New == LevelFull && g.last.action == "" {
		g.seal(ctx) // what the reserve is for: said now, not when there is room again
	}
}

// goOn does what lasts as long as a level does.
func (g *Guard) goOn(ctx context.Context, now time.Time) {
	level := g.machine.Level()
	if g.cfg.ActionAt(level) == Rotate && g.enforced() {
		g.rotate(ctx, level)
	} else {
		g.stuck = false
	}
	wait := endRetry
	if g.last.done {
		wait = endPatience
	}
	settled := g.last.done && g.last.action == Single // asked anew, it would stop what root has begun there
	if g.last.action != "" && !settled && g.last.level == level && now.Sub(g.last.tried) >= wait {
		g.end(ctx)
	}
	g.settle(level != LevelFull && level != LevelError, now)
}

// Close gives back what New opened.
func (g *Guard) Close() error { return g.memory.close() }

// wantsBanner says that a level which has begun and is not over has that action.
func (g *Guard) wantsBanner() bool {
	if !g.enforced() {
		return false
	}
	for _, level := range line[:g.machine.at+1] {
		if g.cfg.ActionAt(level) == Banner {
			return true
		}
	}
	return g.machine.failed && g.cfg.DiskErrorAction == Banner
}

// levelNote is the record of a change.
func levelNote(change Change, s Space) auditbridge.Note {
	n := auditbridge.OwnNote(auditbridge.TypeDaemonResume, "disk-level")
	if change.Worse() {
		n = auditbridge.OwnFailure("disk-level")
	}
	n.Fields = append(n.Fields, auditbridge.Text("level", string(change.New)), auditbridge.Text("was", string(change.Old)))
	if s.Cause != "" {
		n.Fields = append(n.Fields, auditbridge.Text("cause", string(s.Cause)))
	}
	n.Fields = append(n.Fields, auditbridge.Number("used", s.Used), auditbridge.Number("free", s.Free))
	if s.FullIn > 0 {
		n.Fields = append(n.Fields, auditbridge.Text("full-in", fmt.Sprintf("%.0f", s.FullIn.Seconds())))
	}
	return n
}
