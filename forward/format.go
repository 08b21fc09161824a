package forward

import (
	"auditbridge/auditbridge"
	"auditbridge/forward/syslog"
)

// format writes a destination's messages: its own facility and severity, where
// it has them, stand in the header instead of the event's.
type format struct {
	*syslog.Format
	facility *auditbridge.Facility // nil is the event's own
	severity *auditbridge.Severity // the same
}

func newFormat(c *Config, journal string) format {
	f := format{Format: syslog.New(syslog.Config{Node: c.Node, PID: c.PID, Journal: journal, SDID: c.SDID, MaxBytes: c.MaxMessage})}
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
