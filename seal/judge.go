package seal

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"auditbridge/auditbridge"
)

// covers says that l is exactly what the block line sealed.
func (b *Block) covers(l *lines) bool {
	return uint64(l.len()) == b.N && sha256.Sum256(l.buf) == b.SHA256
}

// judge holds pending to what b sealed and leaves in pending what of the block
// was found. Whatever it sets aside as sent again or foreign, the rest must
// then have b's hash.
func (c *chain) judge(b *Block, at int64) tally {
	whole := tally{blocks: 1, records: b.N}
	if c.lost == 0 && b.covers(&c.pending) {
		return whole
	}
	found := &c.pending
	if !c.opts.Own {
		found = found.keep(startsRecord)
		foreign := uint64(c.pending.len() - found.len())
		once := withoutResent(found, b)
		if once == nil && uint64(found.len()) > b.N {
			// A link that broke twice may have repeated earlier blocks in part.
			once = withoutResent(found.keep(func(line []byte) bool { return !c.history.holds(line) }), b)
		}
		if once != nil {
			c.report.Foreign += foreign
			c.report.Duplicates += uint64(found.len() - once.len())
			c.nameResent(found, once, b)
			c.pending = *once
			return whole
		}
		if distinct := unique(found); uint64(found.len()) >= b.N && uint64(distinct.len()) < b.N {
			c.report.Duplicates += uint64(found.len() - distinct.len())
			c.report.resend(Range{b.First, b.Sequence() - 1}, found.at[0])
			found = distinct
		}
		c.report.Foreign += foreign
		c.pending = *found
	}
	if n := uint64(c.pending.len()); n < b.N && !c.opts.Own && c.lost == 0 {
		short := Short{Range: Range{b.First, b.Sequence() - 1}, Absent: b.N - n, Line: at}
		short.From, _ = b.firstBad(&c.pending)
		return tally{blocks: 1, partial: 1, present: n, absent: b.N - n, short: []Short{short}}
	}
	c.defect(c.explain(b, at))
	return tally{blocks: 1}
}

// withoutResent looks for the block in lines of which some may stand there
// twice because a link broke inside it. It returns nil when there is none.
func withoutResent(l *lines, b *Block) *lines {
	if b.covers(l) {
		return l
	}
	extra := l.len() - int(min(b.N, 1<<30))
	if extra <= 0 {
		return nil
	}
	if once := unique(l); b.covers(once) {
		return once
	}
	// The block may hold equal lines itself. One resend repeats a run: lines
	// i-extra … i-1 stand once more at i … i+extra-1.
	for i, tries := extra, 0; i+extra <= l.len() && tries < 64; i++ {
		if bytes.Equal(l.span(i-extra, i), l.span(i, i+extra)) {
			tries++
			if once := l.without(i, i+extra); b.covers(once) {
				return once
			}
		}
	}
	return nil
}

// unique keeps the first of equal lines.
func unique(l *lines) *lines {
	seen := make(map[string]struct{}, l.len())
	return l.keep(func(line []byte) bool {
		_, twice := seen[string(line)]
		seen[string(line)] = struct{}{}
		return !twice
	})
}

// nameResent notes which of found came once more: those that are not in once,
// which is b's lines.
func (c *chain) nameResent(found, once *lines, b *Block) {
	first := make(map[string]int, once.len())
	for i := once.len() - 1; i >= 0; i-- {
		first[string(once.line(i))] = i
	}
	next := 0 // of equal lines the one that continues a run is meant
	for i, kept := 0, 0; i < found.len(); i++ {
		line := found.line(i)
		if kept < once.len() && once.at[kept] == found.at[i] {
			kept++
			continue
		}
		n, here := first[string(line)]
		if next < once.len() && bytes.Equal(line, once.line(next)) {
			n = next
		}
		if here {
			next = n + 1
			c.report.resend(one(b.First+auditbridge.Sequence(n)), found.at[i])
		} else if again, known := c.history.place(line); known {
			c.report.resend(again, found.at[i])
		}
	}
}

func one(s auditbridge.Sequence) Range { return Range{s, s} }

// resent takes the line of a block that is known already: a link broke and its
// sender went back. What came since the last block line is, from its end
// backwards, that block once more. What is left was sent before the link broke
// and has to come again: checkHeld sees to that.
func (c *chain) resent(known *remembered, at int64) {
	found := c.pending.keep(startsRecord)
	c.report.Foreign += uint64(c.pending.len() - found.len())
	same := found.commonSuffix(&known.lines)
	c.report.Duplicates += uint64(found.len()) + 1
	again := Range{known.first, known.last}
	if known.whole() {
		again.First = known.last - auditbridge.Sequence(same)
	}
	if same > 0 {
		at = found.at[found.len()-same]
	}
	c.report.resend(again, at)
	for i := range found.len() - same {
		if line := found.line(i); len(c.held.buf) < maxPending && c.held.find(line) < 0 {
			c.held.take(found, i)
		} else if len(c.held.buf) >= maxPending {
			c.lost++
		}
	}
	c.pending.reset()
	c.doubts = nil
}

