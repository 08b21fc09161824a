package forward

import (
	"bytes"
	"regexp"

	"auditbridge/auditbridge"
)

// filter decides which events a destination gets.
type filter struct {
	classes map[auditbridge.Class]bool // nil is all
	rules   []rule                     // nil is everything
	matches bool                       // some rule looks at the message
}

type rule struct {
	facility    auditbridge.Facility
	anyFacility bool
	severity    auditbridge.Severity
	match       *regexp.Regexp // nil is any
}

// newFilter compiles what Validate has approved.
func newFilter(c *Config) *filter {
	f := &filter{}
	for _, name := range c.Include {
		class, ok := auditbridge.ParseClass(name)
		if !ok { // "all"
			f.classes = nil
			break
		}
		if f.classes == nil {
			f.classes = map[auditbridge.Class]bool{}
		}
		f.classes[class] = true
	}
	for _, from := range c.Filters {
		r := rule{anyFacility: from.Facility == "", severity: auditbridge.Debug}
		r.facility, _ = auditbridge.ParseFacility(from.Facility)
		if s, ok := auditbridge.ParseSeverity(from.Severity); ok {
			r.severity = s
		}
		if from.Match != "" {
			r.match = regexp.MustCompile(from.Match)
			f.matches = true
		}
		f.rules = append(f.rules, r)
	}
	return f
}

// admission is what can be said before the message is written.
type admission int

const (
	excluded admission = iota
	admitted
	ifMatched // the message decides
)

// admit decides on an event. Alarms, what proves the journal whole, and what
// could not be understood pass whatever the configuration says.
func (f *filter) admit(e *auditbridge.Event, v *auditbridge.Verdict) admission {
	if f.classes == nil && f.rules == nil || alwaysPasses(e, v) {
		return admitted
	}
	if f.classes != nil && !f.classes[v.Class] {
		return excluded
	}
	if f.rules == nil {
		return admitted
	}
	best := excluded
	for i := range f.rules {
		switch r := &f.rules[i]; {
		case !r.holds(v):
		case r.match == nil:
			return admitted
		default:
			best = ifMatched
		}
	}
	return best
}

// matched decides on a message of an event that was admitted ifMatched.
func (f *filter) matched(v *auditbridge.Verdict, message []byte) bool {
	for i := range f.rules {
		if r := &f.rules[i]; r.holds(v) && (r.match == nil || r.match.Match(message)) {
			return true
		}
	}
	return false
}

func (r *rule) holds(v *auditbridge.Verdict) bool {
	return (r.anyFacility || r.facility == v.Facility) && v.Severity <= r.severity
}

// alwaysPasses is invariant 7, and what cannot be switched off: alarms, and
// what shows that a copy of the journal is whole or says what it lacks. By its text
// alone no record is believed to be ours; but here a liar gains no more than
// that his record is sent.
func alwaysPasses(e *auditbridge.Event, v *auditbridge.Verdict) bool {
	if v.Class == auditbridge.Alarm || v.Doubtful || v.Torn(e) {
		return true
	}
	for i := range e.Records {
		if r := &e.Records[i]; r.Body == 0 || bytes.HasPrefix(r.TypeName(), []byte("UNKNOWN[")) {
			return true
		}
	}
	return e.Own() && (v.MsgID == "CHECKPOINT" || v.MsgID == "GAP")
}
