// Package jsonline writes events as JSON, one object a line. It is pure and
// allocates nothing per event. docs/format/json.md is its description.
package jsonline

import (
	"bytes"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/summary"
)

// Writer writes events. It keeps scratch space: one goroutine at a time.
type Writer struct {
	fields  []field
	repeats bool   // some field has again set
	space   []byte // decoded values and the summary
}

type field struct {
	key, value []byte
	unset      bool
	again      bool // its key stood before; it is written there
}

// AppendEvent appends an event, its LF included. Every value is a string as
// its writer had it, hex decoded; null stands for a placeholder such as
// "(none)" or the id that was never set, a list for a key that stands in a
// record more than once. What a program claims stands under "msg", apart from
// what the kernel stamped.
func (w *Writer) AppendEvent(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	dst = append(dst, '{')
	if e.End != auditbridge.EndMalformed {
		dst = append(dst, `"time":"`...)
		dst = e.ID.AppendTime(dst)
		dst = append(dst, `","node":`...)
		dst = appendString(dst, []byte(e.ID.Node))
		dst = append(dst, `,"serial":`...)
		dst = strconv.AppendUint(dst, uint64(e.ID.Serial), 10)
		dst = append(dst, ',')
	}
	dst = append(dst, `"class":"`...)
	dst = append(dst, v.Class.String()...)
	dst = append(dst, '"')
	if v.Result != auditbridge.NoResult {
		dst = append(dst, `,"result":"`...)
		dst = append(dst, v.Result.String()...)
		dst = append(dst, '"')
	}
	if len(v.Reason) > 0 {
		dst = append(dst, `,"reason":`...)
		dst = appendString(dst, v.Reason)
	}
	if v.Doubtful {
		dst = append(dst, `,"doubtful":"`...)
		dst = append(dst, e.End.String()...)
		dst = append(dst, '"')
	}
	w.space = summary.Append(w.space[:0], e, v, nil)
	dst = append(dst, `,"summary":`...)
	dst = appendString(dst, w.space)
	dst = append(dst, `,"records":[`...)
	for i := range e.Records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.appendRecord(dst, &e.Records[i])
	}
	return append(dst, "]}\n"...)
}

func (w *Writer) appendRecord(dst []byte, r *auditbridge.Record) []byte {
	if r.Body == 0 {
		dst = append(dst, `{"line":`...)
		return append(appendString(dst, r.Line), '}')
	}
	dst = append(dst, `{"type":`...)
	dst = appendString(dst, r.TypeName())
	dst = append(dst, `,"fields":{`...)
	empty := len(dst)
	dst = w.appendFields(dst, r.Stamped(), r.Type)
	start := len(dst)
	if start > empty {
		dst = append(dst, ',')
	}
	dst = append(dst, `"msg":{`...)
	claims := len(dst)
	if dst = w.appendFields(dst, r.Claims(), r.Type); len(dst) == claims {
		dst = dst[:start]
	} else {
		dst = append(dst, '}')
	}
	dst = append(dst, '}')
	start = len(dst)
	dst = append(dst, `,"resolved":{`...)
	names := len(dst)
	if dst = w.appendFields(dst, r.Resolved(), r.Type); len(dst) == names {
		return append(dst[:start], '}')
	}
	return append(dst, "}}"...)
}

// appendFields appends members. Words without a key come as one, "text".
func (w *Writer) appendFields(dst []byte, f auditbridge.Fields, t auditbridge.RecordType) []byte {
	w.collect(f, t)
	first := true
	for i := range w.fields {
		m := &w.fields[i]
		if m.again {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendString(dst, m.key)
		dst = append(dst, ':')
		if !w.repeats || !w.repeated(i) {
			dst = appendField(dst, m)
			continue
		}
		dst = append(dst, '[')
		dst = appendField(dst, m)
		for j := i + 1; j < len(w.fields); j++ {
			if n := &w.fields[j]; n.again && bytes.Equal(n.key, m.key) {
				dst = appendField(append(dst, ','), n)
			}
		}
		dst = append(dst, ']')
	}
	return dst
}

var textKey = []byte("text")

// collect decodes the fields of one part of a record into w.fields.
func (w *Writer) collect(f auditbridge.Fields, t auditbridge.RecordType) {
	w.fields, w.space = w.fields[:0], w.space[:0]
	w.repeats = false
	words, seen := f, uint64(0)
	text := -1 // index of the words
	for f.Next() {
		if len(f.Key) == 0 {
			if text < 0 {
				text = len(w.fields)
				w.fields = append(w.fields, field{key: textKey})
			}
			continue
		}
		m := field{key: f.Key, value: f.Value, unset: auditbridge.IsPlaceholder(f.Value)}
		if f.Form == auditbridge.Bare && !m.unset {
			start := len(w.space)
			w.space = f.AppendDecoded(w.space, t)
			m.value = w.space[start:len(w.space):len(w.space)]
		}
		bit := uint64(1) << ((uint(len(m.key))*7 + uint(m.key[0])*5 + uint(m.key[len(m.key)-1])) % 64)
		m.again = seen&bit != 0 && w.has(m.key)
		seen |= bit
		w.repeats = w.repeats || m.again
		w.fields = append(w.fields, m)
	}
	if text >= 0 {
		w.fields[text].value = w.joinWords(words)
	}
}

// joinWords puts the words without a key together, as "avc: denied { read } for".
func (w *Writer) joinWords(f auditbridge.Fields) []byte {
	start := len(w.space)
	for f.Next() {
		if len(f.Key) > 0 {
			continue
		}
		if len(w.space) > start {
			w.space = append(w.space, ' ')
		}
		if f.Form == auditbridge.Braced {
			w.space = append(append(append(w.space, "{ "...), f.Value...), " }"...)
			continue
		}
		w.space = append(w.space, f.Value...)
	}
	return w.space[start:]
}

func (w *Writer) has(key []byte) bool {
	for i := range w.fields {
		if bytes.Equal(w.fields[i].key, key) {
			return true
		}
	}
	return false
}

func (w *Writer) repeated(i int) bool {
	for j := i + 1; j < len(w.fields); j++ {
		if w.fields[j].again && bytes.Equal(w.fields[j].key, w.fields[i].key) {
			return true
		}
	}
	return false
}

func appendField(dst []byte, m *field) []byte {
	if m.unset {
		return append(dst, "null"...)
	}
	return appendString(dst, m.value)
}

// appendString appends a JSON string. Bytes that are not UTF-8 become U+FFFD.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	plain := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < 0x7f {
			i++
			continue
		}
		dst = append(dst, s[plain:i]...)
		size := 1
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < utf8.RuneSelf:
			dst = appendUnit(dst, uint16(c))
		default:
			var r rune
			r, size = utf8.DecodeRune(s[i:])
			dst = appendRune(dst, r)
		}
		i += size
		plain = i
	}
	dst = append(dst, s[plain:]...)
	return append(dst, '"')
}

// appendRune escapes what a terminal would not just show: C1, what turns the
// reading direction, what is not assigned.
func appendRune(dst []byte, r rune) []byte {
	switch {
	case unicode.IsPrint(r) || r == utf8.RuneError:
		return utf8.AppendRune(dst, r)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return appendUnit(appendUnit(dst, uint16(high)), uint16(low))
	}
	return appendUnit(dst, uint16(r))
}

func appendUnit(dst []byte, u uint16) []byte {
	return append(dst, '\\', 'u', hexDigits[u>>12], hexDigits[u>>8&15], hexDigits[u>>4&15], hexDigits[u&15])
}

const hexDigits = "0123456789abcdef"
