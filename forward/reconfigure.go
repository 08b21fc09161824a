package forward

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"auditbridge/forward/tunnel"
	"auditbridge/internal/durable"
)

// Reconfigure takes over other destinations and tunnels while Run runs. One
// whose settings and whose tunnel's stay what they are is not touched. One that
// changed goes on where it was; one that is new begins as Start says; the place
// of one that is gone is forgotten, on record. With an error of Validate or of a
// new destination's cursor nothing has changed.
//
// Nobody waits for one that takes its leave but its own successor: a far end may
// take until the end of its grace to close.
func (s *Shipper) Reconfigure(ctx context.Context, destinations []Config, tunnels []tunnel.Config) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	next := s.cfg
	next.Destinations, next.Tunnels = destinations, tunnels
	if err := next.Validate(); err != nil {
		return err
	}
	same, other := s.compare(&next)
	if err := s.untilSettled(ctx, same, other); err != nil {
		return err
	}
	opened, err := s.openMissing(other)
	if err != nil {
		return err
	}
	left := s.dismiss(same)

	s.mu.Lock()
	defer s.mu.Unlock()
	if s.hire == nil {
		closeAll(opened)
		return errors.New("take over other destinations: sending has ended")
	}
	s.crews = slices.DeleteFunc(s.crews, func(c *crew) bool { return len(c.destinations) == 0 })
	s.cfg.Destinations, s.cfg.Tunnels = destinations, tunnels
	maps.Copy(s.relays, opened)
	var added, changed []Config
	for _, d := range other {
		if opened[d.Name] != nil {
			added = append(added, d)
		} else {
			changed = append(changed, d)
		}
	}
	if len(added) > 0 {
		s.enlist(added)
	}
	s.succeed(changed, left)
	for name := range s.relays {
		if !slices.ContainsFunc(destinations, func(d Config) bool { return d.Name == name }) {
			s.remove(name, left[name])
		}
	}
	return nil
}

// dismiss has all destinations let go of but those that stay the same; what it returns
// is closed when each is.
func (s *Shipper) dismiss(same map[string]bool) (left map[string]<-chan struct{}) {
	s.mu.Lock()
	crews := slices.Clone(s.crews)
	var names []string
	for name := range s.relays {
		if !same[name] {
			names = append(names, name)
		}
	}
	s.mu.Unlock()
	left = map[string]<-chan struct{}{}
	for _, c := range crews {
		maps.Copy(left, c.dismissRelays(names))
	}
	return left
}

// succeed puts crews to work for destinations that changed, once the one before has let
// go of each: it has their place until then. The caller holds mu.
func (s *Shipper) succeed(changed []Config, left map[string]<-chan struct{}) {
	free, done := make(chan Config, len(changed)), map[string]chan struct{}{}
	for _, d := range changed {
		done[d.Name] = make(chan struct{})
		s.parting[d.Name] = done[d.Name]
		s.departures.Go(func() {
			await(left[d.Name])
			free <- d
		})
	}
	s.departures.Go(func() {
		for n := 0; n < len(changed); {
			together := gather(free)
			n += len(together)
			s.mu.Lock()
			for _, d := range together {
				s.relays[d.Name].meets(d)
			}
			s.enlist(together)
			for _, d := range together {
				delete(s.parting, d.Name)
				close(done[d.Name])
			}
			s.mu.Unlock()
		}
	})
}

// gather waits for one and takes those along that come soon after: each crew is a process.
func gather(free <-chan Config) []Config {
	together := []Config{<-free}
	for soon := time.After(200 * time.Millisecond); ; {
		select {
		case d := <-free:
			together = append(together, d)
		case <-soon:
			return together
		}
	}
}

// remove forgets a destination, and its place when it is let go of. That fails when
// sending ends meanwhile; then the next start does it. The caller holds mu.
func (s *Shipper) remove(name string, left <-chan struct{}) {
	book, done, ctx := s.relays[name], make(chan struct{}), s.ctx
	delete(s.relays, name)
	s.parting[name] = done
	s.departures.Go(func() {
		await(left)
		book.close()
		dir, err := durable.OpenDir(s.cfg.StateDir, 0, -1)
		if err == nil {
			err = s.forget(ctx, dir, cursorName(name))
			dir.Close()
		}
		if err != nil && ctx.Err() == nil {
			s.cfg.Log.Warn("the place of a removed destination is still kept; the next start tries again", "err", err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.parting, name)
		close(done)
	})
}

// untilSettled waits until an earlier change is done with those that change again, or
// come back.
func (s *Shipper) untilSettled(ctx context.Context, same map[string]bool, other []Config) error {
	wait := map[string]<-chan struct{}{}
	s.mu.Lock()
	for name, done := range s.parting {
		if s.relays[name] != nil && !same[name] || slices.ContainsFunc(other, func(d Config) bool { return d.Name == name }) {
			wait[name] = done
		}
	}
	s.mu.Unlock()
	for name, done := range wait {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("take over %q, which is still taking leave: %w", name, ctx.Err())
		}
	}
	return nil
}

// await returns when is is closed; a destination without a crew has nothing to let go of.
func await(is <-chan struct{}) {
	if is != nil {
		<-is
	}
}

// compare says which destinations stay what they are, and which are new or
// others.
func (s *Shipper) compare(next *ShipperConfig) (same map[string]bool, other []Config) {
	before := map[string]Config{}
	for _, d := range s.cfg.Destinations {
		before[d.Name] = d
	}
	same = map[string]bool{}
	for _, d := range next.Destinations {
		old, was := before[d.Name]
		if was && reflect.DeepEqual(old, d) && reflect.DeepEqual(s.cfg.tunnel(d.Via), next.tunnel(d.Via)) {
			same[d.Name] = true
		} else {
			other = append(other, d)
		}
	}
	return same, other
}

// tunnel is the tunnel of that name, the zero Config when there is none.
func (c *ShipperConfig) tunnel(name string) tunnel.Config {
	for _, t := range c.Tunnels {
		if t.Name == name {
			return t
		}
	}
	return tunnel.Config{}
}

// openMissing opens the books of destinations that have none yet.
func (s *Shipper) openMissing(destinations []Config) (map[string]*relayBook, error) {
	opened := map[string]*relayBook{}
	for _, d := range destinations {
		if s.relays[d.Name] != nil {
			continue
		}
		book, err := openBook(CursorFile(s.cfg.StateDir, d.Name))
		if err != nil {
			closeAll(opened)
			return nil, fmt.Errorf("take over the new destination %q: %w", d.Name, err)
		}
		s.recall(d, book)
		s.settle(d, book)
		opened[d.Name] = book
	}
	return opened, nil
}

func closeAll(books map[string]*relayBook) {
	for _, b := range books {
		b.close()
	}
}
