package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/tunnel"
	"auditbridge/journal"
)

// ShipperConfig is what run's side of forwarding needs.
type ShipperConfig struct {
	JournalDir   string
	Journal      journal.ID
	StateDir     string // holds the cursors, one file per destination
	Destinations []Config
	Tunnels      []tunnel.Config
	Durable      func() auditbridge.Sequence // the journal's mark
	Note         func(auditbridge.Note)      // puts a record of our own into the journal; must not block
	Log          *slog.Logger
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

	mu     sync.Mutex
	relays map[string]*relayBook
}

// relayBook is what run knows of one destination.
type relayBook struct {
	file   *journal.CursorFile // Run's goroutine's
	cursor journal.Cursor      // what is in it
	known  bool                // something is
	stats  Stats
	notes  allowance
}

// NewShipper validates cfg and opens the cursors. It starts nothing.
func NewShipper(cfg ShipperConfig) (*Shipper, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Shipper{cfg: cfg, relays: map[string]*relayBook{}}
	for _, d := range cfg.Destinations {
		file, err := journal.OpenCursor(CursorFile(cfg.StateDir, d.Name))
		if err != nil {
			s.Close()
			return nil, err
		}
		book := &relayBook{file: file}
		if c, ok := file.Load(); ok {
			c.Open = append([]auditbridge.Sequence(nil), c.Open...) // the file reuses it
			book.cursor, book.known = c, true
			book.stats.Delivered, book.stats.Excluded = c.Delivered, c.Excluded
		}
		book.stats.LastError = "not connected yet"
		s.relays[d.Name] = book
	}
	return s, nil
}

// Close closes the cursor files.
func (s *Shipper) Close() error {
	var err error
	for _, book := range s.relays {
		err = errors.Join(err, book.file.Close())
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
			cursors[name] = book.cursor // its Open is never written to
		}
	}
	return cursors
}

// Stats returns each destination's balance sheet, as ship told it last.
func (s *Shipper) Stats() map[string]Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := map[string]Stats{}
	for name, book := range s.relays {
		all[name] = book.stats
	}
	return all
}

// Start makes a ship process: conn is the line to it, wait returns when it has
// ended. It ends when conn is closed.
type Start func() (conn io.ReadWriteCloser, wait func() error, err error)

// Run keeps a ship process running until ctx ends, then has it finish what is
// in the journal by then and returns when it is gone. The caller ends ctx when
// the journal will grow no more. A ship that dies is started again with
// back-off; it never takes run with it. An error is a cursor file's.
func (s *Shipper) Run(ctx context.Context, start Start) error {
	if len(s.cfg.Destinations) == 0 {
		<-ctx.Done()
		return nil
	}
	for failures := 0; ctx.Err() == nil; failures++ {
		since := time.Now()
		err := s.once(ctx, start)
		var fatal *cursorError
		if errors.As(err, &fatal) {
			return fatal
		}
		if ctx.Err() != nil {
			break
		}
		if time.Since(since) > time.Minute {
			failures = 0
		}
		s.lost(err)
		sleep(ctx, backoff(failures, rand.Float64()))
	}
	return nil
}

// once runs one ship process to its end.
func (s *Shipper) once(ctx context.Context, start Start) error {
	conn, wait, err := start()
	if err != nil {
		return fmt.Errorf("start the ship process: %w", err)
	}
	out := &lineWriter{w: conn}
	defer context.AfterFunc(ctx, func() { out.write(order{Stop: true}) })()
	over := make(chan struct{})
	defer context.AfterFunc(ctx, func() { // a ship that does not end is cut off
		select {
		case <-time.After(s.patience()):
			conn.Close()
		case <-over:
		}
	})()
	err = out.write(s.hello())
	if err == nil {
		err = s.listen(conn)
	}
	close(over)
	conn.Close()
	if ended := wait(); err == nil && ended != nil {
		err = fmt.Errorf("the ship process ended: %w", ended)
	}
	return err
}

// patience is the longest grace of all destinations, and a little.
func (s *Shipper) patience() time.Duration {
	longest := time.Duration(0)
	for _, d := range s.cfg.Destinations {
		d = d.withDefaults()
		longest = max(longest, d.Grace+d.Idle)
	}
	return longest + 2*time.Second
}

func (s *Shipper) hello() hello {
	h := hello{Version: wireVersion, PID: os.Getpid(), JournalDir: s.cfg.JournalDir, Journal: s.cfg.Journal.String(),
		Destinations: s.cfg.Destinations, Tunnels: s.cfg.Tunnels, Cursors: map[string]wireCursor{}}
	for name, c := range s.Cursors() {
		h.Cursors[name] = toWire(c)
	}
	return h
}

// listen takes reports until ship ends. What does not pass the check ends the
// conversation: a ship that talks nonsense is started anew.
func (s *Shipper) listen(conn io.Reader) error {
	in := newLineReader(conn, maxReport)
	for {
		var r report
		err := in.next(&r)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = s.follow(r)
		}
		var fatal *cursorError
		if err == nil || errors.As(err, &fatal) {
			if err != nil {
				return err
			}
			continue
		}
		err = fmt.Errorf("a report of the ship process: %w", err)
		s.cfg.Note(auditbridge.OwnFailure("ship-refused", auditbridge.Text("relay", short(r.Relay)), auditbridge.Text("reason", short(err.Error()))))
		return err
	}
}

// lost notes that there is no ship just now.
func (s *Shipper) lost(err error) {
	why := "it ended"
	if err != nil {
		why = err.Error()
	}
	s.cfg.Log.Error("the ship process is gone, starting it again", "err", why)
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, book := range s.relays {
		if book.stats.Connected {
			s.noteLink(name, book, wireLink{Up: false, Why: "the ship process is gone: " + why})
		}
		book.stats.Connected, book.stats.LastError = false, "the ship process is gone: "+short(why)
	}
}
