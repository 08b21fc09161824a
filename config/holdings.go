package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"auditbridge/forward"
	"auditbridge/forward/tlslink"
	"auditbridge/forward/tunnel"
)

// What a key file holds is a value like any other: when another key stands in it,
// that is a change on record, old and new by their fingerprints (FAU_GEN.1.1c). A
// file that cannot be read holds nothing.

// holding is what stands in a file that a key of the configuration names.
type holding struct {
	table string // that has the key
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
		all = append(all, holding{path, path + ".identity-file", t.IdentityFile, identity}, holding{path, path + ".known-hosts", t.KnownHosts, strings.Join(hosts, " ")})
		if t.CertificateFile != "" {
			name, _ := t.CertificateName()
			all = append(all, holding{path, path + ".certificate-file", t.CertificateFile, name})
		}
	}
	all = append(all, c.tlsHoldings("syslog", c.Settings.Syslog.Identity())...)
	for i, d := range c.Settings.Destinations() {
		if d.TLS != nil {
			all = append(all, c.tlsHoldings(fmt.Sprintf("remote-logging-server[%d]", i), d.TLS)...)
		}
	}
	return all
}

// tlsHoldings are a server's certificates and keys, or our own that [syslog] has for
// all of them, whether there is one that is shown it or not. Each root that is believed is
// a holding of its own, so that one that comes or goes is named.
func (c *Config) tlsHoldings(table string, t *tlslink.Config) (all []holding) {
	for _, content := range c.view.Contents(*t) {
		all = append(all, holding{table, table + "." + content.Key, content.File, content.What})
	}
	return all
}

// heldInTLS looks into the files of each server in TLS.
func (c *Config) heldInTLS() map[string]*tlslink.Held {
	all := map[string]*tlslink.Held{}
	for _, d := range c.Settings.Destinations() {
		if d.TLS == nil {
			continue
		}
		if held, err := c.view.Look(*d.TLS); err == nil {
			all[d.Name] = held
		}
	}
	return all
}

// Held is what the files of the server of that name had when the configuration was read:
// whom it is believed by and who we are to it. nil where it is not spoken to in TLS, or
// they could not be read.
func (c *Config) Held(server string) *tlslink.Held { return c.inTLS[server] }

// Expiring is the certificate without which nothing is sent to the server of that name
// any more and that expires first: in its files, as they were when the configuration
// was read, or of the server's side of its last session, which may be nil. nil when none
// is known.
func (c *Config) Expiring(server string, last *tlslink.Session) *tlslink.ID {
	var first *tlslink.ID
	if held := c.Held(server); held != nil {
		first = held.Expiring
	}
	if last != nil && last.Expiring != nil && (first == nil || last.Expiring.NotAfter.Before(first.NotAfter)) {
		first = last.Expiring
	}
	return first
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
		all[i].Held = c.heldBy(fmt.Sprintf("port-forwarding[%d]", i))
	}
	whole := make([]tunnel.Config, len(all))
	for i := range all {
		whole[i] = c.reached(all, i, len(all))
	}
	return whole
}

// Destinations is a forward.Config for each server; the same goes for its
// certificates.
func (c *Config) Destinations() []forward.Config {
	all := c.Settings.Destinations()
	for i := range all {
		if all[i].TLS != nil {
			all[i].TLS.Holds = c.heldBy(fmt.Sprintf("remote-logging-server[%d]", i))
		}
	}
	return all
}

func (c *Config) heldBy(table string) (what []string) {
	for _, h := range c.held {
		if h.table == table {
			what = append(what, h.what)
		}
	}
	return what
}
