package seal

import (
	"bytes"
	"strconv"

	"auditbridge/auditbridge"
)

// notice takes what a journal's own lines say of its beginning and end. Only
// for a journal's own segments: in a copy they may be anyone's.
func (c *chain) notice(line []byte) {
	if !c.noticed {
		c.noticed = true
		c.headless = c.opts.First > 1 && !isHeaderOf(line, c.opts.First)
	}
	if !bytes.HasPrefix(line, []byte("type=DAEMON_")) {
		return
	}
	h, ok := auditbridge.ParseHeader(line)
	if !ok || h.ID.Serial < auditbridge.FirstNoteSerial {
		return
	}
	op, _, _ := bytes.Cut(line[h.Body:], []byte{' '})
	switch string(op) {
	case "op=stop":
		c.stopping = true
	case "op=open":
		c.stopping = false
	case "op=drop":
		before := c.opts.First - 1
		if c.dropped == 0 && numberOf(line, " first=") <= before && before <= numberOf(line, " last=") {
			c.dropped = c.nextLine()
		}
	}
}

// nextLine is the sequence of the line that comes next in a journal's own
// segments.
func (c *chain) nextLine() auditbridge.Sequence {
	if !c.begun {
		return c.opts.First + auditbridge.Sequence(c.pending.len())
	}
	return c.next + auditbridge.Sequence(c.pending.len())
}

// isHeaderOf says whether line is the header of the segment that begins at
// first.
func isHeaderOf(line []byte, first auditbridge.Sequence) bool {
	h, ok := auditbridge.ParseHeader(line)
	return ok && h.Type == auditbridge.TypeDaemonConfig && h.ID.Serial >= auditbridge.FirstNoteSerial &&
		bytes.HasPrefix(line[h.Body:], []byte("op=segment ")) && numberOf(line, " first=") == first
}

// numberOf returns the number behind key in one of our own lines, 0 when there
// is none.
func numberOf(line []byte, key string) auditbridge.Sequence {
	_, rest, _ := bytes.Cut(line, []byte(key))
	value, _, _ := bytes.Cut(rest, []byte{' '})
	n, _ := strconv.ParseUint(string(value), 10, 64)
	return auditbridge.Sequence(n)
}

// front says what became of the sequences before a journal's first segment.
func (c *chain) front() Front {
	switch {
	case !c.opts.Own || c.opts.First <= 1 || !c.begun:
		return ""
	case c.first:
		return FrontNone
	case c.dropped == 0:
		return FrontUnexplained
	case c.dropped > c.report.SealedTo:
		return FrontUnsealed
	}
	return FrontDropped
}
