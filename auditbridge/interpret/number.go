package interpret

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
