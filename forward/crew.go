package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/tunnel"
	"auditbridge/internal/allowance"
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

// crew is a ship process and the destinations it serves. Mostly there is one
// crew; a change of the configuration hires another for what is new, so that
// nobody else is touched.
type crew struct {
	*Shipper
	patience time.Duration       // how long ship may take to let go of any that it ever served
	refused  allowance.Allowance // reports; work's goroutine's
	talk     sync.Mutex          // held until a new ship has heard what to send: nothing else is said to it before

	// Shipper.mu's
	destinations []Config
	tunnels      []tunnel.Config
	books        map[string]*relayBook    // those of destinations, and of leaving
	leaving      map[string]chan struct{} // closed when ship has let go of it
	say          func(any) error          // to the process at work; nil until it is told what to send, and when it has ended
	cut          func() error             // the line to it
	end          context.CancelFunc       // of work; nil until it begins
}

// work keeps a ship process running until ctx ends, then has it finish what is
// in the journal by then and returns when it is gone. A crew hired in the end has a ship
// do only that. A ship that dies or hangs is started again with back-off; it never takes
// run with it.
func (c *crew) work(ctx context.Context, start Start) {
	for failures := 0; ctx.Err() == nil || failures == 0 && c.serves(); failures++ {
		since := time.Now()
		err := c.once(ctx, start)
		if err == nil && ctx.Err() != nil {
			break
		}
		if time.Since(since) > time.Minute {
			failures = 0
		}
		c.lost(err)
		sleep(ctx, backoff(failures, rand.Float64()))
	}
	c.letGo()
}

// once runs one ship process to its end.
func (c *crew) once(ctx context.Context, start Start) error {
	ship, err := start()
	if err != nil {
		return fmt.Errorf("start it: %w", err)
	}
	err = c.converse(ctx, ship)
	if ended := dismiss(ship); err == nil && ended != nil {
		err = fmt.Errorf("it ended: %w", ended)
	}
	for name, book := range c.served() {
		c.keep(name, book, true)
	}
	c.sayBy(nil, nil)
	c.letGo()
	return err
}

// converse tells ship what to do and listens to it until it ends.
func (c *crew) converse(ctx context.Context, ship Process) error {
	out := &lineWriter{w: ship}
	say := func(v any) error {
		ship.SetWriteDeadline(time.Now().Add(silence))
		return out.write(v)
	}
	if err := c.greet(say, ship.Close); err != nil {
		return fmt.Errorf("tell it what to send: %w", err)
	}
	defer stopAt(ctx, ship, say, c.patience)()
	return c.listen(ship)
}

func (c *crew) listen(ship Process) error { return hear(ship, c.follow, c.refuse) }

// stopAt says stop to ship at the end of ctx, and cuts off one that does not end within
// patience. over is to be called when ship has ended.
func stopAt(ctx context.Context, ship Process, say func(any) error, patience time.Duration) (over func()) {
	ended := make(chan struct{})
	undo := context.AfterFunc(ctx, func() {
		say(order{Stop: true})
		select { // a ship that does not end is cut off
		case <-time.After(patience):
			ship.Close()
		case <-ended:
		}
	})
	return func() { undo(); close(ended) }
}

func (c *crew) greet(say func(any) error, cut func() error) error {
	c.talk.Lock()
	defer c.talk.Unlock()
	if err := say(c.hello()); err != nil {
		return err
	}
	c.sayBy(say, cut)
	return nil
}

func (c *crew) sayBy(say func(any) error, cut func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.say, c.cut = say, cut
}

// serves reports whether there is a destination that stays.
func (c *crew) serves() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.destinations) > 0
}

// served lists the books that are the crew's to keep.
func (c *crew) served() map[string]*relayBook {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.books)
}

