package logfile

import "bytes"

// MaxLine bounds a line in bytes. The kernel's longest record is 8970 bytes, with
// every byte escaped, auditd's names and any header in front about 37 KiB.
const MaxLine = 64 << 10

// Cutter cuts a stream into lines, whatever pieces it comes in. It holds at most
// one line. The zero Cutter is ready.
type Cutter struct {
	held   []byte
	middle bool // of a line longer than MaxLine
}

// Cut hands over every line that ends in b, without its LF. Of a line longer
// than MaxLine it hands over pieces; part tells them from lines, and more that
// the line goes on. An empty line is one, too. The bytes are b's or the Cutter's
// own: they hold until take returns.
func (c *Cutter) Cut(b []byte, take func(line []byte, part, more bool)) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			c.hold(b, take)
			return
		}
		line := b[:i]
		b = b[i+1:]
		if len(c.held) == 0 && len(line) <= MaxLine {
			take(line, c.middle, false)
		} else {
			c.hold(line, take)
			take(c.held, c.middle, false)
		}
		c.held, c.middle = c.held[:0], false
	}
}

// hold keeps the beginning of a line, and hands over what is too much.
func (c *Cutter) hold(b []byte, take func(line []byte, part, more bool)) {
	for len(c.held)+len(b) > MaxLine {
		n := MaxLine - len(c.held)
		c.held = append(c.held, b[:n]...)
		b = b[n:]
		take(c.held, true, true)
		c.held, c.middle = c.held[:0], true
	}
	c.held = append(c.held, b...)
}

// End hands over a last line that has no LF.
func (c *Cutter) End(take func(line []byte, part, more bool)) {
	if len(c.held) > 0 {
		take(c.held, c.middle, false)
	}
	c.held, c.middle = c.held[:0], false
}