// checkHeld holds the lines that were set aside to the block that was open
// then, and to those before it: each must be identical with one of theirs.
func (c *chain) checkHeld(b *Block) {
	for i := range c.held.len() {
		line := c.held.line(i)
		if n := c.pending.find(line); n >= 0 {
			again := Range{b.First, b.Sequence() - 1}
			if uint64(c.pending.len()) == b.N {
				again = one(b.First + auditbridge.Sequence(n))
			}
			c.report.resend(again, c.pending.at[n])
			continue
		}
		if again, found := c.history.place(line); found {
			c.report.resend(again, c.held.at[i])
			continue
		}
		c.defect(Defect{Reason: RecordAdded, First: b.First, Last: max(b.First, b.Sequence()-1), Block: b.Sequence(), Line: c.held.at[i],
			Detail: "a line before a repeated block that no block holds"})
		break
	}
	c.held.reset()
}

// explain says as exactly as it can what is wrong with pending, which is not
// what b sealed. Only the first defect is worth the search.
func (c *chain) explain(b *Block, at int64) Defect {
	l := &c.pending
	d := Defect{Reason: RecordChanged, First: b.First, Last: b.First, Block: b.Sequence(), Line: at}
	if b.N > 0 {
		d.Last = b.Sequence() - 1
	}
	if record, i := b.firstBad(l); record != 0 && c.lost == 0 {
		d.Record = record
		if i < l.len() {
			d.Line = l.at[i]
		}
	}
	n, extra := uint64(l.len()), l.len()-int(min(b.N, 1<<30))
	switch {
	case c.lost > 0:
		d.Reason, d.Detail = RecordAdded, fmt.Sprintf("%d lines where the block has %d", c.lost+n, b.N)
	case n < b.N:
		d.Reason, d.Detail = RecordMissing, fmt.Sprintf("%d of the block's %d records", b.N-n, b.N)
	case n > b.N:
		d.Reason, d.Detail = RecordAdded, fmt.Sprintf("%d lines where the block has %d", n, b.N)
		if i := c.findAdded(l, b, extra); i >= 0 {
			d.Line = l.at[i]
			d.First = b.First + auditbridge.Sequence(i)
			d.Last, d.Record = d.First, d.First
			d.Detail = fmt.Sprintf("%d inserted before this sequence", extra)
		}
	case c.worthSearching(l) && reordered(l, b):
		d.Reason = RecordReordered
	default:
		d.Detail = fmt.Sprintf("one or more of the block's %d", b.N)
	}
	return d
}

// worthSearching bounds what is hashed to name the first culprit.
func (c *chain) worthSearching(l *lines) bool {
	const most = 256 << 20 // bytes
	return c.report.DefectCount == 0 && l.len()*len(l.buf) <= most
}

// findAdded looks for the one run of extra lines without which l is the block.
func (c *chain) findAdded(l *lines, b *Block, extra int) int {
	if !c.worthSearching(l) {
		return -1
	}
	for i := 0; i+extra <= l.len(); i++ {
		h := sha256.New()
		h.Write(l.span(0, i))
		h.Write(l.span(i+extra, l.len()))
		if Hash(h.Sum(nil)) == b.SHA256 {
			return i
		}
	}
	return -1
}

// reordered says whether l is the block's lines in another order, as far as
// that is cheap to find: two neighbours, or sorted by event.
func reordered(l *lines, b *Block) bool {
	for i := 0; i+2 <= l.len(); i++ {
		h := sha256.New()
		h.Write(l.span(0, i))
		h.Write(l.line(i + 1))
		h.Write(l.line(i))
		h.Write(l.span(i+2, l.len()))
		if Hash(h.Sum(nil)) == b.SHA256 {
			return true
		}
	}
	order := make([]int, l.len())
	id := make([]auditbridge.EventID, l.len())
	for i := range order {
		order[i] = i
		if h, ok := auditbridge.ParseHeader(l.line(i)); ok {
			id[i] = h.ID
		}
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch a, b := id[i], id[j]; {
		case a.Seconds != b.Seconds:
			return int(a.Seconds - b.Seconds)
		case a.Millis != b.Millis:
			return int(a.Millis) - int(b.Millis)
		default:
			return int(int64(a.Serial) - int64(b.Serial))
		}
	})
	h := sha256.New()
	for _, i := range order {
		h.Write(l.line(i))
	}
	return Hash(h.Sum(nil)) == b.SHA256
}
