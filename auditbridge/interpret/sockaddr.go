package interpret

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strconv"
)

// MaxAddress is the size of the longest address in bytes, struct
// sockaddr_storage (include/uapi/linux/socket.h).
const MaxAddress = 128

// An Address is a struct sockaddr as the kernel copied it from the program, taken
// apart.
type Address struct {
	Family string // in ausearch's words: "inet", "inet6", "local", "netlink" …

	bigEndian bool // the machine that wrote it is
	bytes     []byte
}

// ParseAddress reads the value of saddr=, which is in hex. It reports false for
// one that has no family known here. The address stands in space from its
// beginning, and allocates nothing when that has room for MaxAddress bytes.
//
// The family is in the byte order of the machine; since none is beyond 255, a
// first byte of zero tells a big-endian one.
func ParseAddress(space, v []byte) (Address, bool) {
	if len(v) > 2*MaxAddress {
		return Address{}, false
	}
	raw, ok := appendUnhex(space[:0], v)
	if !ok || len(raw) < 2 {
		return Address{}, false
	}
	a := Address{bigEndian: raw[0] == 0, bytes: raw}
	a.Family = words().tables["family"].lookup(a.number(0, 2))
	return a, a.Family != ""
}

// Endpoint returns the address and the port of the families inet and inet6,
// false for the others, or when it was cut short.
func (a *Address) Endpoint() (netip.AddrPort, bool) {
	offset, size := 4, 4
	if a.Family == "inet6" {
		offset, size = 8, 16
	}
	if a.Family != "inet" && a.Family != "inet6" || len(a.bytes) < offset+size {
		return netip.AddrPort{}, false
	}
	ip, _ := netip.AddrFromSlice(a.bytes[offset : offset+size])
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(a.bytes[2:])), true
}

// AppendPath appends the path of the family local, up to its NUL; nothing for a
// socket without a name. An abstract name begins with a NUL, which becomes @ as
// in ss(8) and in /proc/net/unix.
func (a *Address) AppendPath(dst []byte) []byte {
	path := a.bytes[2:]
	if len(path) > 1 && path[0] == 0 {
		return append(append(dst, '@'), bytes.TrimRight(path[1:], "\x00")...)
	}
	return append(dst, upToNUL(path)...)
}

// appendAddress appends what saddr= says, in the words of ausearch and of auditd's
// enriched format: "{ saddr_fam=inet laddr=192.0.2.1 lport=22 }". It reports
// false for an address cut short, and for families unknown here.
func appendAddress(dst, v []byte) ([]byte, bool) {
	var space [MaxAddress]byte
	a, ok := ParseAddress(space[:0], v)
	if !ok {
		return dst, false
	}
	start := len(dst)
	dst = append(append(dst, "{ saddr_fam="...), a.Family...)
	if dst, ok = a.appendRest(dst); !ok {
		return dst[:start], false
	}
	return append(dst, " }"...), true
}

// appendRest appends what stands behind the family.
func (a *Address) appendRest(dst []byte) ([]byte, bool) {
	switch a.Family {
	case "inet", "inet6":
		endpoint, ok := a.Endpoint()
		if !ok {
			return dst, false
		}
		dst = endpoint.Addr().AppendTo(append(dst, " laddr="...))
		return strconv.AppendUint(append(dst, " lport="...), uint64(endpoint.Port()), 10), true
	case "local":
		return a.AppendPath(append(dst, " path="...)), true
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

// appendAlgorithm appends the type and the name of an algorithm
// (include/uapi/linux/if_alg.h, struct sockaddr_alg).
func (a *Address) appendAlgorithm(dst []byte) ([]byte, bool) {
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
func (a *Address) appendNumbers(dst []byte, parts ...part) ([]byte, bool) {
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
func (a *Address) number(offset, size int) uint64 {
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
