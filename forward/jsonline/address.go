package jsonline

import (
	"bytes"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

// appendAddress appends a socket address as an object: family, what belongs to
// it, and hex, which is what the record has. What is no address at all stays a
// string.
func (w *Writer) appendAddress(dst []byte, f *auditbridge.Fields, e *auditbridge.Event, r *auditbridge.Record) []byte {
	var plain interpret.Interpreter
	var known bool
	w.space, known = plain.AppendValue(w.space[:0], e, r, f)
	words, ok := bytes.CutPrefix(w.space, []byte("{ saddr_fam="))
	if !known || !ok {
		if !isHex(f.Value) {
			dst, exact := appendString(dst, f.Value)
			w.inexact = w.inexact || !exact
			return dst
		}
		return append(append(append(dst, `{"hex":"`...), f.Value...), `"}`...)
	}
	family, words, _ := bytes.Cut(bytes.TrimSuffix(words, []byte(" }")), []byte{' '})
	dst = append(append(append(dst, `{"family":"`...), family...), '"')
	for len(words) > 0 {
		var key, value []byte
		key, words, _ = bytes.Cut(words, []byte{'='})
		if string(key) == "path" || string(key) == "name" { // the last, and any bytes
			value, words = words, nil
		} else {
			value, words, _ = bytes.Cut(words, []byte{' '})
		}
		dst = append(append(append(dst, ',', '"'), addressKey(key)...), '"', ':')
		if isNumber(value) && string(key) != "type" {
			dst = append(dst, value...)
			continue
		}
		dst, _ = appendString(dst, value)
	}
	return append(append(append(dst, `,"hex":"`...), f.Value...), `"}`...)
}

// addressKey is the member for a word of ausearch's.
func addressKey(key []byte) []byte {
	switch string(key) {
	case "laddr":
		return []byte("addr")
	case "lport":
		return []byte("port")
	case "nlnk-fam":
		return []byte("netlink")
	case "nlnk-pid":
		return []byte("pid")
	}
	return key
}

func isNumber(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0 && (len(b) == 1 || b[0] != '0')
}

func isHex(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'A' || c > 'F') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(b) > 0
}
