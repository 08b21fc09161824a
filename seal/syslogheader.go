package seal

import (
	"bytes"
	"time"
)

// cutHeader takes a line of some copy of the stream apart: the record, and the
// host that a syslog header in front of it names. It knows the headers of
// RFC 5424, RFC 3164 and rsyslog's file templates; behind any other text it
// finds the record where "type=NAME msg=audit(" begins. A trailing CR goes. ok
// is false when the line holds no record: record is then the line's text
// behind a header it knows.
//
// What a header says is never believed: it only sorts lines, and every record
// is held to a block's hash afterwards.
func cutHeader(line []byte) (host, record []byte, ok bool) {
	line = bytes.TrimSuffix(line, []byte{'\r'})
	if startsRecord(line) {
		return nil, line, true
	}
	host, rest := cutSyslog(line)
	if startsRecord(rest) {
		return host, rest, true
	}
	if at := findRecord(rest); at >= 0 {
		return host, rest[at:], true
	}
	return host, rest, false
}

// startsRecord is generous: what begins like a record is taken for one, so
// that a mangled record counts as changed and is not passed over.
func startsRecord(line []byte) bool {
	return bytes.HasPrefix(line, []byte("type=")) || bytes.HasPrefix(line, []byte("node=")) || bytes.HasPrefix(line, []byte("host="))
}

// findRecord finds where a record begins behind text it does not know.
func findRecord(line []byte) int {
	for from := 0; ; {
		at := bytes.Index(line[from:], []byte("type="))
		if at < 0 {
			return -1
		}
		at += from
		name, after, found := bytes.Cut(line[at+len("type="):], []byte{' '})
		if found && len(name) > 0 && bytes.HasPrefix(after, []byte("msg=audit(")) {
			return withNode(line, at)
		}
		from = at + len("type=")
	}
}

// withNode moves at back over a node= field that stands in front of it.
func withNode(line []byte, at int) int {
	if at == 0 || line[at-1] != ' ' {
		return at
	}
	before := line[:at-1]
	field := bytes.LastIndexByte(before, ' ') + 1
	if bytes.HasPrefix(before[field:], []byte("node=")) {
		return field
	}
	return at
}

// cutSyslog takes a syslog header off: host is nil when there is none.
func cutSyslog(line []byte) (host, msg []byte) {
	rest, pri := cutPriority(line)
	if after, ok := bytes.CutPrefix(rest, []byte("1 ")); ok && pri {
		return cutRFC5424(after, line)
	}
	rest, ok := cutTimestamp(rest)
	if !ok {
		return nil, line
	}
	host, rest, ok = cutWord(rest)
	if !ok {
		return nil, line
	}
	// TAG: a program, perhaps [pid], and a colon, which rsyslog leaves out when
	// the message came as RFC 5424.
	if tag, after, found := cutWord(rest); found && (bytes.HasSuffix(tag, []byte{':'}) || bytes.HasSuffix(tag, []byte{']'}) && bytes.IndexByte(tag, '[') > 0) {
		rest = after
	}
	return host, bytes.TrimPrefix(rest, []byte{' '})
}

// cutRFC5424 reads TIMESTAMP HOSTNAME APP-NAME PROCID MSGID SD MSG.
func cutRFC5424(rest, line []byte) (host, msg []byte) {
	var word [5][]byte
	for i := range word {
		var ok bool
		if word[i], rest, ok = cutWord(rest); !ok {
			return nil, line
		}
	}
	rest, ok := cutStructuredData(rest)
	if !ok {
		return nil, line
	}
	rest = bytes.TrimPrefix(rest, []byte{' '})
	return word[1], bytes.TrimPrefix(rest, []byte("\xef\xbb\xbf"))
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
	end := bytes.IndexByte(line, '>')
	if len(line) == 0 || line[0] != '<' || end < 2 || end > 4 {
		return line, false
	}
	return line[end+1:], true
}

// cutTimestamp takes RFC 3339 or "Jan _2 15:04:05" off.
func cutTimestamp(line []byte) (rest []byte, ok bool) {
	const bsd = "Jan _2 15:04:05"
	if len(line) > len(bsd) && line[len(bsd)] == ' ' && line[3] == ' ' && line[9] == ':' {
		if _, err := time.Parse(bsd, string(line[:len(bsd)])); err == nil {
			return line[len(bsd)+1:], true
		}
	}
	word, rest, ok := cutWord(line)
	if !ok || len(word) < len("2006-01-02T15:04:05Z") || word[4] != '-' || word[10] != 'T' {
		return line, false
	}
	return rest, true
}

func cutWord(line []byte) (word, rest []byte, ok bool) {
	word, rest, ok = bytes.Cut(line, []byte{' '})
	return word, rest, ok && len(word) > 0
}
