package seal

import (
	"fmt"
	"slices"
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
	c.open, c.tail = tally{}, stretch{}
	c.stopped, c.stopping = c.stopping, false
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
		// Another host of the same copy may be the one it was noted from.
		c.otherKnown = &Defect{Reason: OtherCheckpoint, First: c.provenTo() + 1, Last: b.Sequence(), Block: b.Sequence(), Line: at,
			Detail: "sequence " + fmt.Sprint(known.Sequence) + " has another line here"}
		return
	}
	if !b.Signed() && c.key.IsZero() {
		return // says nothing of who may sign from here on
	}
	c.anchored, c.metKnown = true, true
	c.report.Anchored = "checkpoint"
}

// finish ends the stream: what is pending is its tail. conclude comes to the
// verdict.
func (c *chain) finish() {
	for len(c.doubts) > 0 {
		c.settle()
	}
	if n := c.pending.len(); c.flawed != 0 && c.flawed != c.pending.at[n-1] {
		// As the very last line it may be one that is still being written.
		c.defect(Defect{Reason: MalformedBlock, First: c.next, Line: c.flawed, Detail: "in the tail"})
	}
	r := &c.report
	if !c.opts.Own {
		records := c.pending.keep(startsRecord)
		r.Foreign += uint64(c.pending.len() - records.len())
		c.pending = *records
	}
	tail := c.pending.len()
	c.tail.take(&c.pending, c.replayed)
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
	r.TailSeconds, r.LastTime = c.tail.span().Seconds(), c.tail.last.UTC()
	r.Before = c.front()
	if r.Young = c.young(tail); r.Checkpoints == 0 && !r.Young {
		c.defect(Defect{Reason: NotSealed, First: r.First, Last: r.Last, Detail: c.whyNotSealed()})
	}
}

// linked is what the given keys and checkpoint have in common with all chains
// of an input.
type linked struct {
	any   bool // one of them was in use, or is there
	known bool // the checkpoint is there
}

func (l *linked) add(c *chain) {
	l.any = l.any || c.anchored
	l.known = l.known || c.metKnown
}

// conclude comes to the verdict. What was given may be another host's of the
// same copy: then this chain is not covered, and nothing is wrong with it.
func (c *chain) conclude(given linked) {
	r := &c.report
	known := c.opts.Known != nil
	if c.otherKnown != nil && !given.known {
		c.defect(*c.otherKnown)
	}
	switch {
	case len(c.opts.Keys) == 0 && !known || r.Young:
	case known && !given.known:
		c.defect(Defect{Reason: NotAnchored, First: r.First, Last: r.Last, Detail: "the given checkpoint is not in it"})
	case !c.anchored && given.any:
		r.NotCovered = true
	case !c.anchored:
		c.defect(Defect{Reason: NotAnchored, First: r.First, Last: r.Last})
	}
	r.Reservations = c.reservations()
	switch {
	case r.DefectCount > 0:
		r.Verdict = Bad
	case len(r.Reservations) > 0, r.PartialBlocks > 0:
		r.Verdict = Partial
	default:
		r.Verdict = OK
	}
	// Absent records may have been expected; nothing else that is doubtful was.
	r.Verified = r.Verdict == OK || r.Verdict == Partial && c.opts.Filtered && len(r.Reservations) == 0
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
