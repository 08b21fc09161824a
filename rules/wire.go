package rules

import (
	"encoding/binary"
	"fmt"
)

// wireHeader is the size of struct audit_rule_data without the strings behind it:
// list, action, number of fields, calls, three arrays of fields, length of the strings.
const wireHeader = 4 * (3 + maskWords + 3*maxFields + 1)

// AppendWire appends the rule as AUDIT_ADD_RULE and AUDIT_DEL_RULE take it
// (include/uapi/linux/audit.h, struct audit_rule_data), in the host's byte order.
func (r *Rule) AppendWire(dst []byte) []byte {
	flags := uint32(r.List)
	if r.Prepend {
		flags |= prepend
	}
	word := func(n uint32) { dst = binary.NativeEndian.AppendUint32(dst, n) }
	column := func(value func(Field) uint32) {
		for i := range maxFields {
			if i < len(r.Fields) {
				word(value(r.Fields[i]))
			} else {
				word(0)
			}
		}
	}
	word(flags)
	word(uint32(r.Action))
	word(uint32(len(r.Fields)))
	for _, calls := range r.Calls.mask() {
		word(calls)
	}
	strings := 0
	column(func(f Field) uint32 { return uint32(f.ID) })
	column(func(f Field) uint32 {
		if f.text() {
			strings += len(f.Text)
			return uint32(len(f.Text))
		}
		return f.Value
	})
	column(func(f Field) uint32 { return uint32(f.Op) })
	word(uint32(strings))
	for _, f := range r.Fields {
		dst = append(dst, f.Text...)
	}
	return dst
}

// prepend is AUDIT_FILTER_PREPEND.
const prepend = 0x10

// ParseWire reads a rule as AUDIT_LIST_RULES has it. It keeps nothing of wire.
func ParseWire(wire []byte) (r Rule, err error) {
	if len(wire) < wireHeader {
		return r, fmt.Errorf("a rule of %d bytes: at least %d are needed", len(wire), wireHeader)
	}
	words, at := wire[:wireHeader], 0
	word := func() uint32 {
		n := binary.NativeEndian.Uint32(words[at:])
		at += 4
		return n
	}
	flags := word()
	r.List, r.Prepend, r.Action = List(flags&^prepend), flags&prepend != 0, Action(word())
	count := word()
	if count > maxFields {
		return r, fmt.Errorf("a rule of %d fields: %d is the most", count, maxFields)
	}
	var calls callMask
	for i := range calls {
		calls[i] = word()
	}
	r.Calls = calls.calls()
	if count > 0 {
		r.Fields = make([]Field, count)
	}
	column := func(i, c int) uint32 { return binary.NativeEndian.Uint32(words[at+4*(i+c*maxFields):]) }
	for i := range r.Fields {
		r.Fields[i] = Field{ID: FieldID(column(i, 0)), Value: column(i, 1), Op: Operator(column(i, 2) & operators)}
	}
	at += 4 * 3 * maxFields
	rest := wire[wireHeader:]
	if n := word(); uint64(n) > uint64(len(rest)) {
		return r, fmt.Errorf("a rule with %d bytes of strings, of which %d are there", n, len(rest))
	}
	for i := range r.Fields {
		f := &r.Fields[i]
		if !f.text() {
			continue
		}
		if uint64(f.Value) > uint64(len(rest)) {
			return r, fmt.Errorf("field %d has a string of %d bytes, of which %d are there", i+1, f.Value, len(rest))
		}
		f.Text, rest, f.Value = string(rest[:f.Value]), rest[f.Value:], 0
	}
	return r, nil
}
