package logfile

import (
	"io"
	"unicode/utf8"
)

// utf16 turns UTF-16 into UTF-8, the mark at the beginning left out. Half a
// surrogate pair becomes the three bytes that it would be if it were a
// character, and half a character at the end stays a byte: neither is UTF-8, so
// both show, and the original can be told.
type utf16 struct {
	r         io.Reader
	low, high int // which byte of two
	in        [8192]byte
	have      int
	out       []byte // space[n:m]: decoded and not yet read
	space     [3 * 8192]byte
	begun     bool
	err       error
}

func (u *utf16) Read(b []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		n, err := u.r.Read(u.in[u.have:])
		u.have += n
		u.err = err
		u.decode(err != nil)
	}
	n := copy(b, u.out)
	u.out = u.out[n:]
	return n, nil
}

// decode takes what is whole of the bytes at hand, at the end all of them.
func (u *utf16) decode(end bool) {
	in, out := u.in[:u.have], u.space[:0]
	for len(in) >= 2 {
		r := u.unit(in)
		if !u.begun {
			u.begun, in = true, in[2:]
			continue
		}
		size := 2
		if r>>10 == 0xd800>>10 {
			if len(in) < 4 && !end {
				break
			}
			if len(in) >= 4 && u.unit(in[2:])>>10 == 0xdc00>>10 {
				r, size = 0x10000+(r&0x3ff)<<10+u.unit(in[2:])&0x3ff, 4
			}
		}
		if r>>11 == 0xd800>>11 {
			out = append(out, 0xed, 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
		} else {
			out = utf8.AppendRune(out, r)
		}
		in = in[size:]
	}
	if end {
		out = append(out, in...)
		in = nil
	}
	u.have = copy(u.in[:], in)
	u.out = out
}

func (u *utf16) unit(b []byte) rune { return rune(b[u.high])<<8 | rune(b[u.low]) }
