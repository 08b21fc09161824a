package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// What a key file holds is a value like any other: when another key stands in it,
// that is a change on record, old and new by their fingerprints (FAU_GEN.1.1c). A
// file that cannot be read holds nothing.

// holding is what stands in a file that a key of the configuration names.
type holding struct {
	key  string // that names the file
	file string
	what string // fingerprints, or what else names what is in it
}

// holdings looks into every key file.
func (c *Config) holdings() (all []holding) {
	for i, t := range c.Tunnels() {
		path := fmt.Sprintf("port-forwarding[%d]", i)
		identity, _ := t.IdentityFingerprint()
		hosts, _ := t.HostKeyFingerprints()
		all = append(all, holding{path + ".identity-file", t.IdentityFile, identity}, holding{path + ".known-hosts", t.KnownHosts, strings.Join(hosts, " ")})
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
