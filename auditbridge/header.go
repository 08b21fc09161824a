package auditbridge

import (
	"bytes"
	"strconv"
	"time"
)

// EventID names an event: all records of one EventID form one event. It is
// comparable. The serial is the kernel's, one per event since boot, wrapping
// at 2³²; together with the time it is unique on one node only.
type EventID struct {
	Node    string // node=NAME in front of the line, usually empty
	Seconds int64  // Unix time
	Millis  uint16
	Serial  uint32
}

// Time is when the event was, to the millisecond.
func (id EventID) Time() time.Time {
	return time.Unix(id.Seconds, int64(id.Millis)*int64(time.Millisecond))
}

// AppendTime appends the event's time as RFC 3339, UTC, in milliseconds.
func (id EventID) AppendTime(dst []byte) []byte {
	t := time.Unix(id.Seconds, 0).UTC()
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	dst = append(appendDigits(dst, year, 4), '-')
	dst = append(appendDigits(dst, int(month), 2), '-')
	dst = append(appendDigits(dst, day, 2), 'T')
	dst = append(appendDigits(dst, hour, 2), ':')
	dst = append(appendDigits(dst, minute, 2), ':')
	dst = append(appendDigits(dst, second, 2), '.')
	return append(appendDigits(dst, int(id.Millis), 3), 'Z')
}

func appendDigits(dst []byte, n, width int) []byte {
	for unit := [...]int{1, 10, 100, 1000}[width-1]; unit > 0; unit /= 10 {
		dst = append(dst, byte('0'+n/unit%10))
	}
	return dst
}

// String names the event as auditd does: node, time and serial.
func (id EventID) String() string {
	b := make([]byte, 0, 64)
	if id.Node != "" {
		b = append(append(append(b, "node="...), id.Node...), ' ')
	}
	return string(id.AppendStamp(b))
}

// AppendStamp appends the event's time and serial as every record has them,
// "audit(1709742929.678:2340)".
func (id EventID) AppendStamp(dst []byte) []byte {
	dst = strconv.AppendInt(append(dst, "audit("...), id.Seconds, 10)
	dst = append(appendDigits(append(dst, '.'), int(id.Millis), 3), ':')
	return append(strconv.AppendUint(dst, uint64(id.Serial), 10), ')')
}

// lastSecond ends the year 9999, the last that RFC 3339 can write.
const lastSecond = 253402300799

// Header is what stands in front of every record.
type Header struct {
	Type RecordType
	Node []byte  // aliases the line; nil when there is no node=
	ID   EventID // ID.Node stays empty: the caller interns Node where it keeps it
	Body int     // offset in the line of what follows "audit(…): "
}

// Own says whether the header is one of our own records'. Who reads a journal may
// believe it: AppendForeign takes it from lines of others.
func (h *Header) Own() bool { return isOwn(h.Type, h.ID.Serial) }

// maxNode bounds a node's name in bytes, as DNS does a host's.
const maxNode = 255

// ParseHeader reads `[node=NAME ]type=NAME msg=audit(SEC.MMM:SERIAL): ` at the
// start of line without allocating. ok is false when line does not begin so.
// Other writers' ways are read too: host= for node=, a type's number for its
// name, and no colon behind the bracket. A name that looks like a type's but is
// none we know has type 0: a newer auditd wrote it, and its event is still told
// by the rest of the header. ParseFramed looks behind other text.
func ParseHeader(line []byte) (h Header, ok bool) {
	rest := line
	if !bytes.HasPrefix(rest, typePrefix) && (bytes.HasPrefix(rest, nodePrefix) || bytes.HasPrefix(rest, hostPrefix)) {
		node, tail, found := bytes.Cut(rest[len(nodePrefix):], []byte{' '})
		if !found || len(node) == 0 || len(node) > maxNode {
			return h, false
		}
		h.Node, rest = node, tail
	}
	if h.Type, rest, ok = cutType(rest); !ok {
		return h, false
	}
	if rest, ok = bytes.CutPrefix(rest, []byte("msg=")); !ok {
		return h, false
	}
	if rest, ok = h.ID.cutStamp(rest); !ok {
		return h, false
	}
	h.Body = len(line) - len(rest)
	return h, true
}

// cutType takes `type=NAME ` off.
func cutType(b []byte) (t RecordType, rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(b, typePrefix)
	if !ok {
		return 0, b, false
	}
	name, rest, ok := bytes.Cut(rest, []byte{' '})
	if !ok {
		return 0, b, false
	}
	if t, ok = ParseType(name); ok {
		return t, rest, true
	}
	if t, ok = parseTypeNumber(name); ok {
		return t, rest, true
	}
	return 0, rest, looksLikeType(name)
}

// cutStamp takes `audit(SEC.MMM:SERIAL): ` off.
func (id *EventID) cutStamp(b []byte) (rest []byte, ok bool) {
	rest, ok = bytes.CutPrefix(b, []byte("audit("))
	if !ok {
		return b, false
	}
	seconds, rest, ok := cutUint(rest, '.', lastSecond)
	if !ok {
		return b, false
	}
	millis, rest, ok := cutUint(rest, ':', 999)
	if !ok {
		return b, false
	}
	serial, rest, ok := cutUint(rest, ')', 1<<32-1)
	if !ok {
		return b, false
	}
	rest = bytes.TrimPrefix(rest, []byte{':'})
	if len(rest) > 0 && rest[0] != ' ' && rest[0] != '\r' {
		return b, false
	}
	id.Seconds, id.Millis, id.Serial = int64(seconds), uint16(millis), uint32(serial)
	return bytes.TrimPrefix(rest, []byte{' '}), true
}

var (
	typePrefix = []byte("type=")
	nodePrefix = []byte("node=")
	hostPrefix = []byte("host=")
)

func looksLikeType(name []byte) bool {
	for _, c := range name {
		if c != '_' && (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return 0 < len(name) && len(name) <= 64 && (name[0] < '0' || name[0] > '9')
}

// ParseType is the inverse of RecordType.String.
func ParseType(name []byte) (RecordType, bool) {
	if t, ok := typeByName(name); ok {
		return t, true
	}
	rest, ok := bytes.CutPrefix(name, []byte("UNKNOWN["))
	if !ok {
		return 0, false
	}
	n, rest, ok := cutUint(rest, ']', 1<<16-1)
	return RecordType(n), ok && len(rest) == 0
}

// parseTypeNumber reads a type as the kernel's own log has it: 1400.
func parseTypeNumber(name []byte) (RecordType, bool) {
	n := 0
	for _, c := range name {
		if c -= '0'; c > 9 || n > 1<<16 {
			return 0, false
		}
		n = 10*n + int(c)
	}
	return RecordType(n), len(name) > 0 && n < 1<<16
}

// cutUint reads decimal digits up to stop, at most max, which is below 2⁶³.
func cutUint(b []byte, stop byte, max uint64) (n uint64, rest []byte, ok bool) {
	for i, c := range b {
		if c == stop {
			return n, b[i+1:], i > 0 && n <= max
		}
		if c -= '0'; c > 9 || i == 19 {
			return 0, nil, false
		}
		n = n*10 + uint64(c)
	}
	return 0, nil, false
}
