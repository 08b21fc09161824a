package seal

import (
	"fmt"
	"slices"
	"time"

	"auditbridge/auditbridge"
)

// checkpoint takes the signature of an accepted block line. Through the chain
// of hashes it vouches for everything before it; whether the key may be
// believed is follow's question.
func (c *chain) checkpoint(b *Block, line []byte, hash Hash, at int64) {
	d := Defect{First: c.provenTo() + 1, Last: b.Sequence(), Block: b.Sequence(), Line: at}
	if !b.Verify(line) {
		d.Reason = BadSignature
		c.defect(d)
		return
	}
	c.report.Checkpoints++
	if c.report.FirstKey == "" {
		c.report.FirstKey = b.Key.String()
	}
	c.report.LastKey = b.Key.String()
	if !c.follow(b) {
		d.Reason, d.Detail = KeyNotAnnounced, "a new chain begins with key "+b.Key.String()
		c.defect(d)
		c.open = tally{}
		return
	}
	c.report.Sealed += c.open.records
	c.report.Present += c.open.present
	c.report.Absent += c.open.absent
	c.report.PartialBlocks += c.open.partial
	c.report.SealedTo = b.Sequence()
	c.report.Checkpoint = &Checkpoint{b.Sequence(), hash, b.At}
	c.open = tally{}
}

// follow moves from the key that signed before to b's. It returns false when
// nothing vouches for b's key; the chain then goes on with it unanchored.
func (c *chain) follow(b *Block) bool {
	before, announced := c.key, c.announced
	c.key, c.announced = b.Key, b.Next
	given := slices.Contains(c.opts.Keys, b.Key)
	if given {
		c.anchored, c.report.Anchored = true, "key"
	}
	switch {
	case before.IsZero():
		return true
	case b.Key == announced:
		c.report.KeyChanges++
		return true
	case b.Key == before:
		// It announced a successor and signs once more: a crash came between, and
		// the successor was lost. Whoever holds the old key could have signed this
		// anyway, so nothing is given away by accepting it.
		if !announced.IsZero() {
			c.report.KeysUndone++
		}
		return true
	}
	c.report.NewChains++
	c.anchored = given
	return given
}

// meetKnown compares the block line with the given checkpoint's sequence. An
// equal hash vouches for everything before it, and its key for what follows.
func (c *chain) meetKnown(known *Checkpoint, b *Block, hash Hash, at int64) {
	if hash != known.Hash {
		c.defect(Defect{Reason: OtherCheckpoint, First: c.provenTo() + 1, Last: b.Sequence(), Block: b.Sequence(), Line: at,
			Detail: "sequence " + fmt.Sprint(known.Sequence) + " has another line here"})
		return
	}
	if !b.Signed() && c.key.IsZero() {
		return // says nothing of who may sign from here on
	}
	c.anchored = true
	c.report.Anchored = "checkpoint"
}

// finish ends the stream and comes to the verdict.
func (c *chain) finish() {
	for len(c.doubts) > 0 {
		c.settle()
	}
	if n := c.pending.len(); c.flawed != 0 && c.flawed != c.pending.at[n-1] {
		// As the very last line it may be one that is still being written.
		c.defect(Defect{Reason: MalformedBlock, First: c.next, Line: c.flawed, Detail: "in the tail"})
	}
	r := &c.report
	tail := c.pending.len()
	if !c.opts.Own {
		tail = c.pending.keep(startsRecord).len()
		r.Foreign += uint64(c.pending.len() - tail)
	}
	for i := range c.held.len() {
		if line := c.held.line(i); !holds(c.pending.buf, line) && !c.history.holds(line) {
			r.Duplicates-- // it never came again
			tail++
		}
	}
	switch {
	case !c.begun:
		r.Leading = uint64(tail) + c.lost
	default:
		r.Tail = c.open.records + c.open.present + uint64(tail) + c.lost
	}
	r.PartialBlocks += c.open.partial
	r.Present += c.open.present
	r.Absent += c.open.absent
	if c.open.blocks > 0 {
		r.TailSeconds = max(0, c.lastTime().Sub(c.tailFrom).Seconds())
	}
	if r.Checkpoints == 0 {
		c.defect(Defect{Reason: NotSealed, First: r.First, Last: r.Last, Detail: c.whyNotSealed()})
	}
	if (len(c.opts.Keys) > 0 || c.opts.Known != nil) && !c.anchored {
		c.defect(Defect{Reason: NotAnchored, First: r.First, Last: r.Last})
	}
	r.Verdict = c.verdict()
	r.Verified = r.Verdict == OK || r.Verdict == Partial && c.opts.Filtered && !c.longTail()
}

func (c *chain) whyNotSealed() string {
	switch {
	case !c.begun:
		return "no block line was found"
	case c.report.DefectCount > 0:
		return "no checkpoint could be believed"
	}
	return "no block line carries a signature"
}

// lastTime is when the stream's last line was written, as far as it says.
func (c *chain) lastTime() time.Time {
	for i := c.pending.len() - 1; i >= 0; i-- {
		if h, ok := auditbridge.ParseHeader(c.pending.line(i)); ok {
			return time.Unix(h.ID.Seconds, int64(h.ID.Millis)*1e6)
		}
	}
	return c.lastAt
}

// verdict weighs the report. A tail longer than a running journal leaves is
// no proof of anything, but nobody should take it for verified either.
func (c *chain) verdict() Verdict {
	r := &c.report
	switch {
	case r.DefectCount > 0:
		return Bad
	case r.PartialBlocks > 0, c.longTail():
		return Partial
	}
	return OK
}

func (c *chain) longTail() bool {
	return c.report.TailSeconds > maxUnsealed.Seconds() || len(c.pending.buf) > MaxBlock+auditbridge.MaxLine || c.lost > 0
}
