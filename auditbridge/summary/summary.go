package summary

import (
	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

// MaxLength bounds a sentence, in bytes.
const MaxLength = 4096

// Append appends one sentence about an event that was judged v. With in, ids
// become names and numbers words; nil leaves ids as numbers, but for those whose
// names stand in the record itself. The sentence holds bytes of the record, never
// a control character of ASCII, and so no newline: who shows it to a person makes
// the rest safe. It allocates nothing when dst has room for 2×MaxLength bytes.
func Append(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict, in *interpret.Interpreter) []byte {
	if e.End == auditbridge.EndMalformed {
		return append(dst, "A line that is no audit record."...)
	}
	s := newSentence(e, v, in)
	dst = s.appendActor(dst)
	if dst = append(dst, ' '); v.Result == auditbridge.Fail {
		dst = append(dst, s.row.failed...)
	} else {
		dst = append(dst, s.row.done...)
	}
	dst, _ = s.appendPhrase(append(dst, ' '), s.row.object)
	dst = trimBlank(dst)
	dst = s.appendProgram(dst)
	dst = s.appendOrigin(dst)
	dst = s.appendKey(dst)
	return append(s.appendResult(dst), '.')
}

// sentence is what the parts of a sentence are made from.
type sentence struct {
	in       *interpret.Interpreter
	event    *auditbridge.Event
	verdict  *auditbridge.Verdict
	deciding *auditbridge.Record
	call     *auditbridge.Record // the system call it happened in, nil if none
	message  bool                // the deciding record is a program's message
	row      *row
	actor    actor
	claims   claims
}

// numbers interprets with no names of users and groups.
var numbers interpret.Interpreter

func newSentence(e *auditbridge.Event, v *auditbridge.Verdict, in *interpret.Interpreter) sentence {
	if in == nil {
		in = &numbers
	}
	s := sentence{in: in, event: e, verdict: v, deciding: &e.Records[v.Deciding]}
	for i := range e.Records {
		if t := e.Records[i].Type; t == typeSyscall || t == typeUringop {
			s.call = &e.Records[i]
			break
		}
	}
	s.message = len(s.deciding.Message()) > 0
	if s.message {
		s.claims = readClaims(s.deciding)
	}
	s.row = s.findRow()
	s.actor = s.findActor()
	return s
}

// fields are those an object is made of: of a message what it claims.
func (s *sentence) fields() auditbridge.Fields {
	if s.message {
		return s.deciding.Claims()
	}
	return s.deciding.Stamped()
}

// appendResult says how it went; the verb of one of our own records does.
func (s *sentence) appendResult(dst []byte) []byte {
	switch {
	case s.event.Own() || s.verdict.Result == auditbridge.NoResult:
		return dst
	case s.verdict.Result == auditbridge.Success:
		return append(dst, ": success"...)
	}
	return appendReason(append(dst, ": "...), s.verdict.Reason)
}

const (
	typeLogin    auditbridge.RecordType = 1006
	typeSyscall  auditbridge.RecordType = 1300
	typePath     auditbridge.RecordType = 1302
	typeSockaddr auditbridge.RecordType = 1306
	typeCwd      auditbridge.RecordType = 1307
	typeExecve   auditbridge.RecordType = 1309
	typeObjPid   auditbridge.RecordType = 1318
	typeUringop  auditbridge.RecordType = 1336
)
