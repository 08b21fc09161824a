package main

import (
	"fmt"
	"strings"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
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

// formatting is what formats have in common.
type formatting struct {
	syslog      syslog.Config            // names the host of records that name none; has the interpreter, too
	interpreter *interpret.Interpreter   // nil without --interpret
	ecs         bool                     // --ecs
	spill       func(text []byte) []byte // writes what there is of a large event, and returns the room
}

// readFormat makes a format. reads tells whether it heeds the interpreter.
type readFormat struct {
	name  string
	reads bool
	open  func(f formatting) eventFormat
}

// readFormats are read's, the first by default.
var readFormats = []readFormat{
	{"json", true, openJSON},
	{"text", true, func(f formatting) eventFormat {
		return perEvent((&textFormat{interpreter: f.interpreter}).appendEvent)
	}},
	{"audit", false, func(formatting) eventFormat { return appendLines }},
	{"rfc5424", false, func(f formatting) eventFormat { return perEvent(asLine(syslog.New(f.syslog).AppendEvent)) }},
	{"rfc3164", true, func(f formatting) eventFormat { return perEvent(asPackets(syslog.NewBSD(f.syslog, time.Local))) }},
	{"cef", true, func(f formatting) eventFormat {
		return perEvent(asLine(cef.New(cef.Config{Config: f.syslog, Version: thisBuild().Version, Location: time.Local}).AppendEvent))
	}},
}

func readFormatNames() (names []string) {
	for _, f := range readFormats {
		names = append(names, f.name)
	}
	return names
}

func findReadFormat(name string) (readFormat, error) {
	for _, f := range readFormats {
		if f.name == name {
			return f, nil
		}
	}
	return readFormat{}, fmt.Errorf("%q is no format (%s)", name, strings.Join(readFormatNames(), " "))
}

func openJSON(f formatting) eventFormat {
	if f.ecs {
		return perEvent((&ecs.Writer{Interpreter: f.interpreter}).AppendEvent)
	}
	return perEvent((&jsonline.Writer{Interpreter: f.interpreter, Spill: f.spill}).AppendEvent)
}

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
type textFormat struct {
	interpreter *interpret.Interpreter
	sentence    []byte
}

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
	f.sentence = summary.Append(f.sentence[:0], e, v, f.interpreter)
	dst = append(dst, terminal.Safe(string(f.sentence))...)
	return append(dst, '\n')
}

func appendOrDash(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, '-')
	}
	return append(dst, s...)
}
