package jsonline

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"auditbridge/auditbridge"
)

// view is one of the ways in which the fields of a record are shown.
type view uint8

const (
	asText  view = iota // strings, of which some are not exact
	asHex               // the exact bytes of those
	asMeant             // what values mean, where that is more than they say
)

// appendRecord appends a record as an object.
func (w *Writer) appendRecord(dst []byte, e *auditbridge.Event, r *auditbridge.Record) []byte {
	if r.Body == 0 {
		return append(appendLine(append(dst, '{'), r.Line), '}')
	}
	w.inexact = false
	dst = append(dst, `{"type":`...)
	dst, _ = appendString(dst, r.TypeName())
	dst = w.appendParts(append(dst, ','), e, r, asText)
	if w.inexact {
		dst = append(w.appendParts(append(dst, `,"hex":{`...), e, r, asHex), '}')
	}
	if w.Interpreter != nil {
		start := len(dst)
		dst = append(dst, `,"interpreted":`...)
		var some bool
		if dst, some = w.appendFields(dst, e, r, asMeant); !some {
			dst = dst[:start]
		}
	}
	return append(dst, '}')
}

// appendLine appends a line as it stands.
func appendLine(dst, line []byte) []byte {
	dst, exact := appendString(append(dst, `"line":`...), line)
	if !exact {
		dst = appendHex(append(dst, `,"line_hex":`...), line)
	}
	return dst
}

// appendParts appends the members fields and, where auditd has resolved
// something, resolved.
func (w *Writer) appendParts(dst []byte, e *auditbridge.Event, r *auditbridge.Record, how view) []byte {
	dst, _ = w.appendFields(append(dst, `"fields":`...), e, r, how)
	resolved := r.Resolved()
	if resolved.Empty() {
		return dst
	}
	start := len(dst)
	dst, some := w.appendMembers(append(dst, `,"resolved":{`...), resolved, e, r, how)
	if !some {
		return dst[:start]
	}
	return append(dst, '}')
}

// appendFields appends what was stamped as an object, with what is claimed as
// its member msg, and reports whether there is anything in it.
func (w *Writer) appendFields(dst []byte, e *auditbridge.Event, r *auditbridge.Record, how view) ([]byte, bool) {
	dst, some := w.appendMembers(append(dst, '{'), r.Stamped(), e, r, how)
	claims := r.Claims()
	if claims.Empty() {
		return append(dst, '}'), some
	}
	start := len(dst)
	if some {
		dst = append(dst, ',')
	}
	dst, more := w.appendMembers(append(dst, `"msg":{`...), claims, e, r, how)
	if !more {
		return append(dst[:start], '}'), some
	}
	return append(dst, "}}"...), true
}

// appendMembers appends the fields of one part, each as a member of its own, and
// reports whether there are any.
func (w *Writer) appendMembers(dst []byte, f auditbridge.Fields, e *auditbridge.Event, r *auditbridge.Record, how view) ([]byte, bool) {
	start, all := len(dst), f
	w.keys = w.keys[:0]
	var seen [4]uint64 // a bit for each key, perhaps the same for two
	words := false
	for f.Next() {
		before := len(dst)
		if before > start {
			dst = append(dst, ',')
		}
		if len(f.Key) == 0 { // a word
			var said bool
			if !words {
				words = true
				dst, said = w.appendWords(dst, f, how)
			}
			if !said {
				dst = dst[:before]
			}
			continue
		}
		h := uint(len(f.Key))*83 + uint(f.Key[0])*5 + uint(f.Key[len(f.Key)-1])*29
		word, bit := &seen[h/64%4], uint64(1)<<(h%64)
		if *word&bit != 0 && w.has(f.Key) || len(w.keys) == manyKeys {
			return w.appendGrouped(dst[:start], all, e, r, how)
		}
		*word |= bit
		w.keys = append(w.keys, f.Key)
		if how == asText && isPlain(&f, r.Type) {
			dst = appendPlain(dst, f.Key, f.Value)
			continue
		}
		dst = w.appendKey(dst, f.Key)
		said := false
		if dst, said = w.appendValue(dst, &f, e, r, how); !said {
			dst = dst[:before]
		}
	}
	return dst, len(dst) > start
}

