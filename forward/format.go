package forward

import (
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/auditd"
	"auditbridge/forward/cef"
	"auditbridge/forward/jsonline"
	"auditbridge/forward/syslog"
)

// The values of Config.Format.
const (
	FormatEvent  = "rfc5424" // one message per event
	FormatBSD    = "rfc3164" // one message per event, in packets of at most 1024 bytes
	FormatCEF    = "cef"     // one message per event, in ArcSight's format
	FormatJSON   = "json"    // one message per event, its JSON as MSG
	FormatRecord = "audit"   // one message per record, its raw line as MSG
)

// Formats are all values of Config.Format.
var Formats = []string{FormatEvent, FormatBSD, FormatCEF, FormatJSON, FormatRecord}

// format writes a destination's messages: its own facility and severity, where
// it has them, stand in the header instead of the event's.
type format struct {
	facility *auditbridge.Facility // nil is the event's own
	severity *auditbridge.Severity // the same
	// record appends the message of a record, in FormatRecord; nothing when it has
	// none.
	record func(dst []byte, r *auditbridge.Record, v *auditbridge.Verdict) []byte
	// event appends the message of an event, in every other format.
	event   func(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte
	verdict auditbridge.Verdict // what event and record are handed; on the stack it would be allocated anew
	packets bool                // an event's message is cut into several
	packet  []byte              // space for one
}

func newFormat(c *Config, journal string) format {
	common := syslog.Config{Node: c.Node, PID: c.PID, Journal: journal, SDID: c.SDID, MaxBytes: c.MaxMessage}
	plain := syslog.New(common)
	f := format{record: plain.AppendRecord}
	if c.Protocol == ProtocolAuditd {
		bare := auditd.NewFormat(c.Node)
		f.record = func(dst []byte, r *auditbridge.Record, _ *auditbridge.Verdict) []byte {
			return bare.AppendRecord(dst, r)
		}
	}
	switch c.Format {
	case FormatBSD:
		f.event, f.packets = syslog.NewBSD(common, time.Local).AppendEvent, true
	case FormatCEF:
		f.event = cef.New(cef.Config{Config: common, Version: c.Build, Location: time.Local}).AppendEvent
	case FormatJSON:
		object := jsonline.Writer{Node: c.Node}
		f.event = func(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
			if c.Protocol != ProtocolHTTPS {
				dst = plain.AppendEnvelope(dst, e, v)
			}
			dst = object.AppendEvent(dst, e, v)
			return dst[:len(dst)-1] // its LF
		}
	default:
		f.event = plain.AppendEvent
	}
	if v, ok := auditbridge.ParseFacility(c.Facility); ok {
		f.facility = &v
	}
	if v, ok := auditbridge.ParseSeverity(c.Severity); ok {
		f.severity = &v
	}
	return f
}

// stamped returns v as it is to be written; filters look at v itself.
func (f *format) stamped(v auditbridge.Verdict) auditbridge.Verdict {
	if f.facility != nil {
		v.Facility = *f.facility
	}
	if f.severity != nil {
		v.Severity = *f.severity
	}
	return v
}

// appendEvent appends the message of an event, of which v is the verdict.
func (f *format) appendEvent(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	f.verdict = f.stamped(*v)
	return f.event(dst, e, &f.verdict)
}

// appendPackets appends the message of an event as it goes over the connection,
// where the format has it so in several packets.
func (f *format) appendPackets(dst, message []byte, frame framer) []byte {
	if !f.packets {
		return frame(dst, message)
	}
	for parts := syslog.Cut(message); ; {
		var more bool
		if f.packet, more = parts.Next(f.packet[:0]); !more {
			return dst
		}
		dst = frame(dst, f.packet)
	}
}
