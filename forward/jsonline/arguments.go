package jsonline

import (
	"strings"
	"unicode/utf8"

	"auditbridge/auditbridge"
)

// Bounds of what arguments are put together, so that no record can ask for more
// than it says. Linux allows 128 KiB an argument.
const (
	maxArgument = 1 << 20
	maxMissing  = 16 // arguments one after the other that no record has
)

// appendArguments appends what EXECVE records say that a program was started
// with, over all of them and with the parts of long arguments joined: argv, with
// null for an argument that is missing, and argv_hex, with the bytes of those
// that are not UTF-8. It appends nothing where the records contradict that they
// are a list; their fields stand with the records in any case.
func (w *Writer) appendArguments(dst []byte, e *auditbridge.Event) []byte {
	start := len(dst)
	dst, exact, ok := w.appendList(append(dst, `,"argv":[`...), e, asText)
	if !ok {
		return dst[:start]
	}
	if exact {
		return dst
	}
	dst, _, _ = w.appendList(append(dst, `,"argv_hex":[`...), e, asHex)
	return dst
}

func (w *Writer) appendList(dst []byte, e *auditbridge.Event, how view) (list []byte, exact, ok bool) {
	a := arguments{w: w, dst: dst, how: how, index: -1, exact: true}
	w.space = w.space[:0]
	for i := range e.Records {
		r := &e.Records[i]
		if r.Type != typeExecve || r.Body == 0 {
			continue
		}
		for f := r.Stamped(); f.Next() && !a.over; {
			if n, part, is := parseArgument(f.Key); is && !a.add(&f, r, n, part) {
				return a.dst, false, false
			}
		}
	}
	if a.index < 0 {
		return a.dst, false, false
	}
	a.finish()
	return append(a.dst, ']'), a.exact, true
}

// arguments is a list while it is put together; the argument at hand is in
// w.space.
type arguments struct {
	w     *Writer
	dst   []byte
	how   view
	index int // of the argument at hand
	next  int // part of it that must come next; 0 when it is whole
	over  bool
	exact bool
}

// add takes argument n, or a part of it, from 0; part is -1 for a whole one. It
// reports false when that cannot be.
func (a *arguments) add(f *auditbridge.Fields, r *auditbridge.Record, n, part int) bool {
	switch {
	case n == a.index && part > 0 && part == a.next:
	case n <= a.index: // the record again
		a.over = true
		return true
	case part > 0 || n-a.index-1 > maxMissing:
		return false
	default:
		a.finish()
		for a.index++; a.index < n; a.index++ {
			a.dst = append(a.separated(), "null"...)
		}
	}
	a.next = part + 1
	a.w.space = f.AppendDecoded(a.w.space, r.Type)
	return len(a.w.space) <= maxArgument
}

// finish writes the argument at hand.
func (a *arguments) finish() {
	if a.index < 0 {
		return
	}
	a.dst = a.separated()
	switch {
	case a.how == asText:
		var exact bool
		a.dst, exact = appendString(a.dst, a.w.space)
		a.exact = a.exact && exact
	case utf8.Valid(a.w.space):
		a.dst = append(a.dst, "null"...)
	default:
		a.dst = appendHex(a.dst, a.w.space)
	}
	a.w.space = a.w.space[:0]
	if a.w.Spill != nil && len(a.dst) > spillBytes {
		a.dst = a.w.Spill(a.dst)
	}
}

func (a *arguments) separated() []byte {
	if n := len(a.dst); n > 0 && a.dst[n-1] == '[' {
		return a.dst
	}
	return append(a.dst, ',')
}

// parseArgument reads a3 and a3[1].
func parseArgument(key []byte) (n, part int, ok bool) {
	if len(key) < 2 || key[0] != 'a' {
		return 0, 0, false
	}
	n, rest, ok := number(string(key[1:]))
	if !ok || rest == "" {
		return n, -1, ok
	}
	inner, ok := strings.CutPrefix(rest, "[")
	if !ok {
		return 0, 0, false
	}
	part, rest, ok = number(inner)
	return n, part, ok && rest == "]"
}

func number(s string) (n int, rest string, ok bool) {
	i := 0
	for ; i < len(s) && '0' <= s[i] && s[i] <= '9' && i < 9; i++ {
		n = 10*n + int(s[i]-'0')
	}
	return n, s[i:], i > 0
}
