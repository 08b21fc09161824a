package cef

import (
	"auditbridge/auditbridge"
)

// alarm is the kind and the number that a record of an alarm of ours has, raised or
// cleared; nil for every other event. The two records of one alarm have the same.
func alarm(e *auditbridge.Event) (kind, number []byte) {
	if !e.Own() {
		return nil, nil
	}
	fields := e.Records[0].Stamped()
	if op, _ := fields.Lookup("op"); string(op) != "alarm-raised" && string(op) != "alarm-cleared" {
		return nil, nil
	}
	kind, named := fields.Lookup("alarm")
	number, numbered := fields.Lookup("number")
	if !named || !numbered {
		return nil, nil
	}
	return kind, number
}

// advice is how a record of a raised alarm says what it means and what to do; what is
// cleared has none.
var advice = []struct{ key, before, behind string }{
	{"title", "TITLE: ", ""}, {"of", " (", ")"}, {"description", " -- DESCRIPTION: ", ""}, {"remedy", " -- REMEDIATION: ", ""},
}

// appendAdvice appends it in the words of the users' documents; nothing of an event that
// has no description.
func appendAdvice(dst []byte, e *auditbridge.Event) []byte {
	r := &e.Records[0]
	if kind, _ := alarm(e); kind == nil {
		return dst
	}
	if _, raised := r.Stamped().Lookup("description"); !raised {
		return dst
	}
	for _, part := range advice {
		if f := r.Stamped(); f.Find(part.key) {
			dst = append(f.AppendDecoded(append(dst, part.before...), r.Type), part.behind...)
		}
	}
	return dst
}
