package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"auditbridge/auditbridge"
)

const (
	silence   = 5 * time.Second // ship reports once a second; after this it hangs
	dismissal = 2 * time.Second // how long a ship may live without its line
)

// Process is a ship process and the line to it.
type Process interface {
	io.ReadWriteCloser
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
	Kill() error // at once, whatever it is doing
	Wait() error // until it has ended
}

// Start makes a ship process. It ends by itself when the line to it is closed.
type Start func() (Process, error)

// Run keeps a ship process running until ctx ends, then has it finish what is
// in the journal by then and returns when it is gone. The caller ends ctx when
// the journal will grow no more. A ship that dies or hangs is started again with
// back-off; it never takes run with it.
func (s *Shipper) Run(ctx context.Context, start Start) error {
	if err := s.forgetRemoved(ctx); err != nil && ctx.Err() == nil {
		s.cfg.Log.Warn("the place of a removed destination is still kept; the next start tries again", "err", err)
	}
	if len(s.cfg.Destinations) == 0 {
		<-ctx.Done()
		return nil
	}
	for failures := 0; ctx.Err() == nil; failures++ {
		since := time.Now()
		err := s.once(ctx, start)
		s.keepAll()
		if err == nil && ctx.Err() != nil {
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
	ship, err := start()
	if err != nil {
		return fmt.Errorf("start it: %w", err)
	}
	s.setRunning(true)
	defer s.setRunning(false)
	err = s.converse(ctx, ship)
	if ended := dismiss(ship); err == nil && ended != nil {
		err = fmt.Errorf("it ended: %w", ended)
	}
	return err
}

// converse tells ship what to do and listens to it until it ends.
func (s *Shipper) converse(ctx context.Context, ship Process) error {
	out := &lineWriter{w: ship}
	say := func(v any) error {
		ship.SetWriteDeadline(time.Now().Add(silence))
		return out.write(v)
	}
	if err := say(s.hello()); err != nil {
		return fmt.Errorf("tell it what to send: %w", err)
	}
	over := make(chan struct{})
	defer close(over)
	defer context.AfterFunc(ctx, func() {
		say(order{Stop: true})
		select { // a ship that does not end is cut off
		case <-time.After(s.patience()):
			ship.Close()
		case <-over:
		}
	})()
	return s.listen(ship)
}

// dismiss sees a ship process to its end. Without its line it has nothing to
// live for; if it does not go then, it hangs or is no ship any more. It ignores
// SIGTERM, so there is no point in that.
func dismiss(ship Process) error {
	ship.Close()
	ended := make(chan error, 1)
	go func() { ended <- ship.Wait() }()
	for _, end := range []func() error{ship.Kill, func() error { return nil }} {
		select {
		case err := <-ended:
			return err
		case <-time.After(dismissal):
			end()
		}
	}
	return errors.New("it cannot be killed")
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
	h := hello{Version: wireVersion, PID: os.Getpid(), Build: s.cfg.Build, JournalDir: s.cfg.JournalDir, Journal: s.cfg.Journal.String(),
		Destinations: s.cfg.Destinations, Tunnels: s.cfg.Tunnels, Cursors: map[string]wireCursor{}}
	for name, book := range s.relays {
		h.Cursors[name] = toWire(book.latest)
	}
	return h
}

// listen takes reports until ship ends. One that is too long is left out. What
// does not pass the check ends the conversation: a ship that talks nonsense is
// started anew.
func (s *Shipper) listen(ship Process) error {
	for in := newLineReader(ship, maxReport); ; {
		ship.SetReadDeadline(time.Now().Add(silence))
		var r report
		err := in.next(&r)
		var broken *brokenLine
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("it has reported nothing for %v", silence)
		case errors.As(err, &broken):
			return fmt.Errorf("listen to it: %w", err)
		case err == nil:
			err = s.follow(r)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("a report: %w", err)
		s.note(&s.refused, auditbridge.OwnFailure("ship-refused", auditbridge.Text("relay", short(r.Relay)), auditbridge.Text("reason", short(err.Error()))))
		if !errors.Is(err, errTooLong) {
			return err
		}
	}
}

// lost notes that there is no ship just now.
func (s *Shipper) lost(err error) {
	why := "the ship process is gone: it ended"
	if err != nil {
		why = "the ship process is gone: " + short(err.Error())
	}
	s.cfg.Log.Error("there is no ship process now", "err", why)
	for name, book := range s.relays {
		s.mu.Lock()
		was := book.stats.Connected
		book.stats.Connected, book.stats.LastError, book.stats.Hint = false, why, ""
		if was {
			book.stats.Since = time.Now()
		}
		s.mu.Unlock()
		if was {
			s.noteLink(name, book, wireLink{Up: false, Why: why})
		}
	}
}
