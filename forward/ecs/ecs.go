// Package ecs writes events as JSON in the field names of the Elastic Common
// Schema, one object a line. It is pure and allocates nothing per event.
// docs/format/ecs.md is its description.
package ecs

import (
	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
	"auditbridge/auditbridge/outline"
	"auditbridge/auditbridge/summary"
)

// version is the schema's the names were taken from.
const version = "8.17.0"

// Writer writes events. The zero value is ready. It keeps scratch space: one
// goroutine at a time.
type Writer struct {
	Interpreter *interpret.Interpreter // nil: ids stay numbers where the record has no name

	object
	outline outline.Outline
	meaning *meaning
	action  []byte
	fields  []field
	space   []byte
	related related
}

// AppendEvent appends an event, its LF included.
func (w *Writer) AppendEvent(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	w.dst = append(dst, '{')
	w.space, w.related = w.space[:0], related{}
	w.outline.Read(e, v)
	w.classify(e, v)
	if e.End != auditbridge.EndMalformed {
		w.key("@timestamp")
		w.dst = append(e.ID.AppendTime(append(w.dst, '"')), '"')
	}
	w.open("ecs")
	w.say("version", version)
	w.close()
	start := len(w.space)
	w.space = summary.Append(w.space, e, v, w.Interpreter)
	w.text("message", w.space[start:])
	w.tags(w.outline.Key)
	w.event(e, v)
	w.log(v)
	w.host(e)
	w.users(e)
	w.process(e)
	w.network()
	w.file()
	w.subjects()
	w.open("related")
	w.list("user", w.related.users[:])
	w.list("ip", w.related.ips[:])
	w.list("hosts", w.related.hosts[:])
	w.close()
	w.own(e, v)
	w.auditd(e, v)
	dst, w.dst = append(w.dst, "}\n"...), nil
	return dst
}

// classify finds the event's meaning and its action.
func (w *Writer) classify(e *auditbridge.Event, v *auditbridge.Verdict) {
	r := &e.Records[v.Deciding]
	name := r.TypeName()
	m := meanings().types[string(name)]
	if m == nil || e.Own() {
		m = meanings().msgIDs[v.MsgID]
	}
	if m == nil {
		m = meanings().msgIDs["UNKNOWN"]
	}
	call := m.byCall && w.outline.Call != nil
	action := m.action
	if call {
		if m = meanings().calls[string(w.outline.Call)]; m == nil {
			m = meanings().call
		}
		if m == meanings().calls["open"] && string(w.outline.PathType) == "CREATE" {
			m = meanings().calls["creat"]
		}
		if action == "" {
			action = m.action
		}
	}
	w.meaning = m
	switch {
	case action != "":
		w.action = w.keep(action)
	case call:
		w.action = w.outline.Call
	case e.Own():
		w.action, _ = r.Stamped().Lookup("op")
	default:
		w.action = w.lower(name, '_', '-')
	}
}

// keep returns s in the writer's own space.
func (w *Writer) keep(s string) []byte {
	start := len(w.space)
	w.space = append(w.space, s...)
	return w.space[start:len(w.space):len(w.space)]
}

// lower returns name in lower case, with b for a.
func (w *Writer) lower(name []byte, a, b byte) []byte {
	start := len(w.space)
	for _, c := range name {
		switch {
		case c == a:
			c = b
		case 'A' <= c && c <= 'Z':
			c += 'a' - 'A'
		}
		w.space = append(w.space, c)
	}
	return w.space[start:len(w.space):len(w.space)]
}

// tags are the keys of the rule that matched, joined by 0x01.
func (w *Writer) tags(keys []byte) {
	if len(keys) == 0 {
		return
	}
	w.key("tags")
	w.dst = append(w.dst, '[')
	for start, i := 0, 0; i <= len(keys); i++ {
		if i == len(keys) || keys[i] == 0x01 {
			w.item(keys[start:i])
			start = i + 1
		}
	}
	w.dst = append(w.dst, ']')
}

func (w *Writer) event(e *auditbridge.Event, v *auditbridge.Verdict) {
	r := &e.Records[v.Deciding]
	w.open("event")
	w.say("kind", w.meaning.kind)
	w.key("category")
	w.dst = append(append(append(w.dst, '['), w.meaning.categories...), ']')
	w.key("type")
	w.dst = append(append(append(w.dst, '['), w.meaning.types...), ']')
	w.text("action", w.action)
	switch v.Result {
	case auditbridge.Success:
		w.say("outcome", "success")
	case auditbridge.Fail:
		w.say("outcome", "failure")
		w.text("reason", v.Reason)
	default:
		w.say("outcome", "unknown")
	}
	w.say("provider", "auditbridge")
	w.text("code", r.TypeName())
	if r.Body == 0 {
		w.text("original", r.Line)
	} else {
		start := len(w.space)
		w.space = e.ID.AppendStamp(w.space)
		w.text("id", w.space[start+len("audit("):len(w.space)-len(")")])
		w.count("sequence", uint64(e.ID.Serial))
	}
	w.count("severity", uint64(v.Severity))
	w.close()
}

func (w *Writer) log(v *auditbridge.Verdict) {
	w.open("log")
	w.open("syslog")
	w.count("priority", uint64(v.Facility)*8+uint64(v.Severity))
	w.open("facility")
	w.count("code", uint64(v.Facility))
	w.say("name", v.Facility.String())
	w.close()
	w.open("severity")
	w.count("code", uint64(v.Severity))
	w.say("name", v.Severity.String())
	w.close()
	w.close()
	w.close()
}

func (w *Writer) host(e *auditbridge.Event) {
	w.open("host")
	if e.ID.Node != "" {
		name := w.keep(e.ID.Node)
		w.text("name", name)
		w.related.host(name)
	}
	w.close()
}

// own says of the event what the schema has no name for.
func (w *Writer) own(e *auditbridge.Event, v *auditbridge.Verdict) {
	w.open("auditbridge")
	w.say("class", v.Class.String())
	w.count("records", uint64(len(e.Records)))
	if e.End != auditbridge.EndEOE && e.End != auditbridge.EndComplete {
		w.say("ended", e.End.String())
	}
	if v.Doubtful {
		w.say("doubtful", "yes")
	}
	w.close()
}
