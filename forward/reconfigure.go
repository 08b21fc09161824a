package forward

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"auditbridge/forward/tunnel"
)

// Reconfigure takes over other destinations and tunnels while Run runs. One
// whose settings and whose tunnel's stay what they are is not touched. One that
// changed goes on where it was; one that is new begins as Start says; the place
// of one that is gone is forgotten, on record. With an error of Validate or of a
// new destination's cursor nothing has changed.
func (s *Shipper) Reconfigure(ctx context.Context, destinations []Config, tunnels []tunnel.Config) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	next := s.cfg
	next.Destinations, next.Tunnels = destinations, tunnels
	if err := next.Validate(); err != nil {
		return err
	}
	same, other := s.compare(&next)
	opened, err := s.openMissing(other)
	if err != nil {
		return err
	}
	var leave []string
	for name := range s.relays {
		if !same[name] {
			leave = append(leave, name)
		}
	}
	for _, c := range slices.Clone(s.crews) {
		c.dismissRelays(leave)
	}

	s.mu.Lock()
	if s.hire == nil {
		s.mu.Unlock()
		return errors.New("take over other destinations: sending has ended")
	}
	s.crews = slices.DeleteFunc(s.crews, func(c *crew) bool { return len(c.destinations) == 0 })
	s.cfg.Destinations, s.cfg.Tunnels = destinations, tunnels
	maps.Copy(s.relays, opened)
	for _, d := range other {
		s.relays[d.Name].meets(d)
	}
	var gone []*relayBook
	for name, book := range s.relays {
		if !slices.ContainsFunc(destinations, func(d Config) bool { return d.Name == name }) {
			gone = append(gone, book)
			delete(s.relays, name)
		}
	}
	if len(other) > 0 {
		s.enlist(other)
	}
	s.mu.Unlock()
	for _, book := range gone {
		book.close()
	}
	return s.forgetRemoved(ctx)
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
			for _, b := range opened {
				b.close()
			}
			return nil, fmt.Errorf("take over the new destination %q: %w", d.Name, err)
		}
		s.recall(d, book)
		s.settle(d, book)
		opened[d.Name] = book
	}
	return opened, nil
}
