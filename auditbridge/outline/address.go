package outline

import "bytes"

// IsIPv4 reports whether b is an IPv4 address as net/netip reads it, without
// allocating.
func IsIPv4(b []byte) bool {
	for i := range 4 {
		n, digits := 0, 0
		for digits < len(b) && digits < 4 && isDigit(b[digits]) {
			n = n*10 + int(b[digits]-'0')
			digits++
		}
		if digits == 0 || n > 255 || digits > 1 && b[0] == '0' {
			return false
		}
		b = b[digits:]
		if i == 3 {
			break
		}
		if len(b) == 0 || b[0] != '.' {
			return false
		}
		b = b[1:]
	}
	return len(b) == 0
}

// IsIPv6 is IsIPv4 for IPv6; an address with a zone is none.
func IsIPv6(b []byte) bool {
	head, tail, short := bytes.Cut(b, []byte("::"))
	if !short {
		n, ok := groups(b, true)
		return ok && n == 8
	}
	before, ok := groups(head, false)
	after, fine := groups(tail, true)
	return ok && fine && before+after < 8
}

// groups counts the groups of four digits in b, an IPv4 address at its end as
// two.
func groups(b []byte, last bool) (n int, ok bool) {
	for len(b) > 0 {
		group, rest, more := bytes.Cut(b, []byte{':'})
		if last && !more && IsIPv4(group) {
			return n + 2, true
		}
		if len(group) == 0 || len(group) > 4 || more && len(rest) == 0 {
			return 0, false
		}
		for _, c := range group {
			if !isDigit(c) && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return 0, false
			}
		}
		n, b = n+1, rest
	}
	return n, true
}

// IsNumber reports whether b is a decimal number that fits 63 bits.
func IsNumber(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte{'-'})
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return 0 < len(b) && len(b) <= 18
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
