package seal

import (
	"sort"

	"auditbridge/auditbridge"
)

// remembered is a block that was accepted, kept so that lines sent again can
// be compared with it.
type remembered struct {
	first, last auditbridge.Sequence // last is the block line's
	prev, hash  Hash                 // of the block line before, of its own
	lines       lines                // what of the block the input held
	block       []byte               // the block line with its LF
}

// history holds the newest blocks of a chain, in order of sequence. It takes
// slots from a budget all chains share and uses its oldest again when that is
// spent.
type history struct {
	blocks []*remembered
	budget *int
}

// push remembers a block; lines are swapped in, and what comes back in their
// place may be used again.
func (h *history) push(r remembered, block []byte, content *lines) {
	var slot *remembered
	switch {
	case *h.budget > 0:
		*h.budget--
		slot = &remembered{}
		// The next block will be about as long as this one.
		slot.lines = lines{make([]byte, 0, len(content.buf)), make([]int, 0, content.len()), make([]int64, 0, content.len())}
	case len(h.blocks) > 0:
		slot = h.blocks[0]
		copy(h.blocks, h.blocks[1:])
		h.blocks = h.blocks[:len(h.blocks)-1]
	default:
		content.reset()
		return
	}
	used := slot.lines
	*slot = remembered{r.first, r.last, r.prev, r.hash, *content, append(slot.block[:0], block...)}
	used.reset()
	*content = used
	h.blocks = append(h.blocks, slot)
}

// find returns the block whose line has this hash, nil when it is not known
// or too old.
func (h *history) find(first auditbridge.Sequence, hash Hash) *remembered {
	i := sort.Search(len(h.blocks), func(i int) bool { return h.blocks[i].first >= first })
	for ; i < len(h.blocks) && h.blocks[i].first == first; i++ {
		if h.blocks[i].hash == hash {
			return h.blocks[i]
		}
	}
	return nil
}

// holds says whether line, with its LF, stands in a remembered block. It looks
// at everything that is remembered: only for lines nothing else accounts for.
func (h *history) holds(line []byte) bool {
	_, found := h.place(line)
	return found
}

// place finds line's sequence; those of its whole block where that is short of
// lines.
func (h *history) place(line []byte) (Range, bool) {
	for i := len(h.blocks) - 1; i >= 0; i-- {
		b := h.blocks[i]
		n := b.lines.find(line)
		switch {
		case n < 0:
		case b.whole():
			return one(b.first + auditbridge.Sequence(n)), true
		default:
			return Range{b.first, b.last}, true
		}
	}
	return Range{}, false
}

// whole says that every line of the block is there.
func (r *remembered) whole() bool { return auditbridge.Sequence(r.lines.len()) == r.last-r.first }
