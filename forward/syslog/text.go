package syslog

import (
	"strconv"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
	"auditbridge/auditbridge/summary"
)

// Texter writes events as text that people read and machines take apart again:
// key=value words, the event's own first, then for each record its type and
// every field it has, in order, with duplicates. It keeps scratch space: one
// goroutine at a time.
//
//	class=login result=fail reason="unknown user" summary="…" type=USER_AUTH pid=7120 … msg-op=password msg-acct="(unknown)"
//
// What a program claims has the prefix "msg-". Text is printable ASCII: any
// other byte, a quote and a backslash are \xHH, in keys a blank and an equals
// sign too; so no value can end before its end or begin another field.
type Texter struct {
	Interpreter *interpret.Interpreter // nil: ids stay numbers

	space []byte
}

// AppendVerdict appends the first part of the text: what the event comes to.
func (w *Texter) AppendVerdict(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	dst = append(dst, "class="...)
	dst = append(dst, v.Class.String()...)
	if v.Result != auditbridge.NoResult {
		dst = append(append(dst, " result="...), v.Result.String()...)
	}
	if len(v.Reason) > 0 {
		dst = appendWord(append(dst, " reason="...), v.Reason)
	}
	if e.End != auditbridge.EndEOE && e.End != auditbridge.EndComplete {
		dst = append(append(dst, " ended="...), e.End.String()...)
	}
	if v.Doubtful {
		dst = append(dst, " doubtful=yes"...)
	}
	w.space = summary.Append(w.space[:0], e, v, w.Interpreter)
	return appendWord(append(dst, " summary="...), w.space)
}

// AppendRecords appends the other part: what its records say. Once dst is longer
// than enough no record is begun: its owner cuts it there.
func (w *Texter) AppendRecords(dst []byte, e *auditbridge.Event, enough int) []byte {
	for i := range e.Records {
		r := &e.Records[i]
		if len(dst) > enough {
			break
		}
		if i > 0 {
			dst = append(dst, ' ')
		}
		if r.Body == 0 {
			dst = appendWord(append(dst, "line="...), r.Line)
			continue
		}
		dst = append(append(dst, "type="...), r.TypeName()...)
		dst = w.appendFields(dst, "", r.Stamped(), r.Type)
		dst = w.appendFields(dst, "msg-", r.Claims(), r.Type)
		dst = w.appendFields(dst, "", r.Resolved(), r.Type) // auditd's keys are in capitals
	}
	return dst
}

// appendFields appends fields of one kind. The words without a key come
// together, as PREFIXtext, where the first stands.
func (w *Texter) appendFields(dst []byte, prefix string, f auditbridge.Fields, t auditbridge.RecordType) []byte {
	words, said := f, false
	for f.Next() {
		if len(f.Key) > 0 {
			dst = appendKey(append(append(dst, ' '), prefix...), f.Key)
			w.space = f.AppendDecoded(w.space[:0], t)
		} else if !said {
			said = true
			dst = append(append(append(dst, ' '), prefix...), "text"...)
			w.space = words.AppendWords(w.space[:0])
		} else {
			continue
		}
		dst = appendWord(append(dst, '='), w.space)
	}
	return dst
}

func appendKey(dst, key []byte) []byte {
	for _, c := range key {
		dst = appendASCII(dst, c, c == ' ' || c == '=')
	}
	return dst
}

// appendWord appends a value, in quotes when it is not one plain word.
func appendWord[T string | []byte](dst []byte, value T) []byte {
	plain := len(value) > 0
	for i := range len(value) {
		c := value[i]
		plain = plain && c > ' ' && c <= '~' && c != '"' && c != '\\' && c != '='
	}
	if plain {
		return append(dst, value...)
	}
	dst = append(dst, '"')
	for i := range len(value) {
		dst = appendASCII(dst, value[i], false)
	}
	return append(dst, '"')
}

func appendASCII(dst []byte, c byte, special bool) []byte {
	if special || c < ' ' || c > '~' || c == '"' || c == '\\' {
		return append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, c)
}

// appendID appends what names the event and tells duplicates.
func appendID(dst []byte, e *auditbridge.Event) []byte {
	if e.End == auditbridge.EndMalformed {
		dst = append(dst, "no audit record"...)
	} else {
		dst = e.ID.AppendStamp(dst)
	}
	dst = strconv.AppendUint(append(dst, " records "...), uint64(e.First), 10)
	return strconv.AppendUint(append(dst, '-'), uint64(e.Last), 10)
}
