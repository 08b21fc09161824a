package seal

import (
	"bytes"

	"auditbridge/auditbridge"
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
	host, _, rest := auditbridge.CutSyslog(line)
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
