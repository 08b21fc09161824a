package relp

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// A frame of RELP (librelp's relp.html, "Syntax"):
//
//	frame   = TXNR SP COMMAND SP DATALEN [SP DATA] LF
//	TXNR    = 1*9DIGIT          ; 0 is the server's own, for what nobody asked
//	COMMAND = 1*32ALPHA
//	DATALEN = 1*9DIGIT          ; octets of DATA; 0 is without SP and DATA

// lastNumber is the last transaction number; 1 follows.
const lastNumber = 999_999_999

// appendFrame appends a frame.
func appendFrame(dst []byte, number uint64, command string, data []byte) []byte {
	dst = strconv.AppendUint(dst, number, 10)
	dst = append(dst, ' ')
	dst = append(dst, command...)
	dst = append(dst, ' ')
	dst = strconv.AppendUint(dst, uint64(len(data)), 10)
	if len(data) > 0 {
		dst = append(dst, ' ')
		dst = append(dst, data...)
	}
	return append(dst, '\n')
}

// answer is a frame the far end sent.
type answer struct {
	number  uint64
	command string // "rsp", "serverclose"; another is no command a server has
	data    []byte // good until the next is read
}

// maxAnswer is how much a far end may say at once; what it has to say is a code and
// a sentence, and once a list of what it offers.
const maxAnswer = 64 << 10

// reader takes frames apart. It allocates nothing for each.
type reader struct {
	buf  *bufio.Reader
	data []byte
}

func newReader(r io.Reader) *reader { return &reader{buf: bufio.NewReaderSize(r, 16<<10)} }

// next reads a frame. io.EOF is an end between two.
func (r *reader) next() (a answer, err error) {
	if a.number, err = r.number(' '); err != nil {
		return a, err
	}
	if a.command, err = r.command(); err != nil {
		return a, within(err)
	}
	length, err := r.length()
	if err != nil {
		return a, within(err)
	}
	if length > maxAnswer {
		return a, &ProtocolError{fmt.Sprintf("an answer of %d bytes; %d are the most", length, maxAnswer)}
	}
	r.data = append(r.data[:0], make([]byte, length)...) // the compiler extends in place
	if _, err := io.ReadFull(r.buf, r.data); err != nil {
		return a, within(err)
	}
	end, err := r.buf.ReadByte()
	if err != nil {
		return a, within(err)
	}
	if end != '\n' {
		return a, &ProtocolError{fmt.Sprintf("byte 0x%02x where its frame should end", end)}
	}
	a.data = r.data
	return a, nil
}

// number reads at most nine digits and what ends them.
func (r *reader) number(end byte) (n uint64, err error) {
	for digits := 0; ; digits++ {
		c, err := r.buf.ReadByte()
		switch {
		case err == io.EOF && digits == 0:
			return 0, io.EOF
		case err != nil:
			return 0, within(err)
		case c == end && digits > 0:
			return n, nil
		case c < '0' || c > '9' || digits == 9:
			return 0, &ProtocolError{fmt.Sprintf("byte 0x%02x in a number of its frame", c)}
		}
		n = n*10 + uint64(c-'0')
	}
}

// length reads DATALEN; SP or, without data, LF follows, of which LF is left.
func (r *reader) length() (n uint64, err error) {
	for digits := 0; ; digits++ {
		c, err := r.buf.ReadByte()
		switch {
		case err != nil:
			return 0, err
		case c == ' ' && digits > 0:
			return n, nil
		case c == '\n' && digits > 0 && n == 0:
			return 0, r.buf.UnreadByte()
		case c < '0' || c > '9' || digits == 9:
			return 0, &ProtocolError{fmt.Sprintf("byte 0x%02x in the length of its frame", c)}
		}
		n = n*10 + uint64(c-'0')
	}
}

var (
	rsp         = []byte("rsp ")
	serverclose = []byte("serverclose ")
)

func (r *reader) command() (string, error) {
	text, err := r.buf.ReadSlice(' ')
	switch {
	case bytes.Equal(text, rsp):
		return "rsp", nil
	case bytes.Equal(text, serverclose):
		return "serverclose", nil
	case err == nil || errors.Is(err, bufio.ErrBufferFull):
		return "", &ProtocolError{fmt.Sprintf("%.40q is no command of a server", text)}
	}
	return "", err
}

// within makes an end in the middle of a frame one.
func within(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// code takes an answer's data apart: `CODE [SP TEXT] [LF MORE]`. The answer to a
// close has none, and means the same as 200.
func code(data []byte) (code int, text, more []byte) {
	head, more, _ := bytes.Cut(data, []byte{'\n'})
	number, text, _ := bytes.Cut(head, []byte{' '})
	if len(data) == 0 {
		return 200, nil, nil
	}
	if len(number) != 3 {
		return 0, head, more
	}
	for _, c := range number {
		if c < '0' || c > '9' {
			return 0, head, more
		}
		code = code*10 + int(c-'0')
	}
	return code, text, more
}
