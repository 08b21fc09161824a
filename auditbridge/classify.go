package auditbridge

import "bytes"

// Verdict is what the program makes of an event.
type Verdict struct {
	Class    Class
	Facility Facility
	Severity Severity
	Result   Result
	Reason   []byte // why it failed, nil otherwise; aliases the event or is constant
	MsgID    string // RFC 5424 MSGID
	Deciding int    // index of the record the verdict rests on
	Role     Role   // of that record
	Doubtful bool   // not understood or not whole: passes every filter
}

// Classify judges an event by classes.txt. The first record of role single or
// primary decides, else the system call by its rule's keys; our own records go
// by their op. What a program claims inside msg='…' never changes the class.
// Classify allocates nothing.
func Classify(e *Event) Verdict {
	i, k := deciding(e)
	v := Verdict{Class: k.class, Facility: k.facility, MsgID: k.msgID, Deciding: i}
	v.Result, v.Reason = resultOf(e, i)
	v.Severity = k.success
	if v.Result == Fail {
		v.Severity = k.failure
	}
	if k.msgID == "ALARM" && e.Own() {
		v.Severity = alarmSeverity(&e.Records[i], v.Severity)
	}
	v.Role = k.role
	v.Doubtful = !k.known || e.End == EndLimit || k.role == Auxiliary || k.role == Last
	return v
}

// alarmSeverity is the severity that a record of a raised alarm says.
func alarmSeverity(r *Record, otherwise Severity) Severity {
	name, _ := r.Stamped().Lookup("severity")
	if severity, known := ParseSeverity(string(name)); known && severity < Debug {
		return severity
	}
	return otherwise
}

// Torn reports whether the verdict rests on a record that does not decide by
// itself, of an event that did not end as it should: what would have decided
// may be missing. LOGIN or a user message is whole whatever ended its event; an
// EOE that came late says nothing.
func (v *Verdict) Torn(e *Event) bool {
	whole := e.End == EndEOE || e.End == EndComplete
	return !whole && (v.Role == Syscall || v.Role == Auxiliary || v.Role == Last)
}

// deciding returns the record that decides the event and the row that holds.
func deciding(e *Event) (int, *kind) {
	if e.Own() {
		return 0, ownKind(&e.Records[0])
	}
	best, bestKind := 0, kindOf(e.Records[0].Type)
	for i := range e.Records {
		switch k := kindOf(e.Records[i].Type); k.role {
		case Single, Primary:
			return i, k
		case Syscall:
			if bestKind.role != Syscall {
				best, bestKind = i, k
			}
		}
	}
	if bestKind.byKey {
		if k := keyKind(&e.Records[best]); k != nil {
			return best, k
		}
	}
	return best, bestKind
}

// ownKind is the row of one of our own records. Its op is its first field.
func ownKind(r *Record) *kind {
	op, _ := r.Stamped().Lookup("op")
	if k := classes().ops[string(op)]; k != nil {
		return k
	}
	return classes().other
}

// keyKind is the row of the first of a syscall's keys that has one. Several
// keys are joined by 0x01 and then written in hex (AUDIT_KEY_SEPARATOR).
func keyKind(r *Record) *kind {
	var space [maxKey]byte
	f := ScanFields(callField(r, "key="))
	f.Key = keyKey
	f.value(f.rest)
	if len(f.Value) > 2*maxKey || IsPlaceholder(f.Value) {
		return nil
	}
	for keys := f.AppendDecoded(space[:0], r.Type); len(keys) > 0; {
		var key []byte
		key, keys, _ = bytes.Cut(keys, []byte{0x01})
		if k := classes().keys[string(key)]; k != nil {
			return k
		}
	}
	return nil
}

var keyKey = []byte("key")

// maxKey is AUDIT_MAX_KEY_LEN: all keys of a rule together.
const maxKey = 256
