package interpret

import "strconv"

// appendCapabilities appends the names of the capabilities in a mask, and in hex
// what has no name; "none" when it is empty.
func appendCapabilities(dst []byte, v uint64) []byte {
	if v == 0 {
		return append(dst, "none"...)
	}
	start, rest := len(dst), v
	for n := range uint64(64) {
		if v>>n&1 == 0 {
			continue
		}
		if name := words().tables["capability"].lookup(n); name != "" {
			dst = append(separate(dst, start, ','), name...)
			rest &^= 1 << n
		}
	}
	if rest != 0 {
		dst = strconv.AppendUint(append(separate(dst, start, ','), "0x"...), rest, 16)
	}
	return dst
}
