package config

import (
	"fmt"
	"slices"
	"strings"

	"auditbridge/forward/tunnel"
	"auditbridge/internal/nearest"
)

// A forwarding whose via names another one is reached through that. The way from
// here begins with the last of them.

// jumps refuses ways that lead nowhere, and one that leads back once.
func (k *completion) jumps() {
	for i := range k.Forwardings {
		f, path := &k.Forwardings[i], fmt.Sprintf("port-forwarding[%d].via", i)
		if f.Via == "" {
			continue
		}
		if k.Forwarding(f.Via) == nil {
			k.unknownForwarding(path, f.Via)
		} else if way := k.Way(f.Name); way[len(way)-1] == f.Name && f.Name == slices.Min(way) {
			k.wrong(path, "one of them has to be reached directly", "it leads back to where it began: %s", strings.Join(append([]string{f.Name}, way...), " via "))
		}
	}
}

func (k *completion) unknownForwarding(path, name string) {
	hint := ""
	if near := nearest.Word(name, k.forwardingNames()); near != "" {
		hint = fmt.Sprintf("nearest name: %q", near)
	}
	k.wrong(path, hint, "there is no [[port-forwarding]] called %q", name)
}

// Way is what the forwarding of that name is reached through: the next one to it
// first. One that leads back ends where it meets itself.
func (s *Settings) Way(name string) (names []string) {
	for f := s.Forwarding(name); f != nil && f.Via != ""; f = s.Forwarding(f.Via) {
		met := slices.Contains(names, f.Via)
		if met {
			return names
		}
		names = append(names, f.Via)
	}
	return names
}

// reached is all[i] with what it is reached through, at most hops of them.
func (s *Settings) reached(all []tunnel.Config, i, hops int) tunnel.Config {
	c := all[i]
	below := slices.IndexFunc(all, func(t tunnel.Config) bool { return t.Name == s.Forwardings[i].Via })
	if below >= 0 && hops > 0 {
		way := s.reached(all, below, hops-1)
		c.Via = &way
	}
	return c
}
