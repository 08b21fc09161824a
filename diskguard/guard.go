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

	halting bool // owned by Run: the host is on its way down
}

// New returns a Guard that starts nothing.
func New(cfg Config, journal Journal) (*Guard, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Halter == nil {
		cfg.Halter = PowerOff
	}
	if cfg.Alert == nil {
		cfg.Alert = AlertSyslog
	}
	return &Guard{
		cfg: cfg, journal: journal, log: cfg.Logger,
		changed: make(chan struct{}, 1),
		next:    make(chan Config, 1),
		room:    func(used int64) Room { return RoomAt(cfg.Dir, used) },
		space:   Space{Level: LevelOK, Since: time.Now()},
	}, nil
}

// Changed tells a Guard that the journal's state may be another one. It
// never blocks, so the journal may call it from where it writes.
func (g *Guard) Changed() {
	select {
	case g.changed <- struct{}{}:
	default:
	}
}

// Reconfigure watches by other levels and acts by other actions, from Run's next
// look on; where and how to act (Dir, Halter, Alert, Logger) stays.
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

// Run looks every second and whenever the journal says so, until ctx ends. It
// acts once when a state or level begins; a halt that fails is tried again.
func (g *Guard) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		g.look(ctx, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-g.changed:
		case cfg := <-g.next:
			cfg.Dir, cfg.Halter, cfg.Alert, cfg.Logger = g.cfg.Dir, g.cfg.Halter, g.cfg.Alert, g.cfg.Logger
			g.cfg = cfg
		case <-tick.C:
		}
	}
}

func (g *Guard) look(ctx context.Context, now time.Time) {
	before := g.Space()
	next := before
	next.State = g.journal.Stats().State
	room := g.room(used(g.journal.Segments()))
	next.Used, next.Free = room.Used, g.cfg.Free(room)
	next.Level = g.cfg.LevelAt(room, next.State == journal.StateFull)
	switch action, why := g.due(before, next); {
	case why != "":
		next.Since, next.Action = now, action
		g.set(next)
		g.act(ctx, action, why)
	case next.State != before.State || next.Level != before.Level:
		next.Since, next.Action = now, ""
		g.set(next)
		g.log.Info("the journal has room again", "level", next.Level, "free", next.Free)
	default:
		g.set(next)
		if before.Action == Halt && cause[next.State] != "" && !g.halting {
			g.act(ctx, Halt, cause[next.State])
		}
	}
}

// cause names the states in which nothing can be stored; a journal that was
// suspended by order has room.
var cause = map[journal.State]string{journal.StateFull: "disk-full", journal.StateFailed: "disk-error"}

// due is the action that the step from before to next asks for, and its cause;
// no cause means that nothing got worse.
func (g *Guard) due(before, next Space) (Action, string) {
	switch {
	case next.State == journal.StateFailed && before.State != journal.StateFailed:
		return g.cfg.DiskErrorAction, cause[next.State]
	case next.State == journal.StateFull && before.State != journal.StateFull:
		return g.cfg.DiskFullAction, cause[next.State]
	case next.State != journal.StateOK || !next.Level.below(before.Level):
		return "", ""
	case next.Level == LevelAdminSpaceLeft:
		return g.cfg.AdminSpaceLeftAction, string(next.Level)
	default:
		return g.cfg.SpaceLeftAction, string(next.Level)
	}
}

func (g *Guard) set(s Space) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.space = s
}

func used(segments []journal.Segment) int64 {
	var n int64
	for _, s := range segments {
		n += s.Bytes
	}
	return n
}

// act carries out one action. Every action but Ignore is on record.
func (g *Guard) act(ctx context.Context, action Action, why string) {
	space := g.Space()
	g.log.Error("the journal is short of room", "cause", why, "action", string(action), "free", space.Free)
	if action == Ignore {
		return
	}
	g.journal.Note(note("space-action", why, action))
	if action == Halt {
		g.halt(ctx, why)
		return
	}
	if err := g.cfg.Alert(alert[why]); err != nil {
		g.log.Error("the alert did not reach syslog", "error", err)
	}
}

var alert = map[string]string{
	"disk-full":                 "audit records are being lost: the journal's disk is full",
	"disk-error":                "audit records are being lost: the journal's disk fails",
	string(LevelSpaceLeft):      "the audit journal is running out of space (space-left)",
	string(LevelAdminSpaceLeft): "the audit journal is almost out of space (admin-space-left)",
}

// sealLimit bounds the wait for the last records: a disk that hangs must not
// keep a host without audit running.
const sealLimit = 5 * time.Second

// halt writes the last records, signs them and takes the last step. If we die
// in between, the journal says that a halt was under way.
func (g *Guard) halt(ctx context.Context, why string) {
	g.halting = true
	g.journal.Note(note("halt", why, Halt))
	limited, cancel := context.WithTimeout(ctx, sealLimit)
	defer cancel()
	if err := g.journal.Checkpoint(limited); err != nil {
		g.log.Error("halting without a final checkpoint", "error", err)
	}
	if err := g.cfg.Halter(ctx); err != nil {
		g.halting = false
		g.log.Error("the host could not be halted; trying again", "error", fmt.Errorf("halt: %s: %w", why, err))
	}
}

func note(op, why string, action Action) auditbridge.Note {
	return auditbridge.OwnNote(auditbridge.TypeDaemonErr, op,
		auditbridge.Text("why", why), auditbridge.Text("action", string(action)))
}
