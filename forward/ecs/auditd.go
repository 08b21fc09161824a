package ecs

import (
	"bytes"
	"slices"

	"auditbridge/auditbridge"
	"auditbridge/forward/jsonline"
)

type field struct{ key, value []byte }

// auditd writes the records: data has every field that kernel and auditd wrote,
// claimed those of programs' messages. A key that several records have, or one
// has twice, has a list, in order. EXECVE's arguments are process.args and stand
// nowhere else: a thousand of them would be a thousand fields of an index.
func (w *Writer) auditd(e *auditbridge.Event, v *auditbridge.Verdict) {
	if e.End == auditbridge.EndMalformed {
		return
	}
	w.open("auditd")
	w.text("message_type", w.lower(e.Records[v.Deciding].TypeName(), 0, 0))
	w.count("sequence", uint64(e.ID.Serial))
	w.text("session", w.outline.Session)
	if v.Result != auditbridge.NoResult {
		w.say("result", v.Result.String())
	}
	w.types(e)
	w.fields = w.fields[:0]
	for i := range e.Records {
		r := &e.Records[i]
		w.collect(r.Stamped(), r.Type)
		w.collect(r.Resolved(), r.Type)
	}
	w.data("data")
	w.fields = w.fields[:0]
	for i := range e.Records {
		r := &e.Records[i]
		w.collect(r.Claims(), r.Type)
	}
	w.data("claimed")
	w.close()
}

func (w *Writer) types(e *auditbridge.Event) {
	w.key("record_types")
	w.dst = append(w.dst, '[')
	for i := range e.Records {
		w.item(e.Records[i].TypeName())
	}
	w.dst = append(w.dst, ']')
}

// collect takes the fields; words without a key come together, as text.
func (w *Writer) collect(f auditbridge.Fields, t auditbridge.RecordType) {
	words, said := f, false
	for f.Next() {
		start := len(w.space)
		key := f.Key
		switch {
		case len(key) == 0 && said, t == typeExecve && isArgument(key):
			continue
		case len(key) == 0:
			key, said = textKey, true
			w.space = words.AppendWords(w.space)
		default:
			w.space = f.AppendDecoded(w.space, t)
		}
		w.fields = append(w.fields, field{key, w.space[start:len(w.space):len(w.space)]})
	}
}

var textKey = []byte("text")

// data writes the collected fields in the order of their keys.
func (w *Writer) data(name string) {
	slices.SortStableFunc(w.fields, func(a, b field) int { return bytes.Compare(a.key, b.key) })
	w.open(name)
	for i := 0; i < len(w.fields); {
		n := i + 1
		for n < len(w.fields) && bytes.Equal(w.fields[n].key, w.fields[i].key) {
			n++
		}
		w.comma()
		w.dst = append(appendName(w.dst, w.fields[i].key), ':')
		if n-i == 1 {
			w.dst = jsonline.AppendString(w.dst, w.fields[i].value)
		} else {
			w.dst = append(w.dst, '[')
			for _, f := range w.fields[i:n] {
				w.item(f.value)
			}
			w.dst = append(w.dst, ']')
		}
		i = n
	}
	w.close()
}

// appendName appends a field's key as the name of a member. A byte that is not
// printable ASCII, a quote and a backslash are written as \xHH, so that no two
// keys get one name.
func appendName(dst, key []byte) []byte {
	dst = append(dst, '"')
	for _, c := range key {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			dst = append(dst, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

const hexDigits = "0123456789ABCDEF"
