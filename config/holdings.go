package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"auditbridge/forward/tunnel"
)

// What a key file holds is a value like any other: when another key stands in it,
// that is a change on record, old and new by their fingerprints (FAU_GEN.1.1c). A
// file that cannot be read holds nothing.

// holding is what stands in a file that a key of the configuration names.
type holding struct {
	table int    // which [[port-forwarding]]
	key   string // that names the file
	file  string
	what  string // fingerprints, or what else names what is in it
}

// holdings looks into every key file.
func (c *Config) holdings() (all []holding) {
	for i, t := range c.Settings.Tunnels() {
		path := fmt.Sprintf("port-forwarding[%d]", i)
		identity, _ := t.IdentityFingerprint()
		hosts, _ := t.HostKeyFingerprints()
		all = append(all, holding{i, path + ".identity-file", t.IdentityFile, identity}, holding{i, path + ".known-hosts", t.KnownHosts, strings.Join(hosts, " ")})
	}
	return all
}

// KeyFiles are the files that the configuration names and whose content is part of
// it.
func (c *Config) KeyFiles() (names []string) {
	for _, h := range c.held {
		names = append(names, h.file)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// heldValues are the holdings as values.
func (c *Config) heldValues() (all []Value) {
	for _, h := range c.held {
		all = append(all, Value{Key: c.named(h.key) + ".holds", Value: strconv.Quote(h.what), Origin: h.file})
	}
	return all
}

// Tunnels is a tunnel.Config for each forwarding, with those that it is reached
// through. Other keys make it another one, so that they are in force at once, in a
// process that may read where they are.
func (c *Config) Tunnels() []tunnel.Config {
	all := c.Settings.Tunnels()
	for i := range all {
		for _, h := range c.held {
			if h.table == i {
				all[i].Held = append(all[i].Held, h.what)
			}
		}
	}
	whole := make([]tunnel.Config, len(all))
	for i := range all {
		whole[i] = c.reached(all, i, len(all))
	}
	return whole
}
