package rules

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math/bits"
	"slices"
	"strings"
	"unique"
)

// List is where the kernel looks for rules: when a task is made, at the end of
// a system call, before a record is written, …
type List uint32

// The lists (include/uapi/linux/audit.h, AUDIT_FILTER_*). The kernel lists its
// rules in the order of these numbers.
const (
	ListUser       List = 0
	ListTask       List = 1
	ListExit       List = 4
	ListExclude    List = 5
	ListFilesystem List = 6
	ListURing      List = 7
)

func (l List) String() string { return listNames.name[uint32(l)] }

// takesCalls tells whether rules of the list are for some system calls, or
// io_uring operations, only.
func (l List) takesCalls() bool { return l == ListExit || l == ListURing }

// Action is what the first rule that matches decides.
type Action uint32

// AUDIT_POSSIBLE is deprecated; auditctl passes over such lines.
const (
	Never  Action = 0
	Always Action = 2
)

func (a Action) String() string { return actionNames.name[uint32(a)] }

// Operator is how a field is compared (AUDIT_EQUAL and so on).
type Operator uint32

const (
	Equal    Operator = 0x40000000
	NotEqual Operator = 0x30000000
	Mask     Operator = 0x08000000 // some of the bits are set
	Test     Operator = 0x48000000 // all of them are

	greaterOrEqual Operator = 0x60000000
	lessOrEqual    Operator = 0x50000000
	greater        Operator = 0x20000000
	less           Operator = 0x10000000

	operators = 0x78000000 // AUDIT_OPERATORS; what else stands in fieldflags is not the operator
)

func (o Operator) String() string { return operatorNames.name[uint32(o)] }

const (
	maxFields   = 64  // AUDIT_MAX_FIELDS
	maskWords   = 64  // AUDIT_BITMASK_SIZE
	maxKey      = 256 // AUDIT_MAX_KEY_LEN
	keyBoundary = "\x01"
	maxPath     = 4096
)

// Calls are the system calls a rule is for. Rules are many and their sets of calls
// few: equal ones are kept once, so that a rule is small and its calls are compared
// as one word. The zero value is none.
type Calls struct{ kept unique.Handle[callMask] }

// callMask has a bit for each call (AUDIT_WORD, AUDIT_BIT).
type callMask [maskWords]uint32

func (m *callMask) calls() Calls {
	if *m == (callMask{}) {
		return Calls{}
	}
	return Calls{unique.Make(*m)}
}

func (c Calls) mask() (m callMask) {
	if c != (Calls{}) {
		m = c.kept.Value()
	}
	return m
}

// classWord is where the bits are that stand for classes of calls. The kernel
// puts the class's calls in their place, so they are never listed
// (kernel/auditfilter.c, audit_to_entry_common). It has 16 of them.
const (
	classWord = maskWords - 1
	classBits = 0xFFFF0000
)

// addAll adds every call.
func (m *callMask) addAll() {
	for i := range m {
		m[i] = ^uint32(0)
	}
}

// add reports false when there is no room for such a number.
func (m *callMask) add(nr int) bool {
	if nr < 0 || nr >= maskWords*32 {
		return false
	}
	m[nr/32] |= 1 << (nr % 32)
	return true
}

// all tells whether every call is among them, whatever the bits of classes.
func (c Calls) all() bool {
	m := c.mask()
	for _, word := range m[:classWord] {
		if word != ^uint32(0) {
			return false
		}
	}
	return true
}

func (c Calls) has(nr int) bool {
	m := c.mask()
	return m[nr/32]>>(nr%32)&1 != 0
}

// each yields the calls in the order of their numbers.
func (c Calls) each() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, word := range c.mask() {
			for ; word != 0; word &= word - 1 {
				if !yield(32*i + bits.TrailingZeros32(word)) {
					return
				}
			}
		}
	}
}

// within tells whether every call of c is one of d.
func (c Calls) within(d Calls) bool {
	some, all := c.mask(), d.mask()
	for i := range some[:classWord] {
		if some[i]&^all[i] != 0 {
			return false
		}
	}
	return true
}

// Field is one comparison of a rule. All of them must hold.
type Field struct {
	ID    FieldID
	Op    Operator
	Value uint32
	Text  string // instead of Value, when the field is a string
}

func (f Field) info() *fieldInfo { return fields[f.ID] }

// text tells whether the value is a string; of a field that is newer than this
// program it is not.
func (f Field) text() bool { return f.info() != nil && f.info().kind.text() }

// Rule is one rule as the kernel takes and lists it (struct audit_rule_data).
type Rule struct {
	List    List
	Prepend bool // before the others of its list; never set in a listing
	Action  Action
	Calls   Calls
	Fields  []Field
}

// Listed is the rule as the kernel lists it once it has it.
func (r Rule) Listed() Rule {
	r.Prepend = false
	if m := r.Calls.mask(); m[classWord]&classBits != 0 {
		m[classWord] &^= classBits
		r.Calls = m.calls()
	}
	return r
}

// find returns the first comparison with the field.
func (r *Rule) find(id FieldID) (Field, bool) {
	i := slices.IndexFunc(r.Fields, func(f Field) bool { return f.ID == id })
	if i < 0 {
		return Field{}, false
	}
	return r.Fields[i], true
}

// Keys are the rule's keys, none when it has none.
func (r *Rule) Keys() []string {
	if f, ok := r.find(fieldKey); ok {
		return strings.Split(f.Text, keyBoundary)
	}
	return nil
}

// identity is the same for two rules that do the same: the order of comparisons
// does not matter, since all of them must hold.
type identity struct {
	list   List
	action Action
	calls  Calls
	fields string
}

func (r Rule) identity() identity {
	r = r.Listed()
	order := func(a, b Field) int {
		return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Op, b.Op), cmp.Compare(a.Value, b.Value), cmp.Compare(a.Text, b.Text))
	}
	if !slices.IsSortedFunc(r.Fields, order) {
		r.Fields = slices.Clone(r.Fields)
		slices.SortFunc(r.Fields, order)
	}
	fields := make([]byte, 0, 256)
	for _, f := range r.Fields {
		fields = binary.NativeEndian.AppendUint32(fields, uint32(f.ID))
		fields = binary.NativeEndian.AppendUint32(fields, uint32(f.Op))
		fields = binary.NativeEndian.AppendUint32(fields, f.Value)
		fields = binary.NativeEndian.AppendUint32(fields, uint32(len(f.Text)))
		fields = append(fields, f.Text...)
	}
	return identity{r.List, r.Action, r.Calls, string(fields)}
}
