package interpret

import (
	"bytes"
	"strconv"

	"auditbridge/auditbridge"
)

// Names knows who has an id on a node, or had it when the record was written.
// It appends a name and reports whether there is one; dst comes back as it was
// when there is none. It is called from any goroutine that interprets.
type Names interface {
	AppendUser(dst []byte, node string, id uint32) ([]byte, bool)
	AppendGroup(dst []byte, node string, id uint32) ([]byte, bool)
}

// An Interpreter says what values mean. The zero value is ready; ids then stay
// numbers, but for those that auditd resolved in the record itself.
type Interpreter struct {
	Names Names // nil means none
}

// AppendValue appends what the value f stands at means, f being a field of r,
// and r a record of e. It reports false, and dst comes back as it was, when
// there is nothing better than the value as it is written: it is text already,
// or a number that has no name, or is unknown here. What is appended may hold
// any byte where the value is text in hex. It allocates nothing when dst has
// room.
func (in *Interpreter) AppendValue(dst []byte, e *auditbridge.Event, r *auditbridge.Record, f *auditbridge.Fields) ([]byte, bool) {
	if f.Form != auditbridge.Bare {
		return dst, false
	}
	start := len(dst)
	dst, ok := in.appendMeaning(dst, e, r, f, kindOf(r.Type, f.Key))
	if !ok || bytes.Equal(dst[start:], f.Value) {
		return dst[:start], false
	}
	return dst, true
}

// appendMeaning appends what the value f stands at means as a value of kind k.
func (in *Interpreter) appendMeaning(dst []byte, e *auditbridge.Event, r *auditbridge.Record, f *auditbridge.Fields, k kind) ([]byte, bool) {
	switch k.how {
	case asWritten:
		return f.AppendDecoded(dst, r.Type), true
	case asKeys:
		return appendKeys(dst, r, f), true
	case asPath:
		return appendPath(dst, r, f), true
	case asExit:
		return appendExit(dst, f.Value)
	case asErrno:
		return appendErrno(dst, f.Value)
	case asArch:
		return appendArch(dst, f.Value)
	case asSyscall:
		return appendSyscall(dst, r, f.Value)
	case asAddress:
		return appendAddress(dst, f.Value)
	case asAnswer:
		return appendAnswer(dst, f.Value)
	case asUser, asGroup:
		if named, ok := appendResolved(dst, r, f); ok {
			return named, true
		}
	case asArgument:
		return in.appendArgument(dst, e, r, f)
	}
	v, ok := number(f.Value, k.base)
	if !ok {
		return f.AppendDecoded(dst, r.Type), true
	}
	return in.appendNumber(dst, e, r, k, v)
}

// appendNumber appends what v means as a value of kind k.
func (in *Interpreter) appendNumber(dst []byte, e *auditbridge.Event, r *auditbridge.Record, k kind, v uint64) ([]byte, bool) {
	switch k.how {
	case asNames:
		return k.table.on(eventArch(e, r)).append(dst, v)
	case asUser, asGroup:
		return in.appendID(dst, e, k.how, v)
	case asUser16:
		return in.appendID(dst, e, asUser, widen(v))
	case asGroup16:
		return in.appendID(dst, e, asGroup, widen(v))
	case asSession:
		return appendUnset(dst, v)
	case asInt:
		return strconv.AppendInt(dst, int64(int32(v)), 10), true
	case asLong:
		if a := eventArch(e, r); a != nil && a.value&is64Bit == 0 {
			v = uint64(int32(v))
		}
		return strconv.AppendInt(dst, int64(v), 10), true
	case asDirectory:
		if int32(v) == atFDCWD {
			return append(dst, "AT_FDCWD"...), true
		}
		return strconv.AppendInt(dst, int64(int32(v)), 10), true
	case asMode:
		return appendMode(dst, v), true
	case asPermissions:
		return appendPermissions(dst, v), true
	case asCapabilities:
		return appendCapabilities(dst, v)
	case asPromiscuous:
		if v&promiscuous != 0 {
			return append(dst, "yes"...), true
		}
		return append(dst, "no"...), true
	}
	return dst, false
}

const (
	atFDCWD     = -100  // include/uapi/linux/fcntl.h
	promiscuous = 0x100 // include/uapi/linux/if.h, IFF_PROMISC
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

func appendAnswer(dst, v []byte) ([]byte, bool) {
	switch string(v) {
	case "1":
		return append(dst, "yes"...), true
	case "0":
		return append(dst, "no"...), true
	}
	return dst, false
}

// appendKeys appends the keys of a rule: several of them stand in hex, with
// AUDIT_KEY_SEPARATOR between.
func appendKeys(dst []byte, r *auditbridge.Record, f *auditbridge.Fields) []byte {
	start := len(dst)
	dst = f.AppendDecoded(dst, r.Type)
	for i := start; i < len(dst); i++ {
		if dst[i] == 0x01 {
			dst[i] = ','
		}
	}
	return dst
}

// appendPath appends a path. An abstract socket's name begins with a NUL in
// its place, which becomes @ as in ss and in /proc/net/unix.
func appendPath(dst []byte, r *auditbridge.Record, f *auditbridge.Fields) []byte {
	start := len(dst)
	dst = f.AppendDecoded(dst, r.Type)
	if len(dst) > start && dst[start] == 0 {
		dst = append(dst[:start], bytes.TrimRight(dst[start:], "\x00")...)
		if len(dst) == start {
			return append(dst, '@')
		}
		dst[start] = '@'
	}
	return dst
}

// number reads a number of the given base, 0 meaning that a prefix tells as in
// C. A negative one comes as 64 bits in two's complement.
func number(v []byte, base int) (uint64, bool) {
	negative := len(v) > 1 && v[0] == '-'
	if negative {
		v = v[1:]
	}
	switch {
	case base != 10 && len(v) > 2 && v[0] == '0' && v[1] == 'x':
		v, base = v[2:], 16
	case base == 0 && len(v) > 1 && v[0] == '0':
		base = 8
	case base == 0:
		base = 10
	}
	if len(v) == 0 {
		return 0, false
	}
	n := uint64(0)
	for _, c := range v {
		d := digit(c)
		if d >= base || n > (1<<64-1-uint64(d))/uint64(base) {
			return 0, false
		}
		n = n*uint64(base) + uint64(d)
	}
	if negative {
		return -n, true
	}
	return n, true
}

// appendUnhex appends the bytes that v writes in hex.
func appendUnhex(dst, v []byte) ([]byte, bool) {
	start := len(dst)
	if len(v) == 0 || len(v)%2 != 0 {
		return dst, false
	}
	for i := 0; i < len(v); i += 2 {
		high, low := digit(v[i]), digit(v[i+1])
		if high > 15 || low > 15 {
			return dst[:start], false
		}
		dst = append(dst, byte(high<<4|low))
	}
	return dst, true
}

// digit is the value of a digit, 16 for none.
func digit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return 16
}
