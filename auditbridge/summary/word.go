package summary

import (
	"bytes"
	"unicode/utf8"

	"auditbridge/auditbridge"
)

// maxWord bounds a piece of a record's text in a sentence, in bytes as shown,
// and maxArguments all arguments of a program together.
const (
	maxWord      = 256
	maxArguments = 1024
)

// appendWord appends text of a record: a plain word as it is, everything else
// in quotes, so that no text of a record reads as another part of the sentence.
// Three dots behind the closing quote mean that there was more.
func appendWord(dst, text []byte) []byte {
	if len(text) <= maxWord && isPlain(text) {
		return append(dst, text...)
	}
	return appendQuoted(dst, text)
}

// appendQuoted writes quotes and backslashes with a backslash before them,
// control characters as \xHH.
func appendQuoted(dst, text []byte) []byte {
	const hex = "0123456789ABCDEF"
	dst = append(dst, '"')
	for room := maxWord; len(text) > 0; {
		_, size := utf8.DecodeRune(text)
		piece := text[:size]
		text = text[size:]
		c := piece[0]
		var escaped [4]byte
		switch {
		case c == '"' || c == '\\':
			escaped[0], escaped[1] = '\\', c
			piece = escaped[:2]
		case c < ' ' || c == 0x7f:
			escaped = [4]byte{'\\', 'x', hex[c>>4], hex[c&15]}
			piece = escaped[:]
		}
		if room -= len(piece); room < 0 {
			return append(dst, `"...`...)
		}
		dst = append(dst, piece...)
	}
	return append(dst, '"')
}

// plainBytes are what a word may hold without quotes: no blank, no bracket, no
// quote, nothing beyond ASCII.
var plainBytes = func() (plain [256]bool) {
	for c := range plain {
		plain[c] = '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
	}
	for _, c := range "_-./@+%=~#:|,*" {
		plain[c] = true
	}
	return plain
}()

// isPlain reports whether text needs no quotes. A mark at its end would read as
// the sentence's own, but an address may end in colons and a path in dots.
func isPlain(text []byte) bool {
	for _, c := range text {
		if !plainBytes[c] {
			return false
		}
	}
	switch end := text[max(len(text)-1, 0):]; string(end) {
	case "", ",":
		return false
	case ":":
		return bytes.HasSuffix(text, []byte("::")) && len(bytes.Trim(text, "0123456789abcdef:")) == 0
	case ".":
		return string(base(text)) == "." || string(base(text)) == ".."
	}
	return true
}

// appendValue appends the value f stands at as a word, hex decoded.
func appendValue(dst []byte, r *auditbridge.Record, f *auditbridge.Fields) []byte {
	start := len(dst)
	return quoteFrom(appendText(dst, r, f), start)
}

// appendText appends what is needed of the value f stands at, hex decoded: more
// of it than a word can hold, and no more.
func appendText(dst []byte, r *auditbridge.Record, f *auditbridge.Fields) []byte {
	if most := 2 * (maxWord + 1); len(f.Value) > most {
		cut := *f
		cut.Value = f.Value[:most]
		f = &cut
	}
	return f.AppendDecoded(dst, r.Type)
}

// quoteFrom makes a word of what dst holds from start on.
func quoteFrom(dst []byte, start int) []byte {
	text := dst[start:]
	if len(text) <= maxWord && isPlain(text) {
		return dst
	}
	end := len(dst)
	dst = appendQuoted(dst, text)
	return dst[:start+copy(dst[start:], dst[end:])]
}

// trimBlank takes the blank at the end away.
func trimBlank(dst []byte) []byte {
	if n := len(dst); n > 0 && dst[n-1] == ' ' {
		return dst[:n-1]
	}
	return dst
}