// dismissRelays has ship let go of destinations, and does not wait until it has, or
// has ended: then their channels are closed, and they are not the crew's any more.
func (c *crew) dismissRelays(names []string) (left map[string]<-chan struct{}) {
	c.talk.Lock()
	defer c.talk.Unlock()
	c.mu.Lock()
	left = map[string]<-chan struct{}{}
	for _, name := range names {
		if c.books[name] != nil {
			c.leaving[name] = make(chan struct{})
			left[name] = c.leaving[name]
		}
	}
	c.destinations = slices.DeleteFunc(slices.Clone(c.destinations), func(d Config) bool { return left[d.Name] != nil })
	say, cut, end, empty := c.say, c.cut, c.end, len(c.destinations) == 0
	c.mu.Unlock()
	if len(left) == 0 {
		return left
	}
	if say != nil {
		say(order{Leave: names})
	}
	if empty && end != nil {
		end() // work ends as it does when run stops
	} else if say == nil {
		c.letGo() // the next ship hears nothing of them
	}
	go c.seeOff(left, cut)
	return left
}

// seeOff sees to it that destinations are let go of: a ship that does not is cut off,
// and started again without them. They are let go of when it has ended: until then it
// may send, and what it reported is being kept.
func (c *crew) seeOff(left map[string]<-chan struct{}, cut func() error) {
	late := time.NewTimer(c.patience)
	defer late.Stop()
	for _, is := range left {
		select {
		case <-is:
		case <-late.C:
			if cut != nil {
				cut()
			}
			return
		}
	}
}

// gone notes that ship has let go of a destination.
func (c *crew) gone(name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.release(name)
}

// letGo notes so of all that were to leave: there is no ship.
func (c *crew) letGo() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.leaving {
		c.release(name)
	}
}

func (c *crew) release(name string) error {
	is := c.leaving[name]
	if is == nil {
		return errors.New("it left unasked")
	}
	close(is)
	delete(c.leaving, name)
	delete(c.books, name)
	return nil
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

// longestLeave is the longest grace of destinations, and a little.
func longestLeave(destinations []Config) time.Duration {
	longest := time.Duration(0)
	for _, d := range destinations {
		d = d.withDefaults()
		longest = max(longest, d.Grace+d.Idle)
	}
	return longest + 2*time.Second
}

func (c *crew) hello() hello {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := hello{Version: wireVersion, PID: os.Getpid(), Build: c.cfg.Build, JournalDir: c.cfg.JournalDir, Journal: c.cfg.Journal.String(),
		Destinations: c.destinations, Tunnels: c.tunnels, Cursors: map[string]wireCursor{}}
	for name, book := range c.books {
		h.Cursors[name] = toWire(book.latest)
	}
	return h
}

// hear takes reports until ship ends. One that is too long is left out. What
// does not pass the check ends the conversation: a ship that talks nonsense is
// started anew.
func hear(ship Process, follow func(report) error, refuse func(report, error)) error {
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
			err = follow(r)
		}
		if err == nil {
			continue
		}
		err = fmt.Errorf("a report: %w", err)
		refuse(r, err)
		if !errors.Is(err, errTooLong) {
			return err
		}
	}
}

// refuse puts a report on record that is not believed.
func (c *crew) refuse(r report, err error) {
	c.note(&c.refused, auditbridge.OwnFailure("ship-refused", auditbridge.Text("relay", short(r.Relay)), auditbridge.Text("reason", short(err.Error()))))
}

// lost notes that there is no ship just now.
func (c *crew) lost(err error) {
	why := "the ship process is gone: it ended"
	if err != nil {
		why = "the ship process is gone: " + short(err.Error())
	}
	c.cfg.Log.Error("there is no ship process now", "err", why)
	for name, book := range c.served() {
		c.mu.Lock()
		was := book.stats.Connected
		book.stats.Connected, book.stats.LastError, book.stats.Hint = false, why, ""
		if was {
			book.stats.Since = time.Now()
		}
		c.mu.Unlock()
		if was {
			c.noteLink(name, book, wireLink{Up: false, Why: why})
		}
	}
}
