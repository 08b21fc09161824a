package syslog

import (
	"bytes"
	"strconv"
	"strings"
	"time"

	"auditbridge/auditbridge"
)

// maxBSD bounds a packet (RFC 3164 section 4.1).
const maxBSD = 1024

// BSD writes messages as RFC 3164 describes them, "the BSD syslog protocol".
// AppendEvent writes one message, however long; Parts cuts it into packets.
// docs/format/rfc3164.md is the description for readers. It keeps scratch
// space: one goroutine at a time.
type BSD struct {
	config   Config
	location *time.Location
	text     Texter
}

// NewBSD returns the BSD of a valid Config. Times are written in location, the
// sender's; SD-ID means nothing here.
func NewBSD(c Config, location *time.Location) *BSD {
	if c.MaxBytes == 0 {
		c.MaxBytes = defaultMaxBytes
	}
	return &BSD{config: c, location: location, text: Texter{Interpreter: c.Interpreter}}
}

// AppendEvent appends the message of one event:
//
//	<38>Mar  6 17:35:29 node1 auditbridge[1234]: audit(1709742929.678:2340) records 8-10: class=login …
func (b *BSD) AppendEvent(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	start := len(dst)
	dst = b.AppendHeader(dst, e, v)
	dst = append(dst, ' ')
	dst = append(dst, appName...)
	if b.config.PID > 0 {
		dst = append(strconv.AppendInt(append(dst, '['), int64(b.config.PID), 10), ']')
	}
	dst = appendID(append(dst, ": "...), e)
	dst = b.text.AppendVerdict(append(dst, ": "...), e, v)
	if node := b.node(e); len(shortHost(node)) < len(node) {
		dst = appendWord(append(dst, " node="...), node)
	}
	if b.config.Journal != "" {
		dst = append(append(dst, " journal="...), b.config.Journal...)
	}
	dst = b.text.AppendRecords(append(dst, ' '), e, start+b.config.MaxBytes)
	return bound(dst, start, b.config.MaxBytes)
}

const truncatedWord = " truncated=yes"

// bound cuts the message at start to max bytes, behind its last whole word,
// quotes and all.
func bound(dst []byte, start, max int) []byte {
	if len(dst)-start <= max {
		return dst
	}
	last, quoted := start, false
	for i := start; i <= start+max-len(truncatedWord); i++ {
		switch c := dst[i]; {
		case c == '"':
			quoted = !quoted
		case c == ' ' && !quoted:
			last = i
		}
	}
	return append(dst[:last], truncatedWord...)
}

// AppendHeader appends `<PRI>Mmm dd hh:mm:ss HOSTNAME`. What is no record has
// no time; the epoch stands there.
func (b *BSD) AppendHeader(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	dst = append(dst, '<')
	dst = strconv.AppendUint(dst, uint64(v.Facility)*8+uint64(v.Severity), 10)
	dst = append(dst, '>')
	if e.End == auditbridge.EndMalformed {
		dst = append(dst, "Jan  1 00:00:00"...)
	} else {
		dst = time.Unix(e.ID.Seconds, 0).In(b.location).AppendFormat(dst, time.Stamp)
	}
	return appendShortHost(append(dst, ' '), b.node(e))
}

// node is the name of the event's host: its records', else ours.
func (b *BSD) node(e *auditbridge.Event) string {
	if e.ID.Node != "" {
		return e.ID.Node
	}
	return b.config.Node
}

// appendShortHost appends HOSTNAME, '-' when there is none. What cannot stand
// there becomes '?'.
func appendShortHost(dst []byte, node string) []byte {
	if node == "" {
		return append(dst, '-')
	}
	host := shortHost(node)
	for i := range len(host) {
		c := host[i]
		if !inHost(c) || c == ':' && i == len(host)-1 { // ": " ends the tag
			c = '?'
		}
		dst = append(dst, c)
	}
	return dst
}

func inHost(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.' || c == ':'
}

// shortHost is an address as it is, and a name without what follows its first
// dot: RFC 3164 section 4.1.2 forbids the domain.
func shortHost(node string) string {
	isAddress := strings.IndexByte(node, ':') >= 0 || strings.Trim(node, ".0123456789") == ""
	if i := strings.IndexByte(node, '.'); i > 0 && !isAddress {
		node = node[:i]
	}
	return node[:min(len(node), maxHost)]
}

// maxHost is what DNS allows in a label, and leaves room in a packet.
const maxHost = 63

// Parts cuts a message of BSD.AppendEvent into packets of at most 1024 bytes. A
// message that fits is its only part, unchanged. Else each part has the
// message's header and id, which of how many it is, and its piece of the text;
// the pieces put together are the text again:
//
//	<38>Mar  6 17:35:29 node1 auditbridge[1234]: audit(1709742929.678:2340) records 8-10 part 2/3: …
type Parts struct {
	head  []byte // up to the id's end
	text  []byte // what is left of it
	i, n  int
	whole bool
}

// Cut begins with the parts of message, which they alias.
func Cut(message []byte) Parts {
	if len(message) <= maxBSD {
		return Parts{text: message, n: 1, whole: true}
	}
	tag := bytes.Index(message, []byte(": ")) + len(": ")
	id := tag + bytes.Index(message[tag:], []byte(": "))
	p := Parts{head: message[:id], text: message[id+len(": "):]}
	for rest := p.text; len(rest) > 0; p.n++ {
		rest = rest[p.piece(rest):]
	}
	return p
}

// partMark is as long as a mark gets.
const partMark = " part 99999/99999: "

// piece is how much of text goes into the next part; no escape is cut in two.
func (p *Parts) piece(text []byte) int {
	n := maxBSD - len(p.head) - len(partMark)
	if n >= len(text) {
		return len(text)
	}
	if i := bytes.LastIndexByte(text[n-3:n], '\\'); i >= 0 {
		n += i - 3
	}
	return n
}

// Next appends the next part, and reports whether there was one.
func (p *Parts) Next(dst []byte) ([]byte, bool) {
	if p.i == p.n {
		return dst, false
	}
	p.i++
	if p.whole {
		return append(dst, p.text...), true
	}
	dst = append(dst, p.head...)
	dst = strconv.AppendInt(append(dst, " part "...), int64(p.i), 10)
	dst = strconv.AppendInt(append(dst, '/'), int64(p.n), 10)
	dst = append(dst, ": "...)
	n := p.piece(p.text)
	dst = append(dst, p.text[:n]...)
	p.text = p.text[n:]
	return dst, true
}
