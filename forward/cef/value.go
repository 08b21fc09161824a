package cef

import "unicode/utf8"

// maxHead bounds a field of the header: Signature ID's length in the
// specification.
const maxHead = 1023

// appendHead appends a field of the header: '|' and '\' are escaped; it may
// hold no line break, so a byte that is not printable is written as \xHH.
func appendHead(dst, value []byte) []byte {
	for _, c := range value[:min(len(value), maxHead)] {
		switch {
		case c == '|' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ' || c > '~':
			dst = append(dst, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendValue appends a value of the extension, at most room bytes, and
// reports whether all of it fitted. '=' and '\' are escaped, line breaks are \n
// and \r; any other control character, C1 included, and a byte that is not
// UTF-8 is written as \xHH, whose backslash is escaped like any other. It never
// cuts a character or an escape in two.
func appendValue(dst, value []byte, room int) ([]byte, bool) {
	limit := len(dst) + room
	for i := 0; i < len(value); {
		c := value[i]
		size := 1
		whole := len(dst)
		switch {
		case c == '=' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c < ' ' || c == 0x7f:
			dst = appendHex(dst, c)
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			var r rune
			r, size = utf8.DecodeRune(value[i:])
			if r == utf8.RuneError && size == 1 || r <= 0x9f || r == '\u2028' || r == '\u2029' {
				for _, b := range value[i : i+size] {
					dst = appendHex(dst, b)
				}
			} else {
				dst = append(dst, value[i:i+size]...)
			}
		}
		if len(dst) > limit {
			return dst[:whole], false
		}
		i += size
	}
	return dst, true
}

func appendHex(dst []byte, c byte) []byte {
	return append(dst, '\\', '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
}

const hexDigits = "0123456789ABCDEF"
