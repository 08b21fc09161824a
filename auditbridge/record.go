package auditbridge

import (
	"bytes"
	"encoding/binary"
	"strconv"
)

// Sequence is the dense number of a line in one journal, from 1. It is ours;
// the kernel's own number of an event is its serial. Zero means "none".
type Sequence uint64

// RecordType is the kernel's number for a kind of record
// (include/uapi/linux/audit.h; libaudit's audit-records.h for user space's).
type RecordType uint16

// MaxText is the longest record text in bytes that the kernel hands out:
// MAX_AUDIT_MESSAGE_LENGTH in libaudit.
const MaxText = 8970

// MaxLine bounds a line in bytes, its LF included: every byte of the longest
// text escaped, plus what is put around it.
const MaxLine = 4*MaxText + 128

// escMark ends a line in which bytes were written as \xHH.
const escMark = " ab-esc=1"

// String returns the type's name as auditd writes it, UNKNOWN[n] for a type
// that has none.
func (t RecordType) String() string {
	if name := typeName(t); name != "" {
		return name
	}
	return "UNKNOWN[" + strconv.Itoa(int(t)) + "]"
}

func appendType(dst []byte, t RecordType) []byte {
	if name := typeName(t); name != "" {
		return append(dst, name...)
	}
	dst = append(dst, "UNKNOWN["...)
	dst = strconv.AppendUint(dst, uint64(t), 10)
	return append(dst, ']')
}

// AppendLine appends the line of a record the kernel sent: its type, and text
// as received ("audit(…): …"). One record is always one line: a control byte,
// auditd's separator 0x1d included, is escaped (see AppendEscaped). It
// allocates nothing when dst has room for MaxLine bytes.
func AppendLine(dst []byte, t RecordType, text []byte) []byte {
	dst = append(dst, "type="...)
	dst = appendType(dst, t)
	dst = append(dst, " msg="...)
	dst = AppendEscaped(dst, text, false)
	return append(dst, '\n')
}

// AppendEscaped appends text so that it stays one line. Text that holds a
// control byte (0x00–0x1f, 0x7f) or ends like an escaped one gets each such
// byte and each backslash written as \xHH and " ab-esc=1" appended; all other
// text stands as it is, bytes ≥ 0x80 included. With enriched, the first 0x1d
// is auditd's own separator and stands. AppendUnescaped is the inverse.
func AppendEscaped(dst, text []byte, enriched bool) []byte {
	separator := -1
	if enriched {
		separator = bytes.IndexByte(text, 0x1d)
	}
	if !needsEscape(text, separator) {
		return append(dst, text...)
	}
	return appendEscaped(dst, text, separator, false)
}

// AppendForeign appends a line of auditd's format that somebody else wrote, as
// AppendEscaped does with auditd's separator. One that could be taken for a line
// of our own, or in a copy of the journal for a record behind some header, loses
// that: the t of each "type=" in it is escaped, too. It is then no record, and
// comes back by AppendUnescaped as it was.
func AppendForeign(dst, line []byte) []byte {
	separator := bytes.IndexByte(line, 0x1d)
	switch misleads := misleads(line); {
	case misleads || needsEscape(line, separator):
		return appendEscaped(dst, line, separator, misleads)
	default:
		return append(dst, line...)
	}
}

// appendEscaped escapes text, whether it needs it or not. With hidden, nothing
// in it can begin a record.
func appendEscaped(dst, text []byte, separator int, hidden bool) []byte {
	const hex = "0123456789ABCDEF"
	for i, c := range text {
		if (isControl(c) || c == '\\') && i != separator || hidden && beginsRecord(text, i) {
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
			continue
		}
		dst = append(dst, c)
	}
	return append(dst, escMark...)
}

// beginsRecord reports whether "type=" stands at i, or the byte order mark that
// readers of syslog take off the front.
func beginsRecord(text []byte, i int) bool {
	return text[i] == 't' && bytes.HasPrefix(text[i:], typePrefix) || i == 0 && bytes.HasPrefix(text, byteOrderMark)
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// misleads reports whether a line that is not ours could be taken for one of
// ours, or for another one once somebody looks for a record inside it.
func misleads(line []byte) bool {
	if h, ok := ParseHeader(line); ok {
		return isOwn(h.Type, h.ID.Serial) || isBlock(line)
	}
	if bytes.HasPrefix(line, typePrefix) {
		return isBlock(line)
	}
	return bytes.HasPrefix(line, byteOrderMark) || bytes.Contains(line, typePrefix)
}

// isBlock is as generous as those who look for block lines.
func isBlock(line []byte) bool {
	return bytes.HasPrefix(line, []byte("type=DAEMON_CONFIG ")) && bytes.Contains(line, []byte("op=block"))
}

// AppendUnescaped appends the bytes that were received as line: it undoes
// AppendEscaped. A line that was never escaped is appended as it is.
func AppendUnescaped(dst, line []byte) []byte {
	if !bytes.HasSuffix(line, []byte(escMark)) {
		return append(dst, line...)
	}
	return appendUnescaped(dst, line[:len(line)-len(escMark)])
}

// appendUnescaped appends text with the byte itself for each \xHH.
func appendUnescaped(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) && text[i+1] == 'x' {
			hi, lo := unhex(text[i+2]), unhex(text[i+3])
			if hi >= 0 && lo >= 0 {
				dst = append(dst, byte(hi<<4|lo))
				i += 3
				continue
			}
		}
		dst = append(dst, text[i])
	}
	return dst
}

func needsEscape(text []byte, separator int) bool {
	if separator >= 0 {
		return holdsControl(text[:separator]) || holdsControl(text[separator+1:]) || bytes.HasSuffix(text, []byte(escMark))
	}
	return holdsControl(text) || bytes.HasSuffix(text, []byte(escMark))
}

// holdsControl looks at eight bytes at a time, since it sees every byte of every
// record: a byte below 0x20, or one that is zero after 0x7f is subtracted from it
// (exclusive or), borrows from its own top bit.
func holdsControl(text []byte) bool {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; len(text) >= 8; text = text[8:] {
		eight := binary.LittleEndian.Uint64(text)
		del := eight ^ 0x7f*ones
		if ((eight-0x20*ones)&^eight|(del-ones)&^del)&tops != 0 {
			return true
		}
	}
	for _, c := range text {
		if isControl(c) {
			return true
		}
	}
	return false
}

func isControl(c byte) bool { return c < 0x20 || c == 0x7f }

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	}
	return -1
}
