package summary

import (
	"strings"
	"sync"

	"auditbridge/auditbridge"
)

// errorMeanings are what Linux's errors mean, by name.
var errorMeanings = sync.OnceValue(func() map[string]string {
	meanings := map[string]string{}
	for n := range 134 {
		if name, text := auditbridge.Errno(n); text != "" {
			meanings[name] = lowered(text)
		}
	}
	return meanings
})

// lowered begins text with a small letter unless it begins with an abbreviation.
func lowered(text string) string {
	if len(text) > 1 && 'a' <= text[1] && text[1] <= 'z' {
		return strings.ToLower(text[:1]) + text[1:]
	}
	return text
}

// appendReason appends why something failed: an error's name behind what it
// means, other reasons as they are when they are nothing but words.
func appendReason(dst, reason []byte) []byte {
	if meaning := errorMeanings()[string(reason)]; meaning != "" {
		dst = append(append(dst, meaning...), " ("...)
		return append(append(dst, reason...), ')')
	}
	if !isWords(reason) || string(reason) == "success" {
		return appendQuoted(dst, reason)
	}
	return append(dst, reason...)
}

// isWords reports whether text is words and blanks, no mark among them.
func isWords(text []byte) bool {
	for _, c := range text {
		if !plainBytes[c] && c != ' ' || c == ',' || c == ':' || c == '.' {
			return false
		}
	}
	return len(text) > 0 && len(text) <= maxWord
}
