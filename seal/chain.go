package seal

import (
	"fmt"
	"slices"

	"auditbridge/auditbridge"
)

// maxPending bounds what is held between two block lines: sixty times a block,
// for a copy in which a link that kept breaking sent the same lines again and
// again, or that holds other programs' messages too.
const maxPending = 4 << 20

// chain checks one journal's stream. Lines gather in pending until a block
// line says what they should have been. A block proves nothing until a
// signature covers it: what blocks hold goes to open, and a good checkpoint
// moves open into the report.
type chain struct {
	opts   *Options
	report ChainReport

	begun   bool                 // a block line was accepted
	tip     Hash                 // of the last accepted block line
	next    auditbridge.Sequence // that follows it
	pending lines                // since then
	doubts  []doubt              // block lines among pending that do not continue the chain
	flawed  int64                // input line of a malformed block line among pending
	lost    uint64               // lines that pending had no room for
	held    lines                // lines seen before a resend, which the open block must hold
	history history
	suspect *suspect // who broke the chain last

	key, announced PublicKey // who signed last; whom that announced
	anchored       bool      // the keys in use descend from what the options give
	known          []meeting // with each of the given checkpoints
	open           tally
	tail           stretch // what the blocks in open hold
	leadBytes      int     // before the first whole block

	// What the journal's own lines say.
	noticed, headless bool                 // its first line was seen, and is no header
	first             bool                 // its first block refers to none before
	dropped           auditbridge.Sequence // of the record of what stood before being dropped
	stopping, stopped bool                 // the daemon's stop came last; and is sealed
	replayed          bool                 // its lines carry the times of another day
}

// tally is what blocks hold that no signature covers yet.
type tally struct {
	records, present, absent uint64
	blocks, partial          int
	short                    []Short // the first ones
}

// doubt is a line in pending that reads as a block line and does not continue
// the chain. It may be content (a journal fed from a plugin or file can hold
// any line) or show that the chain is broken; what follows decides.
type doubt struct {
	block Block
	hash  Hash
	index int // in pending
}

// maxDoubt is how many bytes may follow a doubtful line before it counts as a
// break: had it been content, its block would have ended by then.
const maxDoubt = MaxBlock + auditbridge.MaxLine

func newChain(opts *Options, node string, budget *int) *chain {
	c := &chain{opts: opts, report: ChainReport{Node: node}, known: make([]meeting, len(opts.Known))}
	c.history.budget = budget
	if opts.Own {
		// A journal sends nothing twice; one block is remembered for its memory.
		one := 1
		c.history.budget = &one
	}
	return c
}

// line takes the next line of this chain's stream.
func (c *chain) line(line []byte, at int64, isRecord bool) {
	if c.opts.Own {
		c.notice(line)
	}
	if isRecord && LooksLikeBlock(line) {
		b, err := ParseBlock(line)
		if err == nil && c.block(&b, line, at) {
			return
		}
		if err != nil && c.flawed == 0 {
			c.flawed = at
		}
	}
	if len(c.doubts) > 0 && len(c.pending.buf)-c.pending.start(c.doubts[0].index) > maxDoubt {
		c.settle()
	}
	if len(c.pending.buf)+len(line) >= maxPending && !c.makeRoom() {
		c.lost += uint64(c.pending.len())
		c.pending.reset()
		c.doubts = nil
	}
	c.pending.add(line, at)
}

// makeRoom drops from pending what is no record. It says whether that helped.
func (c *chain) makeRoom() bool {
	if c.opts.Own || len(c.doubts) > 0 {
		return false
	}
	before := c.pending.len()
	c.pending = *c.pending.keep(startsRecord)
	c.report.Foreign += uint64(before - c.pending.len())
	return len(c.pending.buf) < maxPending/2
}

// block takes a block line. It returns false when the line is to be kept as
// content for now.
func (c *chain) block(b *Block, line []byte, at int64) bool {
	hash := HashLine(line)
	if !c.begun {
		c.begin(b, line, hash, at)
		return true
	}
	if known := c.history.find(b.First, hash); known != nil && !c.opts.Own {
		c.resent(known, at)
		return true
	}
	if b.Prev == c.tip && b.First >= c.next {
		c.extend(b, line, hash, at)
		return true
	}
	c.doubts = append(c.doubts, doubt{*b, hash, c.pending.len()})
	return false
}

// begin takes the first block line of the stream. In a copy the lines before
// it may be only the end of its block, or of something else before it.
func (c *chain) begin(b *Block, line []byte, hash Hash, at int64) {
	c.begun, c.first = true, b.Prev.IsZero() && b.First == c.opts.First
	c.report.First = b.First
	if first := c.opts.First; first > b.First && first <= b.Sequence() && uint64(c.pending.len()) == uint64(b.Sequence()-first) {
		// A segment that begins inside a block, the one before it being dropped.
		c.report.First = b.Sequence()
		c.leads(&c.pending)
		c.pending.reset()
		c.accept(b, line, hash, at, tally{blocks: 1})
		return
	} else if first != 0 && first != b.First {
		c.defect(Defect{Reason: RecordMissing, First: first, Last: b.Sequence(), Block: b.Sequence(), Line: at,
			Detail: fmt.Sprintf("the stream should begin at %d, its first block begins at %d", first, b.First)})
	}
	if !c.opts.Own && !b.covers(&c.pending) && c.startsInside(b) {
		c.accept(b, line, hash, at, tally{blocks: 1})
		return
	}
	c.accept(b, line, hash, at, c.judge(b, at))
}

