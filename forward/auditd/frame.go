package auditd

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
)

// A frame is a header and a body, in both directions (audit-userspace, lib/private.h:
// struct auditd_remote_message_wrapper). Numbers are little-endian, although the
// comment there says "network order".
//
//	 0  4  magic            0xff0000fe
//	 4  1  header version   0
//	 5  1  message version  0
//	 6  4  type
//	10  2  length           of the body
//	12  4  sequence         chosen by who asks, repeated in the answer
const (
	headerSize = 16
	magic      = 0xff0000fe

	// maxBody is what a stock auditd takes: it reads header and body into 8970
	// bytes and from 4.1.4 on ends the text within them.
	maxBody = 8953
)

// kind is a frame's type.
type kind uint32

const (
	message   kind = 0
	heartbeat kind = 1

	acknowledged kind = 0x40000000 // stored, as far as auditd's write goes
	ending       kind = 0x40000001 // auditd stops; to no message
	diskLow      kind = 0x50000001 // stored; the disk is low
	diskFull     kind = 0x60000001 // not stored
	diskError    kind = 0x60000002 // not stored; also while its logging is suspended

	reply   kind = 0x40000000
	fatal   kind = 0x20000000 // with reply: not stored
	warning kind = 0x10000000 // with reply: stored, and something is to be said
)

func appendHeader(dst []byte, k kind, length int, sequence uint32) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, magic)
	dst = append(dst, 0, 0)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(k))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(length))
	return binary.LittleEndian.AppendUint32(dst, sequence)
}

// appendMessage appends a record as a frame, with the LF that stock senders have. One
// too long for a stock receiver is cut, and says so: ` ab-cut=N` is its last field, N
// what it had. The journal keeps it whole.
func appendMessage(dst, record []byte, sequence uint32) []byte {
	if len(record) < maxBody {
		dst = appendHeader(dst, message, len(record)+1, sequence)
		dst = append(dst, record...)
		return append(dst, '\n')
	}
	var room [32]byte
	note := append(room[:0], " ab-cut="...)
	note = strconv.AppendInt(note, int64(len(record)), 10)
	dst = appendHeader(dst, message, maxBody, sequence)
	dst = append(dst, record[:maxBody-1-len(note)]...)
	dst = append(dst, note...)
	return append(dst, '\n')
}

// answer is a frame the far end sent.
type answer struct {
	kind     kind
	sequence uint32
	text     []byte // what it says, of that the beginning; good until the next is read
}

// maxText is how much of an answer's body is kept; a stock receiver's are short.
const maxText = 200

// reader takes answers apart. It allocates nothing for each.
type reader struct {
	buf    *bufio.Reader
	header [headerSize]byte
	text   [maxText]byte
}

func newReader(r io.Reader) *reader { return &reader{buf: bufio.NewReaderSize(r, 16<<10)} }

// next reads an answer. io.EOF is an end between two.
func (r *reader) next() (a answer, err error) {
	h := r.header[:]
	if _, err := io.ReadFull(r.buf, h); err != nil {
		return a, err
	}
	if got := binary.LittleEndian.Uint32(h); got != magic {
		return a, &ProtocolError{fmt.Sprintf("an answer begins with %q", h)}
	}
	a.kind, a.sequence = kind(binary.LittleEndian.Uint32(h[6:])), binary.LittleEndian.Uint32(h[12:])
	if a.kind&reply == 0 {
		return a, &ProtocolError{fmt.Sprintf("a frame of type 0x%08x, which is no answer", uint32(a.kind))}
	}
	length := int(binary.LittleEndian.Uint16(h[10:]))
	a.text = r.text[:min(length, maxText)]
	if _, err = io.ReadFull(r.buf, a.text); err == nil {
		_, err = r.buf.Discard(length - len(a.text))
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return a, err
}
