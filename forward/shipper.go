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
	cfg ShipperConfig

	relays  map[string]*relayBook
	refused allowance // reports; Run's goroutine's

	mu      sync.Mutex
	running bool // a ship process
}

// NewShipper validates cfg and opens the cursors; a destination that has none
// gets one. It starts nothing.
func NewShipper(cfg ShipperConfig) (*Shipper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Shipper{cfg: cfg, relays: map[string]*relayBook{}}
	for _, d := range cfg.Destinations {
		book, err := openBook(CursorFile(cfg.StateDir, d.Name))
		if err != nil {
			s.Close()
			return nil, err
		}
		s.relays[d.Name] = book
		s.settle(d, book)
	}
	return s, nil
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
	end := s.cfg.Durable()
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Stats{}
	for name, book := range s.relays {
		n, c := book.stats, book.cursor
		if c.Journal != s.cfg.Journal { // all of this one is to be sent
			c = restarted(c, s.cfg.Journal)
		}
		n.count(c, end)
		if book.trouble != "" {
			n.LastError = strings.TrimSuffix(book.trouble+"; "+n.LastError, "; ")
		}
		all[name] = n
	}
	return all
}

// Running reports whether there is a ship process.
func (s *Shipper) Running() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}

func (s *Shipper) setRunning(is bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = is
}
