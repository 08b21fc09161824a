package seal

import "auditbridge/auditbridge"

// suspect is a block line that does not refer to the one before it: one of the
// two was changed. What the next one refers to, or a signature, tells which.
type suspect struct {
	defect       int // its place in the report
	before, line auditbridge.Sequence
	sealed       bool // the one before carries a good signature
	anchored     bool // by a key that is known to be the journal's
}

// suspects notes that the next defect is a break of the chain at this block line.
func (c *chain) suspects(line auditbridge.Sequence) {
	before := c.next - 1
	c.suspect = &suspect{len(c.report.Defects), before, line, c.report.SealedTo == before, c.anchored}
}

// cleared says that the suspect is as it was written: the one before is not, or
// another journal goes on here.
func (c *chain) cleared() {
	switch s := c.suspect; {
	case s == nil:
	case !s.sealed:
		c.blame(s.before)
	case s.anchored:
		c.blame(s.before + 1)
	default:
		c.suspect = nil
	}
}

// convicted says that it is not.
func (c *chain) convicted() {
	if c.suspect != nil {
		c.blame(c.suspect.line)
	}
}

func (c *chain) blame(record auditbridge.Sequence) {
	if c.suspect.defect < len(c.report.Defects) {
		c.report.Defects[c.suspect.defect].Record = record
	}
	c.suspect = nil
}
