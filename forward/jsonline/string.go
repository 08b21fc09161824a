package jsonline

import (
	"encoding/binary"
	"math/bits"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendString appends s as a JSON string, in the way of this package's events.
func AppendString(dst, s []byte) []byte {
	dst, _ = appendString(dst, s)
	return dst
}

// appendString appends a JSON string. Bytes that are not UTF-8 are written as
// \xHH, which a string that is UTF-8 could hold too: exact is false then.
func appendString(dst, s []byte) (out []byte, exact bool) {
	dst = append(dst, '"')
	exact = true
	for len(s) > 0 {
		n := plain(s)
		dst = append(dst, s[:n]...)
		if n == len(s) {
			break
		}
		c := s[n]
		s = s[n:]
		size := 1
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < utf8.RuneSelf:
			dst = appendUnit(dst, uint16(c))
		default:
			var r rune
			if r, size = utf8.DecodeRune(s); r == utf8.RuneError && size == 1 {
				dst = append(dst, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
				exact = false
			} else {
				dst = appendRune(dst, r)
			}
		}
		s = s[size:]
	}
	return append(dst, '"'), exact
}

// plain returns how many bytes at the start of s stand for themselves in JSON:
// printable ASCII but quote and backslash. It looks at eight at a time; a byte
// that is not plain sets its top bit, and may set those of bytes behind it.
func plain(s []byte) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		eight := binary.LittleEndian.Uint64(s[i:])
		quote, slash, del := eight^'"'*ones, eight^'\\'*ones, eight^0x7f*ones
		special := ((eight-0x20*ones)&^eight | (quote-ones)&^quote | (slash-ones)&^slash | (del-ones)&^del | eight) & tops
		if special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			return i
		}
	}
	return i
}

// appendHex appends the bytes of b in hex, as a JSON string.
func appendHex(dst, b []byte) []byte {
	dst = append(dst, '"')
	for _, c := range b {
		dst = append(dst, hexDigits[c>>4], hexDigits[c&15])
	}
	return append(dst, '"')
}

// appendRune escapes what a terminal would not just show: C1, what turns the
// reading direction, what is not assigned.
func appendRune(dst []byte, r rune) []byte {
	switch {
	case unicode.IsPrint(r) || r == utf8.RuneError:
		return utf8.AppendRune(dst, r)
	case r > 0xffff:
		high, low := utf16.EncodeRune(r)
		return appendUnit(appendUnit(dst, uint16(high)), uint16(low))
	}
	return appendUnit(dst, uint16(r))
}

func appendUnit(dst []byte, u uint16) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[u>>12], digits[u>>8&15], digits[u>>4&15], digits[u&15])
}

const hexDigits = "0123456789ABCDEF"
