// Package cef writes events in ArcSight's Common Event Format, revision 23
// ("CEF:0"), behind the header of RFC 3164, as its specification asks:
//
//	<36>Mar  6 17:34:24 node1 CEF:0|auditbridge|auditbridge|1.0|audit:USER_AUTH|Authentication|5|rt=… …
//
// It is pure and allocates nothing per event. docs/format/cef.md is its
// description.
package cef

import (
	"strconv"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/outline"
	"auditbridge/forward/syslog"
)

// maxBytes bounds a message: more than what stock receivers take they cut
// without a word.
const maxBytes = 8 << 10

// Config is what all messages of a destination have in common.
type Config struct {
	syslog.Config                // MaxBytes 0 is 8 KiB; SD-ID means nothing here
	Version       string         // Device Version: of this program
	Location      *time.Location // of the header's time: the sender's
}

// Writer writes events. It keeps scratch space: one goroutine at a time.
type Writer struct {
	config  Config
	header  *syslog.BSD
	text    syslog.Texter
	outline outline.Outline
	space   []byte

	dst       []byte
	extension int // where it begins in dst
	end       int // dst does not grow beyond
	full      bool
}

// New returns the Writer of a valid Config.
func New(c Config) *Writer {
	if c.MaxBytes == 0 {
		c.MaxBytes = maxBytes
	}
	return &Writer{config: c, header: syslog.NewBSD(c.Config, c.Location)}
}

const truncatedMark = " AbTruncated=yes"

// AppendEvent appends the message of one event. What it is, who did it and to
// what stands under CEF's own keys; the last key, AbEventData, has every field
// of every record. A message that would grow beyond the bound ends early, with
// AbTruncated=yes.
func (w *Writer) AppendEvent(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	w.end, w.full = len(dst)+w.config.MaxBytes-len(truncatedMark), false
	w.dst = w.header.AppendHeader(dst, e, v)
	w.dst = append(w.dst, " CEF:0"...)
	w.head("auditbridge")
	w.head("auditbridge")
	w.head(w.config.Version)
	w.signature(e, v)
	w.name(e, v)
	w.dst = append(w.dst, '|')
	w.dst = strconv.AppendInt(w.dst, int64(severities[v.Severity&7]), 10)
	w.dst = append(w.dst, '|')
	w.extension = len(w.dst)
	w.keys(e, v)
	if w.full {
		w.dst = append(w.dst, truncatedMark...)
	}
	dst, w.dst = w.dst, nil
	return dst
}

// severities are CEF's for syslog's: critical 10, error 8, warning 5,
// information 2, nothing 0.
var severities = [...]int8{
	auditbridge.Emergency: 10, auditbridge.Alert: 10, auditbridge.Critical: 10, auditbridge.Error: 8,
	auditbridge.Warning: 5, auditbridge.Notice: 2, auditbridge.Info: 2, auditbridge.Debug: 0,
}

// head appends a field of the header.
func (w *Writer) head(value string) {
	w.dst = append(w.dst, '|')
	w.space = append(w.space[:0], value...)
	w.dst = appendHead(w.dst, w.space)
}

// signature appends PROVIDER:EVENT: audit and the type of the record that
// decides; of our own records auditbridge and what was done, or of an alarm which.
func (w *Writer) signature(e *auditbridge.Event, v *auditbridge.Verdict) {
	r := &e.Records[v.Deciding]
	if kind, _ := alarm(e); kind != nil {
		w.dst = appendHead(append(w.dst, "|auditbridge:alarm:"...), kind)
		return
	}
	if e.Own() {
		op, _ := r.Stamped().Lookup("op")
		w.dst = appendHead(append(w.dst, "|auditbridge:"...), op)
		return
	}
	name := r.TypeName()
	if name == nil {
		w.dst = append(w.dst, "|auditbridge:no-record"...)
		return
	}
	w.dst = appendHead(append(w.dst, "|audit:"...), name)
}

// name appends a MSGID as words: CRYPTO_SESSION is "Crypto session"; of an alarm its
// kind and number, by which its end is told from another's.
func (w *Writer) name(e *auditbridge.Event, v *auditbridge.Verdict) {
	w.dst = append(w.dst, '|')
	if kind, number := alarm(e); kind != nil {
		w.dst = appendHead(append(appendHead(w.dst, kind), " : "...), number)
		return
	}
	id := v.MsgID
	for i := range len(id) {
		c := id[i]
		switch {
		case c == '_':
			c = ' '
		case i > 0 && 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		w.dst = append(w.dst, c)
	}
}
