package interpret

import (
	"bytes"
	"strconv"

	"auditbridge/auditbridge"
)

// appendID appends the name of an id on the node that wrote the record, else
// the number.
func (in *Interpreter) appendID(dst []byte, e *auditbridge.Event, how how, v uint64) ([]byte, bool) {
	if dst, ok := appendUnset(dst, v); ok {
		return dst, true
	}
	if v > 0xFFFFFFFF {
		return dst, false
	}
	if in.Names != nil {
		name, ok := in.appendName(dst, e.ID.Node, how, uint32(v))
		if ok {
			return name, true
		}
	}
	return strconv.AppendUint(dst, v, 10), true
}

func (in *Interpreter) appendName(dst []byte, node string, how how, id uint32) ([]byte, bool) {
	if how == asUser {
		return in.Names.AppendUser(dst, node, id)
	}
	return in.Names.AppendGroup(dst, node, id)
}

// widen makes an id of one of 16 bits, as the kernel does (include/linux/highuid.h,
// low2highuid).
func widen(v uint64) uint64 {
	if v &= 0xFFFF; v == 0xFFFF {
		return 0xFFFFFFFF
	}
	return v
}

// appendUnset knows the id and the session that were never set: -1, of 32 bits
// or of a register's 64.
func appendUnset(dst []byte, v uint64) ([]byte, bool) {
	if v == 0xFFFFFFFF || v == 1<<64-1 {
		return append(dst, "unset"...), true
	}
	return dst, false
}

// appendResolved appends the name that auditd wrote behind the record for one
// of its ids: it knew the host as it was then. It names the ids in their order,
// so its first UID= is that of the first uid=; a program's uid=0 is not named
// by what stands there for another one.
func appendResolved(dst []byte, r *auditbridge.Record, f *auditbridge.Fields) ([]byte, bool) {
	if bytes.IndexByte(r.Line, 0x1d) < 0 {
		return dst, false
	}
	resolved := r.Resolved()
	if !findUpper(&resolved, f.Key) || !bytes.Equal(firstValue(r, f.Key), f.Value) {
		return dst, false
	}
	if bytes.HasPrefix(resolved.Value, []byte("unknown(")) {
		return dst, false
	}
	if resolved.Form == auditbridge.Bare {
		return appendUnhex(dst, resolved.Value)
	}
	return append(dst, resolved.Value...), len(resolved.Value) > 0
}

// firstValue is that of the first field called key, whoever wrote it.
func firstValue(r *auditbridge.Record, key []byte) []byte {
	for _, f := range [...]auditbridge.Fields{r.Stamped(), r.Claims()} {
		for f.Next() {
			if bytes.Equal(f.Key, key) {
				return f.Value
			}
		}
	}
	return nil
}

// findUpper goes to the next field whose key is key in upper case.
func findUpper(f *auditbridge.Fields, key []byte) bool {
	for f.Next() {
		if equalUpper(f.Key, key) {
			return true
		}
	}
	return false
}

// equalUpper reports whether upper is key in upper case.
func equalUpper(upper, key []byte) bool {
	if len(upper) != len(key) {
		return false
	}
	for i, c := range key {
		if 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if upper[i] != c {
			return false
		}
	}
	return true
}
