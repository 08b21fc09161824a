package interpret

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
)

// An address is a struct sockaddr as the kernel copied it from the program: its
// family is in the byte order of the machine, which the low byte, standing
// first, and a high byte of zero tell.
type address struct {
	bigEndian bool
	bytes     []byte
}

// maxAddress is the size of struct sockaddr_storage.
const maxAddress = 128

// appendAddress appends what saddr= says in hex, in the words of ausearch and of
// auditd's enriched format: "{ saddr_fam=inet laddr=192.0.2.1 lport=22 }". It
// reports false for an address cut short, and for families unknown here.
func appendAddress(dst, v []byte) ([]byte, bool) {
	var buffer [maxAddress]byte
	if len(v) > 2*maxAddress {
		return dst, false
	}
	raw, ok := appendUnhex(buffer[:0], v)
	if !ok || len(raw) < 2 {
		return dst, false
	}
	a := address{raw[0] == 0, raw}
	start := len(dst)
	family := tables["family"].lookup(a.number(0, 2))
	if family == "" {
		return dst, false
	}
	dst = append(append(dst, "{ saddr_fam="...), family...)
	if dst, ok = a.appendRest(dst, family); !ok {
		return dst[:start], false
	}
	return append(dst, " }"...), true
}

// appendRest appends what stands behind the family.
func (a *address) appendRest(dst []byte, family string) ([]byte, bool) {
	switch family {
	case "inet":
		return a.appendInet(dst, 4, 4)
	case "inet6":
		return a.appendInet(dst, 8, 16)
	case "local":
		return a.appendPath(dst), true
	case "netlink":
		return a.appendNumbers(dst, part{"nlnk-fam", 0, 2}, part{"nlnk-pid", 4, 4})
	case "packet":
		return a.appendNumbers(dst, part{"ifindex", 4, 4})
	case "vsock":
		return a.appendNumbers(dst, part{"cid", 8, 4}, part{"port", 4, 4})
	case "can":
		return a.appendNumbers(dst, part{"ifindex", 4, 4})
	case "xdp":
		return a.appendNumbers(dst, part{"ifindex", 4, 4}, part{"queue", 8, 4})
	case "alg":
		return a.appendAlgorithm(dst)
	}
	return dst, true
}

// appendInet appends port and address; the address has size bytes from offset on.
func (a *address) appendInet(dst []byte, offset, size int) ([]byte, bool) {
	if len(a.bytes) < offset+size {
		return dst, false
	}
	ip, _ := netip.AddrFromSlice(a.bytes[offset : offset+size])
	dst = ip.AppendTo(append(dst, " laddr="...))
	dst = append(dst, " lport="...)
	return strconv.AppendUint(dst, uint64(binary.BigEndian.Uint16(a.bytes[2:])), 10), true
}

// appendPath appends the path, up to its NUL. An abstract name begins with a
// NUL, which becomes @ as in ss and in /proc/net/unix.
func (a *address) appendPath(dst []byte) []byte {
	path := a.bytes[2:]
	dst = append(dst, " path="...)
	if len(path) > 1 && path[0] == 0 {
		return append(append(dst, '@'), bytes.TrimRight(path[1:], "\x00")...)
	}
	return append(dst, upToNUL(path)...)
}

// appendAlgorithm appends the type and the name of an algorithm
// (include/uapi/linux/if_alg.h, struct sockaddr_alg).
func (a *address) appendAlgorithm(dst []byte) ([]byte, bool) {
	const kind, name = 2, 24
	if len(a.bytes) <= name {
		return dst, false
	}
	dst = append(append(dst, " type="...), upToNUL(a.bytes[kind:16])...)
	return append(append(dst, " name="...), upToNUL(a.bytes[name:])...), true
}

func upToNUL(b []byte) []byte {
	b, _, _ = bytes.Cut(b, []byte{0})
	return b
}

// A part is a number in an address.
type part struct {
	name   string
	offset int
	size   int
}

// appendNumbers appends numbers in the machine's byte order.
func (a *address) appendNumbers(dst []byte, parts ...part) ([]byte, bool) {
	for _, p := range parts {
		if len(a.bytes) < p.offset+p.size {
			return dst, false
		}
		dst = append(append(append(dst, ' '), p.name...), '=')
		dst = strconv.AppendUint(dst, a.number(p.offset, p.size), 10)
	}
	return dst, true
}

// number reads a number in the machine's byte order. An interface such as
// binary.ByteOrder would take the bytes to the heap.
func (a *address) number(offset, size int) uint64 {
	v := uint64(0)
	for i := range size {
		at := offset + size - 1 - i
		if a.bigEndian {
			at = offset + i
		}
		v = v<<8 | uint64(a.bytes[at])
	}
	return v
}
