package auditbridge

import "bytes"

// CutSyslog takes a syslog header off a line: of RFC 5424, of RFC 3164, or as
// log daemons, journalctl and dmesg write one into a file. tag is the program
// that spoke, without its pid; host and tag are nil where the header has none.
// Without a header that it knows message is the line. All alias the line, and
// nothing that a header says is to be believed.
func CutSyslog(line []byte) (host, tag, message []byte) {
	rest, pri := cutPriority(line)
	if after, ok := bytes.CutPrefix(rest, []byte("1 ")); ok && pri {
		return cutRFC5424(after, line)
	}
	rest, ok := cutTimestamp(rest)
	if !ok {
		return nil, nil, line
	}
	if tag, after, ok := cutTag(rest, false); ok {
		return nil, tag, after
	}
	word, after, ok := cutWord(rest)
	if !ok || bytes.ContainsAny(word, "=(") { // the message itself
		return nil, nil, rest
	}
	host, rest = word, after
	if tag, after, ok := cutTag(rest, true); ok {
		return host, tag, after
	}
	return host, nil, bytes.TrimPrefix(rest, []byte{' '})
}

// cutTag takes TAG off: a program, perhaps [pid], and a colon, which rsyslog
// leaves out when the message came as RFC 5424 and the tag has its pid.
func cutTag(line []byte, bare bool) (tag, rest []byte, ok bool) {
	word, rest, ok := cutWord(line)
	if !ok {
		return nil, line, false
	}
	name, colon := bytes.CutSuffix(word, []byte{':'})
	if at := bytes.IndexByte(name, '['); at > 0 && name[len(name)-1] == ']' {
		if name = name[:at]; bare {
			colon = true
		}
	}
	if !colon || len(name) == 0 {
		return nil, line, false
	}
	return name, bytes.TrimPrefix(rest, []byte{' '}), true
}

// cutRFC5424 reads TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD MSG.
func cutRFC5424(rest, line []byte) (host, tag, message []byte) {
	var word [5][]byte
	for i := range word {
		var ok bool
		if word[i], rest, ok = cutWord(rest); !ok {
			return nil, nil, line
		}
	}
	rest, ok := cutStructuredData(rest)
	if !ok {
		return nil, nil, line
	}
	rest = bytes.TrimPrefix(rest, []byte{' '})
	return word[1], word[2], bytes.TrimPrefix(rest, byteOrderMark)
}

func cutStructuredData(rest []byte) ([]byte, bool) {
	if after, ok := bytes.CutPrefix(rest, []byte{'-'}); ok {
		return after, true
	}
	quoted, depth := false, 0
	for i := 0; i < len(rest); i++ {
		switch c := rest[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
		case c == ']':
			depth--
			if depth == 0 && (i+1 == len(rest) || rest[i+1] != '[') {
				return rest[i+1:], true
			}
		case depth == 0:
			return nil, false
		}
	}
	return nil, false
}

func cutPriority(line []byte) (rest []byte, found bool) {
	end := bytes.IndexByte(line[:min(len(line), 5)], '>')
	if len(line) == 0 || line[0] != '<' || end < 2 {
		return line, false
	}
	return line[end+1:], true
}

// cutTimestamp takes a time off, in the ways of RFC 3339 and RFC 3164, of
// journalctl's short forms, and of dmesg, "[   12.345678]".
func cutTimestamp(line []byte) (rest []byte, ok bool) {
	if rest, ok = cutBrackets(line); ok {
		return rest, true
	}
	if hasShape(line, "Aaa _0 00:00:00") { // "Mar  6 16:34:22.123456+01:00"
		_, rest, ok = cutWord(line[len("Mar  6 "):])
		return rest, ok
	}
	if hasShape(line, "0000 Aaa _0 00:00:00 ") { // "2020 Sep  4 19:14:07"
		return line[len("2020 Sep  4 19:14:07 "):], true
	}
	if hasShape(line, "Aaa 0000-00-00 00:00:00 AAA ") { // "Wed 2024-03-06 16:34:22 UTC"
		_, rest, ok = cutWord(line[len("Wed 2024-03-06 16:34:22 "):])
		return rest, ok
	}
	if hasShape(line, "0000-00-00T00:00:00") || hasShape(line, "0000000000.00") {
		_, rest, ok = cutWord(line)
		return rest, ok
	}
	if hasShape(line, "0000-00-00 00:00:00") {
		_, rest, ok = cutWord(line[len("2024-03-06 "):])
		return rest, ok
	}
	return line, false
}

// cutBrackets takes the kernel's time and caller off: "[   12.345678][  T812] ".
func cutBrackets(line []byte) (rest []byte, ok bool) {
	for rest = line; len(rest) > 0 && rest[0] == '['; ok = true {
		end := bytes.IndexByte(rest[:min(len(rest), 40)], ']')
		if end < 0 || bytes.IndexByte(rest[:end], '=') >= 0 {
			return line, false
		}
		rest = bytes.TrimPrefix(rest[end+1:], []byte{' '})
	}
	return rest, ok
}

// hasShape compares the start of line with a shape: 0 stands for a digit, _ for
// a digit or a blank, A and a for a letter; all else for itself.
func hasShape(line []byte, shape string) bool {
	if len(line) < len(shape) {
		return false
	}
	for i := range len(shape) {
		c := line[i]
		switch shape[i] {
		case '0', '_':
			if (c < '0' || c > '9') && (c != ' ' || shape[i] != '_') {
				return false
			}
		case 'A', 'a':
			if c |= 0x20; c < 'a' || c > 'z' {
				return false
			}
		default:
			if c != shape[i] {
				return false
			}
		}
	}
	return true
}

func cutWord(line []byte) (word, rest []byte, ok bool) {
	word, rest, ok = bytes.Cut(line, []byte{' '})
	return word, rest, ok && len(word) > 0
}
