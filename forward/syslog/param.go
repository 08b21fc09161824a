package syslog

import (
	"strconv"
	"unicode/utf8"
)

// openElement appends `[SD-ID journal="…"`.
func (f *Format) openElement(dst []byte) []byte {
	dst = append(dst, '[')
	dst = append(dst, f.sdID...)
	if f.journal != "" {
		dst = append(dst, ` journal="`...)
		dst = append(dst, f.journal...)
		dst = append(dst, '"')
	}
	return dst
}

func appendNumber(dst []byte, name string, n uint64) []byte {
	dst = append(dst, ' ')
	dst = append(dst, name...)
	dst = append(dst, `="`...)
	dst = strconv.AppendUint(dst, n, 10)
	return append(dst, '"')
}

// appendValue appends a PARAM-VALUE (RFC 5424 section 6.3.3) of at most room
// bytes and reports whether all of value fitted. It never cuts a character or
// an escape in two. A control character, C1 included, and a byte that is not
// UTF-8 is written as \xHH, whose backslash is escaped like any other.
func appendValue(dst []byte, value []byte, room int) ([]byte, bool) {
	limit := len(dst) + room
	for i := 0; i < len(value); {
		c := value[i]
		size, width := 1, 1 // in value, in dst
		plain := true
		switch {
		case c == '"' || c == '\\' || c == ']':
			width = 2
		case c < ' ' || c == 0x7f:
			plain, width = false, 5
		case c >= utf8.RuneSelf:
			var r rune
			r, size = utf8.DecodeRune(value[i:])
			width = size
			if r == utf8.RuneError && size == 1 || r <= 0x9f {
				plain, width = false, 5*size
			}
		}
		if len(dst)+width > limit {
			return dst, false
		}
		switch {
		case !plain:
			for _, b := range value[i : i+size] {
				dst = append(dst, '\\', '\\', 'x', hexDigits[b>>4], hexDigits[b&15])
			}
		case width > size:
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, value[i:i+size]...)
		}
		i += size
	}
	return dst, true
}

const hexDigits = "0123456789ABCDEF"