// startsInside sets aside what stands before b's own lines at the start of a
// copy. It says whether b's lines are only in part there: then nothing proves
// them, and the first sequence that is checked is b's own.
func (c *chain) startsInside(b *Block) bool {
	found := c.pending.keep(startsRecord)
	c.report.Foreign += uint64(c.pending.len() - found.len())
	c.pending = *found
	n := found.len()
	if uint64(n) < b.N && c.opts.First == 0 {
		c.report.First = b.Sequence()
		c.leads(found)
		c.pending.reset()
		return true
	}
	if uint64(n) >= b.N {
		if own := found.slice(n-int(b.N), n); b.covers(own) {
			c.leads(found.slice(0, n-int(b.N)))
			c.pending = *own
		}
	}
	return false
}

// leads takes what stands before the first whole block.
func (c *chain) leads(l *lines) {
	c.report.Leading, c.leadBytes = uint64(l.len())+c.lost, len(l.buf)
	if c.lost > 0 {
		c.leadBytes, c.lost = maxPending, 0
	}
}

// extend takes a block line that continues the chain.
func (c *chain) extend(b *Block, line []byte, hash Hash, at int64) {
	if b.First > c.next {
		// The chain goes on, so the journal itself left these numbers out.
		if len(c.report.Gaps) < maxGaps {
			c.report.Gaps = append(c.report.Gaps, Range{c.next, b.First - 1})
		}
		c.report.Skipped += uint64(b.First - c.next)
		c.strand(b)
	}
	c.cleared()
	found := c.judge(b, at)
	c.checkHeld(b)
	c.accept(b, line, hash, at, found)
}

// accept makes b the chain's tip, pending being what of its lines was found.
func (c *chain) accept(b *Block, line []byte, hash Hash, at int64, found tally) {
	c.report.Blocks++
	c.report.Last = b.Sequence()
	c.open.add(found)
	c.replayed = isReplayed(b.Source)
	if !b.Signed() {
		c.tail.take(&c.pending, c.replayed)
		c.tail.block(b.At)
	}
	c.history.push(remembered{first: b.First, last: b.Sequence(), prev: b.Prev, hash: hash}, line, &c.pending)
	c.tip, c.next = hash, b.Sequence()+1
	c.doubts, c.flawed, c.lost = c.doubts[:0], 0, 0
	for i := range c.known {
		c.meet(&c.opts.Known[i], &c.known[i], b, hash, at)
	}
	if b.Signed() {
		c.checkpoint(b, line, hash, at)
	}
}

func (t *tally) add(o tally) {
	t.records += o.records
	t.present += o.present
	t.absent += o.absent
	t.blocks += o.blocks
	t.partial += o.partial
	t.short = append(t.short, o.short[:min(len(o.short), maxShort-len(t.short))]...)
}

// settle decides that the first doubtful line breaks the chain. Lines behind
// it are taken once more.
func (c *chain) settle() {
	d := c.doubts[0]
	rest := c.pending.slice(d.index, c.pending.len())
	c.pending = *c.pending.slice(0, d.index)
	c.doubts = nil
	c.broken(&d.block, d.hash, rest.at[0])
	line := rest.line(0)
	c.accept(&d.block, line[:len(line)-1], d.hash, rest.at[0], c.judge(&d.block, rest.at[0]))
	for i := 1; i < rest.len(); i++ {
		line := rest.line(i)
		c.line(line[:len(line)-1], rest.at[i], c.opts.Own || startsRecord(line))
	}
}

// broken reports that b does not continue the chain. What was not signed
// before it cannot be proven any more.
func (c *chain) broken(b *Block, hash Hash, at int64) {
	c.convicted()
	d := Defect{First: c.next, Last: b.Sequence(), Block: b.Sequence(), Line: at}
	switch {
	case c.flawed != 0:
		d.Reason, d.Line, d.Detail = MalformedBlock, c.flawed, "a block line before this one cannot be read"
		d.Record = c.flawedSequence()
	case b.Prev.IsZero():
		d.Reason, d.First = OtherJournal, b.First
		d.Detail = "its first block line refers to none before it"
	case b.First > c.next:
		d.Reason, d.Last = BlocksMissing, b.First-1
		d.Detail = "no block line covers them"
		if records := c.records(); uint64(records.len()) == b.N+uint64(b.First-c.next) {
			d.Record = b.First - 1 // all lines are there, and this one should be the block line
		}
	case b.First < c.next:
		d.Reason, d.First = ChainBroken, b.First
		d.Detail = "a block out of its place, replayed or of another journal"
	default:
		c.suspects(b.Sequence())
		d.Reason, d.First = ChainBroken, c.provenTo()+1
		d.Detail = "a block line among them was changed or replaced"
	}
	c.defect(d)
	c.open, c.tail = tally{}, stretch{}
	c.held.reset()
	if extra := c.pending.len() - int(min(b.N, 1<<30)); extra > 0 && b.covers(c.pending.slice(extra, c.pending.len())) {
		// Its own lines are whole; those before belong to what is missing.
		c.pending = *c.pending.slice(extra, c.pending.len())
	}
}

// records is pending without what is no record of this stream.
func (c *chain) records() *lines {
	if c.opts.Own {
		return &c.pending
	}
	return c.pending.keep(startsRecord)
}

// flawedSequence is that of the malformed block line among pending.
func (c *chain) flawedSequence() auditbridge.Sequence {
	before, _ := slices.BinarySearch(c.records().at, c.flawed)
	return c.next + auditbridge.Sequence(before)
}

// provenTo is the last sequence a signature covers, or the one before the
// stream's first.
func (c *chain) provenTo() auditbridge.Sequence {
	if c.report.SealedTo != 0 {
		return c.report.SealedTo
	}
	return c.report.First - 1
}

func (c *chain) defect(d Defect) { c.report.add(d) }
