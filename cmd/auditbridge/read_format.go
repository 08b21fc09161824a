package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/summary"
	"auditbridge/forward/cef"
	"auditbridge/forward/ecs"
	"auditbridge/forward/jsonline"
	"auditbridge/forward/syslog"
	"auditbridge/internal/terminal"
)

// eventFormat appends an event, its LF included. An event with goesOn is a piece
// of a line that was too long; what follows it belongs to the same line.
type eventFormat func(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict, goesOn bool) []byte

// readFormats are read's, by name. common names the host of records that name
// none, where a format has a place for it.
var readFormats = []struct {
	name string
	open func(common syslog.Config) eventFormat
}{
	{"json", func(syslog.Config) eventFormat { return perEvent(new(jsonline.Writer).AppendEvent) }},
	{"text", func(syslog.Config) eventFormat { return perEvent(new(textFormat).appendEvent) }},
	{"audit", func(syslog.Config) eventFormat { return appendLines }},
	{"rfc5424", func(common syslog.Config) eventFormat { return perEvent(asLine(syslog.New(common).AppendEvent)) }},
	{"rfc3164", func(common syslog.Config) eventFormat { return perEvent(asPackets(syslog.NewBSD(common, time.Local))) }},
	{"cef", func(common syslog.Config) eventFormat {
		return perEvent(asLine(cef.New(cef.Config{Config: common, Version: thisBuild().Version, Location: time.Local}).AppendEvent))
	}},
}

func readFormatNames() (names []string) {
	for _, f := range readFormats {
		names = append(names, f.name)
	}
	return names
}

func newReadFormat(name string) (eventFormat, error) {
	for _, f := range readFormats {
		if f.name == name {
			host, _ := os.Hostname() // without one HOSTNAME is "-"
			return f.open(syslog.Config{Node: host}), nil
		}
	}
	return nil, fmt.Errorf("%q is no format (%s)", name, strings.Join(readFormatNames(), " "))
}

// asECS is json in the names of the Elastic Common Schema.
func asECS() eventFormat { return perEvent(new(ecs.Writer).AppendEvent) }

type appendEvent = func(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte

// perEvent is a format in which a piece of a line is like a line.
func perEvent(format appendEvent) eventFormat {
	return func(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict, _ bool) []byte {
		return format(dst, e, v)
	}
}

// appendLines appends the records as they stand.
func appendLines(dst []byte, e *auditbridge.Event, _ *auditbridge.Verdict, goesOn bool) []byte {
	for i := range e.Records {
		dst = append(dst, e.Records[i].Line...)
		if !goesOn {
			dst = append(dst, '\n')
		}
	}
	return dst
}

// asLine ends a message with a LF: none holds one itself.
func asLine(message appendEvent) appendEvent {
	return func(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
		return append(message(dst, e, v), '\n')
	}
}

// asPackets is one line for each packet of an event.
func asPackets(b *syslog.BSD) appendEvent {
	var message []byte
	return func(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
		message = b.AppendEvent(message[:0], e, v)
		for parts := syslog.Cut(message); ; dst = append(dst, '\n') {
			var more bool
			if dst, more = parts.Next(dst); !more {
				return dst
			}
		}
	}
}

// textFormat is a line for people: when, where, what kind, how it went, and a
// sentence. All of it is safe for a terminal.
type textFormat struct{ sentence []byte }

func (f *textFormat) appendEvent(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	if e.End == auditbridge.EndMalformed {
		dst = append(dst, "no record: "...)
		return append(append(dst, terminal.Safe(string(e.Records[0].Line))...), '\n')
	}
	at := time.UnixMilli(e.ID.Seconds*1000 + int64(e.ID.Millis))
	dst = at.AppendFormat(dst, "2006-01-02 15:04:05.000")
	dst = append(dst, ' ')
	dst = appendOrDash(dst, terminal.Safe(e.ID.Node))
	dst = append(append(dst, ' '), v.Class.String()...)
	dst = append(dst, ' ')
	dst = appendOrDash(dst, v.Result.String())
	dst = append(dst, ' ')
	f.sentence = summary.Append(f.sentence[:0], e, v, nil)
	dst = append(dst, terminal.Safe(string(f.sentence))...)
	return append(dst, '\n')
}

func appendOrDash(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, '-')
	}
	return append(dst, s...)
}
