package ecs

import (
	"strconv"

	"auditbridge/auditbridge/outline"
	"auditbridge/forward/jsonline"
)

// object is a JSON object being written. What has nothing in it is left out.
type object struct {
	dst []byte
	// starts are where the objects that are open began.
	starts [8]int
	depth  int
}

// comma separates what comes from what stands before; a string ends in a quote,
// so an opening bracket is one.
func (o *object) comma() {
	if c := o.dst[len(o.dst)-1]; c != '{' && c != '[' {
		o.dst = append(o.dst, ',')
	}
}

// key begins a member; its name holds nothing that has to be escaped.
func (o *object) key(name string) {
	o.comma()
	o.dst = append(append(append(o.dst, '"'), name...), `":`...)
}

func (o *object) open(name string) {
	o.starts[o.depth] = len(o.dst)
	o.depth++
	o.key(name)
	o.dst = append(o.dst, '{')
}

func (o *object) close() {
	o.depth--
	if o.dst[len(o.dst)-1] == '{' {
		o.dst = o.dst[:o.starts[o.depth]]
		return
	}
	o.dst = append(o.dst, '}')
}

// text adds a value that comes from a record, unless it is empty.
func (o *object) text(name string, value []byte) {
	if len(value) > 0 {
		o.key(name)
		o.dst = jsonline.AppendString(o.dst, value)
	}
}

// say adds a value that holds nothing that has to be escaped.
func (o *object) say(name, value string) {
	o.key(name)
	o.dst = append(append(append(o.dst, '"'), value...), '"')
}

func (o *object) count(name string, n uint64) {
	o.key(name)
	o.dst = strconv.AppendUint(o.dst, n, 10)
}

// number adds digits of a record as a number; what JSON does not take for one is
// left out, for whoever stores it expects a number there.
func (o *object) number(name string, digits []byte) {
	if outline.IsNumber(digits) && digits[0] != '-' && (digits[0] != '0' || len(digits) == 1) {
		o.key(name)
		o.dst = append(o.dst, digits...)
	}
}

// item adds a string to a list.
func (o *object) item(value []byte) {
	o.comma()
	o.dst = jsonline.AppendString(o.dst, value)
}

// list adds a list of what is not nil.
func (o *object) list(name string, values [][]byte) {
	if values[0] == nil {
		return
	}
	o.key(name)
	o.dst = append(o.dst, '[')
	for _, v := range values {
		if v != nil {
			o.item(v)
		}
	}
	o.dst = append(o.dst, ']')
}
