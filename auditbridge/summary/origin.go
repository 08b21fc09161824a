package summary

import "auditbridge/auditbridge"

// claims is what a program's message says of itself and of where somebody came
// from.
type claims struct {
	exe, comm auditbridge.Fields
	address   []byte
	host      []byte
	port      []byte
	terminal  []byte
}

func readClaims(r *auditbridge.Record) (c claims) {
	for f := r.Claims(); f.Next(); {
		switch string(f.Key) {
		case "exe":
			keep(&c.exe, &f)
		case "comm":
			keep(&c.comm, &f)
		case "addr":
			c.address = said(f.Value)
		case "hostname":
			c.host = said(f.Value)
		case "rport":
			c.port = said(f.Value)
		case "terminal":
			c.terminal = said(f.Value)
		}
	}
	return c
}

// appendOrigin says from where and on which terminal.
func (s *sentence) appendOrigin(dst []byte) []byte {
	c := &s.claims
	from := c.address
	if from == nil && s.verdict.Class == auditbridge.Login {
		from = c.host // in other messages the host's own name
	}
	if from != nil {
		dst = appendWord(append(dst, " from "...), from)
		if c.port != nil {
			dst = appendWord(append(dst, " port "...), c.port)
		}
	}
	if tty := first(s.actor.tty, c.terminal); isTerminal(tty) {
		dst = appendWord(append(dst, " on "...), tty)
	}
	return dst
}

func first(a, b []byte) []byte {
	if a != nil {
		return a
	}
	return b
}

// isTerminal tells a terminal from the names of services that PAM programs
// write there, such as "ssh" and "cron".
func isTerminal(name []byte) bool {
	if len(name) == 0 {
		return false
	}
	switch name[0] {
	case '/', ':':
		return true
	}
	return len(name) > 3 && (string(name[:3]) == "pts" || string(name[:3]) == "tty" || string(name) == "console" || string(name[:3]) == "hvc")
}

// appendKey says which rule asked for the event, by its keys.
func (s *sentence) appendKey(dst []byte) []byte {
	key := &s.actor.key
	if key.Value == nil {
		return dst
	}
	dst = append(dst, " (key "...)
	start := len(dst)
	dst = appendText(dst, s.actor.record, key)
	for i := start; i < len(dst); i++ {
		if dst[i] == 0x01 { // AUDIT_KEY_SEPARATOR
			dst[i] = ','
		}
	}
	return append(quoteFrom(dst, start), ')')
}