// appendKey appends a key and its colon. No key holds an equals sign, so one at
// the end tells that a key is not written as it stands: "text=" and "msg=" are not
// the members of ours, and a key that is not UTF-8 is in hex.
func (w *Writer) appendKey(dst, key []byte) []byte {
	start := len(dst)
	if plain(key) == len(key) && string(key) != "msg" && string(key) != "text" {
		return append(append(append(dst, '"'), key...), '"', ':')
	}
	dst, exact := appendString(dst, key)
	if !exact {
		dst = appendHex(dst[:start], key)
	}
	if !exact || string(key) == "msg" || string(key) == "text" {
		dst = append(dst[:len(dst)-1], '=', '"')
	}
	return append(dst, ':')
}

// isPlain reports whether key and value stand for themselves in JSON.
func isPlain(f *auditbridge.Fields, t auditbridge.RecordType) bool {
	if t == typeSockaddr || t == typeProctitle || f.Encoded(t) || plain(f.Value) < len(f.Value) || plain(f.Key) < len(f.Key) {
		return false
	}
	return string(f.Key) != "msg" && string(f.Key) != "text"
}

// appendPlain appends "key":"value" of such, with one look at the room there is:
// nearly all fields are.
func appendPlain(dst, key, value []byte) []byte {
	n, size := len(dst), len(key)+len(value)+len(`"":""`)
	dst = slices.Grow(dst, size)[:n+size]
	b := dst[n:]
	b[0] = '"'
	i := 1 + copy(b[1:], key)
	b[i], b[i+1], b[i+2] = '"', ':', '"'
	i += 3
	b[i+copy(b[i:], value)] = '"'
	return dst
}

// manyKeys is more than any record of the kernel has.
const manyKeys = 64

// hash is FNV-1a: keys are short, and any spread will do.
func hash(key []byte) uint32 {
	h := uint32(2166136261)
	for _, c := range key {
		h = (h ^ uint32(c)) * 16777619
	}
	return h ^ h>>15
}

func (w *Writer) has(key []byte) bool {
	for _, k := range w.keys {
		if bytes.Equal(k, key) {
			return true
		}
	}
	return false
}

// appendValue appends the value f stands at. It reports false, whatever was
// appended, when this view of it has nothing to say.
func (w *Writer) appendValue(dst []byte, f *auditbridge.Fields, e *auditbridge.Event, r *auditbridge.Record, how view) ([]byte, bool) {
	if how == asMeant {
		var ok bool
		if w.space, ok = w.Interpreter.AppendValue(w.space[:0], e, r, f); !ok {
			return dst, false
		}
		if n := len(w.space); f.Encoded(r.Type) {
			w.space = f.AppendDecoded(w.space, r.Type)
			if bytes.Equal(w.space[:n], w.space[n:]) {
				return dst, false
			}
			w.space = w.space[:n]
		}
		dst, _ = appendString(dst, w.space)
		return dst, true
	}
	if how == asText && r.Type == typeSockaddr && string(f.Key) == "saddr" {
		return w.appendAddress(dst, f, e, r), true
	}
	value := f.Value
	title := r.Type == typeProctitle && string(f.Key) == "proctitle"
	if f.Encoded(r.Type) {
		t := r.Type
		if title {
			t = 0 // the NULs between arguments stay
		}
		w.space = f.AppendDecoded(w.space[:0], t)
		value = w.space
	}
	switch {
	case how == asHex && utf8.Valid(value):
		return dst, false
	case how == asHex:
		return appendHex(dst, value), true
	case title:
		return w.appendTitle(dst, value), true
	}
	dst, exact := appendString(dst, value)
	w.inexact = w.inexact || !exact
	return dst, true
}

