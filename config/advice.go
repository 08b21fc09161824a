package config

import (
	"fmt"
	"slices"

	"auditbridge/auditbridge"
	"auditbridge/internal/nearest"
)

// advise notes what is unwise in a configuration as a whole. It is asked only
// of one without a mistake: nothing is said that merely follows from one.
func (c *Config) advise() {
	k := completion{Config: c}
	if len(c.Servers) == 0 {
		k.warn("remote-logging-server", "write a [[remote-logging-server]] when they are to be kept elsewhere, too", "there is none: the records stay on this host")
	}
	for i := range c.Forwardings {
		k.unused(&c.Forwardings[i], fmt.Sprintf("port-forwarding[%d]", i))
	}
	for i := range c.Servers {
		if s := &c.Servers[i]; s.Format == "audit" && s.Proof() != ProofWhole {
			hint := `for that, set include = ["all"] and no filter`
			if s.Protocol == "auditd" {
				hint = `for that, set protocol = "relp" or "tcp", include = ["all"] and no filter: by auditd's protocol no EOE is sent`
			}
			k.warn(fmt.Sprintf("remote-logging-server[%d]", i), hint,
				"%s gets only some of the records: `auditbridge verify` there shows that they are genuine, not that none is missing", s.Name)
		}
	}
}

// unused warns of a forwarding that nothing goes through.
func (k *completion) unused(f *Forwarding, path string) {
	if f.Listen {
		return
	}
	for _, other := range k.Forwardings {
		if other.Via == f.Name {
			return
		}
	}
	var ends []string
	for _, s := range k.Servers {
		if s.Via == f.Name {
			return
		}
		if s.Via == "" {
			ends = append(ends, endpoint(s.Address, s.Port))
		}
	}
	means := fmt.Sprintf("none has via = %q", f.Name)
	hint := ""
	if f.LocalPort != 0 {
		local := endpoint(f.LocalAddress, f.LocalPort)
		means = fmt.Sprintf("none has its local end, %s, nor via = %q", local, f.Name)
		if near := nearest.Word(local, ends); near != "" {
			hint = "nearest server: " + near
		}
	}
	k.warn(path, hint, "no server goes through it: %s", means)
}

// Proof is what `auditbridge verify` can show of a destination's copy.
type Proof string

const (
	ProofWhole Proof = "whole"   // that no record was changed, removed, added or moved
	ProofPart  Proof = "in part" // that its records are genuine; which are missing is not known
	ProofNone  Proof = "none"    // nothing: an event's message is not the records' own text
)

// Proof is what the server's copy of the records can prove.
func (s *Server) Proof() Proof {
	switch {
	case s.Format != "audit":
		return ProofNone
	case s.everything() && s.Protocol != "auditd":
		return ProofWhole
	}
	return ProofPart
}

// everything reports whether include and the filters let all events pass.
func (s *Server) everything() bool {
	for class := auditbridge.System; class <= auditbridge.Session; class++ { // an alarm always does
		if !slices.Contains(s.Include, class.String()) && !slices.Contains(s.Include, "all") {
			return false
		}
	}
	return len(s.Filters) == 0 || slices.Contains(s.Filters, Filter{})
}
