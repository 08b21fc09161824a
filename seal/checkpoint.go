package seal

import (
	"fmt"
	"slices"

	"auditbridge/auditbridge"
)

// checkpoint takes the signature of an accepted block line. Through the chain
// of hashes it vouches for everything before it; whether the key may be
// believed is follow's question.
func (c *chain) checkpoint(b *Block, line []byte, hash Hash, at int64) {
	d := Defect{First: c.provenTo() + 1, Last: b.Sequence(), Block: b.Sequence(), Line: at}
	if !b.Verify(line) {
		d.Reason, d.Record = BadSignature, b.Sequence()
		c.convicted()
		c.defect(d)
		return
	}
	c.cleared()
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
	c.report.short(c.open.short)
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

// meeting is what a stream has at the sequence of a checkpoint that was given.
type meeting struct {
	met   bool
	other *Defect // something else is there
}

// meet compares a block with a given checkpoint that may be its line. An equal
// hash vouches for everything before it, and its key for what follows.
func (c *chain) meet(known *Checkpoint, m *meeting, b *Block, hash Hash, at int64) {
	if known.Sequence < b.First || known.Sequence > b.Sequence() {
		return
	}
	if known.Sequence == b.Sequence() && hash == known.Hash {
		if b.Signed() || !c.key.IsZero() { // else it says nothing of who may sign from here on
			c.anchored, m.met = true, true
			c.report.Anchored = "checkpoint"
		}
		return
	}
	if m.other == nil {
		m.other = &Defect{Reason: OtherCheckpoint, Block: b.Sequence(), Line: at, Detail: fmt.Sprintf("sequence %d has another line here", known.Sequence)}
	}
}

// unmet is what is wrong because nothing in the input is the i-th of the given
// checkpoints. Those before it vouch for what they have met, and nothing for
// what follows: somebody with a key that was stolen can have written it.
func (c *chain) unmet(i int) Defect {
	known, r := c.opts.Known[i], &c.report
	d := Defect{Reason: EndsBefore, Detail: fmt.Sprintf("its last block line has sequence %d", r.Last)}
	switch {
	case c.known[i].other != nil:
		// Another host of the same copy may be the one it was noted from.
		d = *c.known[i].other
	case known.Sequence < r.Last || r.Blocks == 0:
		return Defect{Reason: NotAnchored, First: r.First, Last: r.Last, Detail: "the given checkpoint is not in it"}
	}
	d.First, d.Last = r.First, known.Sequence
	for j := range i {
		if c.known[j].met {
			d.First = c.opts.Known[j].Sequence + 1
		}
	}
	return d
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
		line := c.held.line(i)
		if n := c.pending.find(line); n >= 0 {
			r.resend(one(c.next+auditbridge.Sequence(n)), c.pending.at[n])
		} else if again, known := c.history.place(line); known {
			r.resend(again, c.held.at[i])
		} else {
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
	r.short(c.open.short)
	r.Present += c.open.present
	r.Absent += c.open.absent
	r.TailSeconds, r.LastTime = c.tail.span().Seconds(), c.tail.last.UTC()
	r.Before = c.front()
	if r.Young = c.young(tail); r.Checkpoints == 0 && !r.Young {
		c.defect(Defect{Reason: NotSealed, First: r.First, Last: r.Last, Detail: c.whyNotSealed()})
	}
}

// linked is what the given keys and checkpoints have in common with all chains
// of an input.
type linked struct {
	any   bool   // one of them was in use, or is there
	known []bool // which checkpoints are there, or before an input that holds a later one
}

func (l *linked) add(c *chain) {
	l.any = l.any || c.anchored
	later := false
	for i, m := range slices.Backward(c.known) {
		later = later || m.met
		l.known[i] = l.known[i] || m.met || later && c.opts.Known[i].Sequence < c.report.First
	}
}

// conclude comes to the verdict. What was given may be another host's of the
// same copy: then this chain is not covered, and nothing is wrong with it.
func (c *chain) conclude(given linked) {
	r := &c.report
	missing := slices.Index(given.known, false)
	switch {
	case len(c.opts.Keys) == 0 && len(c.opts.Known) == 0 || r.Young:
	case missing >= 0:
		c.defect(c.unmet(missing))
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
