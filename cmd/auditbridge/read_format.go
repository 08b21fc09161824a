package main

import (
	"fmt"
	"os"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/cef"
	"auditbridge/forward/jsonline"
	"auditbridge/forward/syslog"
)

// eventFormat appends an event as read prints it, its LF included.
type eventFormat func(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte

// printedAs is the format called name, for one reader.
func printedAs(name string) (eventFormat, error) {
	host, _ := os.Hostname() // without one HOSTNAME is "-"
	common := syslog.Config{Node: host}
	switch name {
	case "json":
		return new(jsonline.Writer).AppendEvent, nil
	case "audit":
		return appendLines, nil
	case "rfc5424":
		return asLine(syslog.New(common).AppendEvent), nil
	case "rfc3164":
		return asPackets(syslog.NewBSD(common, time.Local)), nil
	case "cef":
		return asLine(cef.New(cef.Config{Config: common, Version: thisBuild().Version, Location: time.Local}).AppendEvent), nil
	}
	return nil, fmt.Errorf("--output: %q is no format (json audit rfc5424 rfc3164 cef)", name)
}

// appendLines appends the records as they stand.
func appendLines(dst []byte, e *auditbridge.Event, _ *auditbridge.Verdict) []byte {
	for i := range e.Records {
		dst = append(append(dst, e.Records[i].Line...), '\n')
	}
	return dst
}

// asLine ends a message with a LF: none holds one itself.
func asLine(message eventFormat) eventFormat {
	return func(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
		return append(message(dst, e, v), '\n')
	}
}

// asPackets is one line for each packet of an event.
func asPackets(b *syslog.BSD) eventFormat {
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
