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
	case asLow16:
		name := k.table.on(eventArch(e, r)).lookupLow16(v)
		return append(dst, name...), name != ""
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
		return appendCapabilities(dst, v), true
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

// appendAnswer knows the kernel's way to say yes and no.
func appendAnswer(dst, v []byte) ([]byte, bool) {
	switch string(v) {
	case "1":
		return append(dst, "yes"...), true
	case "0":
		return append(dst, "no"...), true
	}
	return dst, false
}
