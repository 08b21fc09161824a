// Package terminal makes foreign text safe to show: what a peer, a record, a
// path or a configuration file says must not move the cursor, recolour the
// screen, answer for the user or turn the reading direction.
package terminal

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe returns s as one line that only shows itself. What does not print
// (C0, DEL, C1, bidirectional and other format controls, line separators,
// unassigned code points) and bytes that are not UTF-8 are written as escapes:
// \xHH for a byte, \u{HHHH} for a code point. All other text stands, a
// backslash included: the result is to be read, not to be decoded.
func Safe(s string) string { return escape(s, false) }

// SafeLines is Safe for text of several lines: line feeds stand.
func SafeLines(s string) string { return escape(s, true) }

func escape(s string, lines bool) string {
	first := strings.IndexFunc(s, func(r rune) bool { return !shown(r, lines) })
	if first < 0 {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:first])
	for rest := s[first:]; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && size == 1, r < utf8.RuneSelf && !shown(r, lines):
			writeByte(&b, rest[0])
		case !shown(r, lines):
			writeRune(&b, r)
		default:
			b.WriteString(rest[:size])
		}
		rest = rest[size:]
	}
	return b.String()
}

// shown is false for utf8.RuneError too, so that escape looks closer: the
// replacement character itself is a harmless three-byte sequence, a stray byte
// is not.
func shown(r rune, lines bool) bool {
	return r != utf8.RuneError && unicode.IsPrint(r) || lines && r == '\n'
}

const hex = "0123456789ABCDEF"

func writeByte(b *strings.Builder, c byte) {
	b.WriteString(`\x`)
	b.WriteByte(hex[c>>4])
	b.WriteByte(hex[c&15])
}

func writeRune(b *strings.Builder, r rune) {
	b.WriteString(`\u{`)
	started := false
	for shift := 20; shift >= 0; shift -= 4 {
		digit := r >> shift & 15
		started = started || digit != 0 || shift < 16
		if started {
			b.WriteByte(hex[digit])
		}
	}
	b.WriteByte('}')
}
