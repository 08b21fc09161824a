package rules

import "strings"

// word is one argument of a line.
type word struct {
	text   string
	column int  // of its first byte in the file
	quoted bool // stood in quotes, which auditctl does not know
}

// splitWords cuts a line as auditctl does, and appends the words: words stand between spaces, `\ ` is a
// space inside a word and `\\` a backslash; any other backslash is itself.
//
// Beyond auditctl, which would refuse such a line, tabs stand between words too,
// and a path may stand in quotes: no other word can, for auditctl takes the quotes
// of a key, say, as part of it.
func splitWords(words []word, line string) (_ []word, tabs bool) {
	for i := 0; i < len(line); {
		switch c := line[i]; {
		case c == ' ', c == '\t', c == '\r':
			tabs = tabs || c == '\t'
			i++
			continue
		case (c == '"' || c == '\'') && strings.HasPrefix(line[i+1:], "/"):
			if end := strings.IndexByte(line[i+1:], c); end > 0 {
				words = append(words, word{line[i+1 : i+1+end], i + 1, true})
				i += end + 2
				continue
			}
		}
		start := i
		for i < len(line) && line[i] != ' ' && line[i] != '\t' && line[i] != '\r' {
			if strings.HasPrefix(line[i:], `\ `) || strings.HasPrefix(line[i:], `\\`) {
				i++
			}
			i++
		}
		text := line[start:i]
		if strings.IndexByte(text, '\\') >= 0 {
			text = unescaped.Replace(text)
		}
		words = append(words, word{text: text, column: start + 1})
	}
	return words, tabs
}

var unescaped = strings.NewReplacer(`\\`, `\`, `\ `, ` `)

// escapeWord writes a word so that splitWords reads it as one. A line's end, which no
// rule file can say and the kernel takes all the same, begins no line of its own.
func escapeWord(text string) string {
	if !strings.ContainsAny(text, " \\\n") {
		return text
	}
	return strings.NewReplacer(`\`, `\\`, ` `, `\ `, "\n", `\x0a`).Replace(text)
}
