package syslog

import (
	"auditbridge/auditbridge"
)

// AppendEvent appends the message of one event, in the format called
// "rfc5424": all that is of interest stands in the structured data, and MSG is
// empty. Parameters come in a fixed order: what names the event, what it comes
// to, then the fields of its records. What a program claims is told from what
// the kernel stamped by the prefix "msg-". A message that would grow beyond
// the bound ends early, with truncated="yes".
func (f *Format) AppendEvent(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	start := len(dst)
	r := &e.Records[v.Deciding]
	w := params{dst: f.open(dst, e, v), end: start + f.max - len(truncatedMark)}
	w.identity(e, v, r)
	if e.Own() {
		w.add("text", r.Line[r.Body:])
		return w.close()
	}
	for i := range e.Records {
		w.record(&e.Records[i])
	}
	return w.close()
}

// AppendEnvelope appends what comes before MSG when that is the event itself,
// in some other format: a header and an element that names the event.
func (f *Format) AppendEnvelope(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	return append(f.open(dst, e, v), "] "...)
}

// open appends the header, and the structured data up to what names the event.
func (f *Format) open(dst []byte, e *auditbridge.Event, v *auditbridge.Verdict) []byte {
	dst = f.appendHeader(dst, e.ID, e.ID.Node, e.End != auditbridge.EndMalformed, v)
	dst = f.openElement(dst)
	dst = appendNumber(dst, "first", uint64(e.First))
	dst = appendNumber(dst, "last", uint64(e.Last))
	return appendNumber(dst, "records", uint64(len(e.Records)))
}

const truncatedMark = ` truncated="yes"]`

// params appends parameters until the bound is reached.
type params struct {
	dst  []byte
	end  int // dst does not grow beyond
	full bool
	said [4]uint64  // parameters there are, by index
	used [2048]byte // space for decoding; the rare longer value allocates
}

func (w *params) close() []byte {
	if w.full {
		return append(w.dst, truncatedMark...)
	}
	return append(w.dst, ']')
}

func (w *params) add(name string, value []byte) {
	need := len(name) + 4 // blank, equals sign, quotes
	if w.full || len(w.dst)+need >= w.end {
		w.full = true
		return
	}
	w.dst = append(w.dst, ' ')
	w.dst = append(w.dst, name...)
	w.dst = append(w.dst, '=', '"')
	var whole bool
	w.dst, whole = appendValue(w.dst, value, w.end-len(w.dst)-1)
	w.dst = append(w.dst, '"')
	w.full = !whole
}

func (w *params) addText(name, value string) {
	w.add(name, append(w.used[:0], value...))
}

// identity appends what names the event and what it comes to.
func (w *params) identity(e *auditbridge.Event, v *auditbridge.Verdict, r *auditbridge.Record) {
	if e.End != auditbridge.EndMalformed {
		w.dst = appendNumber(w.dst, "serial", uint64(e.ID.Serial))
		w.add("type", r.TypeName())
	}
	w.addText("class", v.Class.String())
	if v.Result != auditbridge.NoResult {
		w.addText("result", v.Result.String())
	}
	if len(v.Reason) > 0 {
		w.add("reason", v.Reason)
	}
	if e.End != auditbridge.EndEOE && e.End != auditbridge.EndComplete {
		w.addText("ended", e.End.String())
	}
	if v.Doubtful {
		w.addText("doubtful", "yes")
	}
}

// record appends the fields of a record that have a parameter.
func (w *params) record(r *auditbridge.Record) {
	if r.Body == 0 {
		w.add("line", r.Line)
		return
	}
	for f := r.Stamped(); f.Next(); {
		w.field(stampedParam(&f, r.Type), &f, r.Type)
	}
	known := true
	for f := r.Claims(); f.Next(); {
		p := paramOf(claimedByKey, &f)
		known = known && (p != nil || string(f.Key) == "res") // res is the result
		w.field(p, &f, r.Type)
	}
	if !known {
		w.add("msg-text", r.Message())
	}
}

// field appends a field as p, unless it says nothing or p was said: records of
// one event repeat each other, and the first, which decides, counts.
func (w *params) field(p *param, f *auditbridge.Fields, t auditbridge.RecordType) {
	if p == nil || auditbridge.IsPlaceholder(f.Value) {
		return
	}
	if !p.repeats {
		if w.said[p.index/64]&(1<<(p.index%64)) != 0 {
			return
		}
		w.said[p.index/64] |= 1 << (p.index % 64)
	}
	w.add(p.name, f.AppendDecoded(w.used[:0], t))
}
