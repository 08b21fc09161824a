package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"auditbridge/auditbridge"
	"auditbridge/forward/tunnel"
	"auditbridge/journal"
)

// ShipperConfig is what run's side of forwarding needs.
type ShipperConfig struct {
	JournalDir   string // as ship finds it
	Journal      journal.ID
	StateDir     string // holds the cursors, one file per destination
	Build        string // this program's version, for formats that have a place for it
	Destinations []Config
	Tunnels      []tunnel.Config
	Durable      func() auditbridge.Sequence // the journal's mark
	Oldest       func() auditbridge.Sequence // the first line that it keeps
	Note         func(auditbridge.Note)      // puts a record of our own into the journal; must not block
	// Record does so, too, and returns when it is durable.
	Record func(context.Context, auditbridge.Note) error
	Log    *slog.Logger
}

// Validate returns every problem of destinations and tunnels at once.
func (c ShipperConfig) Validate() error {
	var problems []error
	tunnels, names := map[string]bool{}, map[string]bool{}
	for _, t := range c.Tunnels {
		problems = append(problems, t.Validate())
		if tunnels[t.Name] {
			problems = append(problems, fmt.Errorf("port-forwarding %q: name: there are two of them", t.Name))
		}
		tunnels[t.Name] = true
	}
	for _, d := range c.Destinations {
		problems = append(problems, d.Validate())
		if names[d.Name] {
			problems = append(problems, fmt.Errorf("remote-logging-server %q: name: there are two of them", d.Name))
		}
		if d.Via != "" && !tunnels[d.Via] {
			problems = append(problems, fmt.Errorf("remote-logging-server %q: via: there is no port-forwarding %q", d.Name, d.Via))
		}
		names[d.Name] = true
	}
	return errors.Join(problems...)
}

// Shipper is run's side of forwarding. It owns the cursor files, keeps the
// ship process running, and believes nothing it says without a check: what is
// out of range goes on record and is not followed.
type Shipper struct {
	cfg ShipperConfig // Destinations and Tunnels are mu's, the rest stays

	changing sync.Mutex // one Reconfigure at a time

	mu         sync.Mutex
	relays     map[string]*relayBook
	crews      []*crew
	hired      sync.WaitGroup             // crews at work
	hire       func(*crew)                // puts a crew to work; nil while Run does not run
	ctx        context.Context            // Run's
	parting    map[string]<-chan struct{} // destinations that ship has yet to let go of for an earlier Reconfigure; closed when that is done with them
	departures sync.WaitGroup             // who waits for that
}

// NewShipper validates cfg and opens the cursors; a destination that has none
// gets one. It starts nothing.
func NewShipper(cfg ShipperConfig) (*Shipper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Shipper{cfg: cfg, relays: map[string]*relayBook{}, parting: map[string]<-chan struct{}{}}
	for _, d := range cfg.Destinations {
		book, err := openBook(CursorFile(cfg.StateDir, d.Name))
		if err != nil {
			s.Close()
			return nil, err
		}
		s.relays[d.Name] = book
		s.recall(d, book)
		s.settle(d, book)
	}
	if len(cfg.Destinations) > 0 {
		s.enlist(cfg.Destinations)
	}
	return s, nil
}

// enlist makes a crew for destinations, whose books are open.
func (s *Shipper) enlist(destinations []Config) {
	c := &crew{Shipper: s, patience: longestLeave(destinations), destinations: destinations, books: map[string]*relayBook{}, leaving: map[string]chan struct{}{}}
	vias := map[string]bool{}
	for _, d := range destinations {
		c.books[d.Name] = s.relays[d.Name]
		vias[d.Via] = true
	}
	for _, t := range s.cfg.Tunnels {
		if vias[t.Name] {
			c.tunnels = append(c.tunnels, t)
		}
	}
	s.crews = append(s.crews, c)
	if s.hire != nil {
		s.hire(c)
	}
}

// Run keeps a ship process running until ctx ends, then has it finish what is
// in the journal by then and returns when it is gone. The caller ends ctx when
// the journal will grow no more.
func (s *Shipper) Run(ctx context.Context, start Start) error {
	if err := s.forgetRemoved(ctx); err != nil && ctx.Err() == nil {
		s.cfg.Log.Warn("the place of a removed destination is still kept; the next start tries again", "err", err)
	}
	s.mu.Lock()
	s.ctx = ctx
	s.hire = func(c *crew) {
		var work context.Context
		work, c.end = context.WithCancel(ctx)
		s.hired.Go(func() { c.work(work, start) })
	}
	for _, c := range s.crews {
		s.hire(c)
	}
	s.mu.Unlock()
	<-ctx.Done()
	s.changing.Lock() // one that is under way ends first, and no other begins
	defer s.changing.Unlock()
	s.departures.Wait() // who comes after one that leaves has a turn yet
	s.mu.Lock()
	s.hire = nil
	s.mu.Unlock()
	s.hired.Wait()
	return nil
}

// Close closes the cursor files.
func (s *Shipper) Close() error {
	var err error
	for _, book := range s.relays {
		err = errors.Join(err, book.close())
	}
	return err
}

// Cursors returns how far each destination is, for checkpoints and retention.
// A destination without a cursor is missing.
func (s *Shipper) Cursors() map[string]journal.Cursor {
	s.mu.Lock()
	defer s.mu.Unlock()
	cursors := map[string]journal.Cursor{}
	for name, book := range s.relays {
		if book.known {
			cursors[name] = book.cursor
		}
	}
	return cursors
}

// Stats returns each destination's balance sheet: the counts of its cursor, and
// as pending what the journal holds beyond it, whatever became of ship.
func (s *Shipper) Stats() map[string]Stats {
	end, oldest := s.cfg.Durable(), s.cfg.Oldest()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Stats{}
	for name, book := range s.relays {
		n, c := book.stats, book.cursor
		if c.Journal != s.cfg.Journal { // all of this one is to be sent
			c = restarted(c, s.cfg.Journal, oldest)
		}
		n.count(c, end)
		n.without(c, oldest)
		if book.trouble != "" {
			n.LastError = strings.TrimSuffix(book.trouble+"; "+n.LastError, "; ")
		}
		all[name] = n
	}
	return all
}

// Running reports whether there is a ship process for every destination.
func (s *Shipper) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.crews {
		if c.say == nil {
			return false
		}
	}
	return len(s.crews) > 0
}