// appendTitle appends the arguments that a process title is made of; joined by
// NULs they are the title.
func (w *Writer) appendTitle(dst, title []byte) []byte {
	dst = append(dst, '[')
	for {
		argument, rest, more := bytes.Cut(title, []byte{0})
		var exact bool
		dst, exact = appendString(dst, argument)
		w.inexact = w.inexact || !exact
		if !more {
			return append(dst, ']')
		}
		dst = append(dst, ',')
		title = rest
	}
}

// appendWords appends the words without a key, from the one f stands at on, as
// one member: "avc: denied { read } for".
func (w *Writer) appendWords(dst []byte, f auditbridge.Fields, how view) ([]byte, bool) {
	if how == asMeant {
		return dst, false
	}
	w.space = w.space[:0]
	for first, ok := true, true; ok; ok = f.Next() {
		if len(f.Key) > 0 {
			continue
		}
		if !first {
			w.space = append(w.space, ' ')
		}
		first = false
		if f.Form == auditbridge.Braced {
			w.space = append(append(append(w.space, "{ "...), f.Value...), " }"...)
			continue
		}
		w.space = f.AppendDecoded(w.space, 0)
	}
	dst = append(dst, `"text":`...)
	if how == asHex {
		return appendHex(dst, w.space), !utf8.Valid(w.space)
	}
	dst, exact := appendString(dst, w.space)
	w.inexact = w.inexact || !exact
	return dst, true
}

// member is a field where keys may repeat.
type member struct {
	field auditbridge.Fields
	next  int32 // the next one of its key; 0 is none
	last  int32 // of the first of a key: the last one of it so far
	again bool  // its key stood before; it is written there
}

// appendGrouped is appendMembers for a part in which keys repeat, or are many.
// Where a view has nothing to say of one of several values it is null.
func (w *Writer) appendGrouped(dst []byte, f auditbridge.Fields, e *auditbridge.Event, r *auditbridge.Record, how view) ([]byte, bool) {
	w.group(f)
	start := len(dst)
	for i := range w.members {
		m := &w.members[i]
		if m.again {
			continue
		}
		before, said := len(dst), false
		if before > start {
			dst = append(dst, ',')
		}
		if len(m.field.Key) == 0 {
			dst, said = w.appendWords(dst, m.field, how)
		} else {
			dst, said = w.appendValues(w.appendKey(dst, m.field.Key), m, e, r, how)
		}
		if !said {
			dst = dst[:before]
		}
	}
	return dst, len(dst) > start
}

// group collects the fields of a part in w.members, those of one key linked. Of
// the words without a key it takes the first.
func (w *Writer) group(f auditbridge.Fields) {
	w.members = w.members[:0]
	for f.Next() {
		w.members = append(w.members, member{field: f})
	}
	size := 1
	for size < 2*len(w.members) {
		size *= 2
	}
	w.slots = append(w.slots[:0], make([]int32, size)...) // of first ones, plus one
	for i := range w.members {
		m := &w.members[i]
		for at := hash(m.field.Key); ; at++ {
			slot := &w.slots[at%uint32(size)]
			if *slot == 0 {
				*slot, m.last = int32(i+1), int32(i)
				break
			}
			if first := &w.members[*slot-1]; bytes.Equal(first.field.Key, m.field.Key) {
				w.members[first.last].next, first.last, m.again = int32(i), int32(i), true
				break
			}
		}
	}
}

// appendValues appends the value of m, or a list of all values of its key.
func (w *Writer) appendValues(dst []byte, m *member, e *auditbridge.Event, r *auditbridge.Record, how view) ([]byte, bool) {
	if m.next == 0 {
		return w.appendValue(dst, &m.field, e, r, how)
	}
	dst = append(dst, '[')
	some := false
	for {
		before, said := len(dst), false
		if dst, said = w.appendValue(dst, &m.field, e, r, how); !said {
			dst = append(dst[:before], "null"...)
		}
		some = some || said
		if m.next == 0 {
			return append(dst, ']'), some
		}
		dst = append(dst, ',')
		m = &w.members[m.next]
	}
}

const (
	typeSockaddr  auditbridge.RecordType = 1306
	typeExecve    auditbridge.RecordType = 1309
	typeProctitle auditbridge.RecordType = 1327
)
