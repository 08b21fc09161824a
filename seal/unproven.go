package seal

import (
	"fmt"
	"strings"
	"time"

	"auditbridge/auditbridge"
)

// What a journal in order leaves unproven. Anybody can write lines where no
// signature reaches, so what exceeds these bounds is never called verified.
const (
	// maxPiece is what can stand in front of a copy's first whole block, or
	// behind the last block line: a block is never larger, in lines of ours.
	maxPiece = MaxBlock + auditbridge.MaxLine

	// maxUnsealed is how long records may stay unsealed: a running journal signs
	// 60 s after the first uncovered record at the latest. The rest is for
	// records that waited in the kernel or for a full disk, and for clocks that
	// are set.
	maxUnsealed = 2 * time.Minute

	// maxUnsigned is how long after a checkpoint a block may close without a
	// signature: under load every block that closes 5 s after one is signed.
	maxUnsigned = 15 * time.Second

	// maxTail is what 5 s of load leave unsealed, in bytes.
	maxTail = 16 << 20

	// An unsigned block closes because the next line does not fit into it. A
	// disk that failed may leave a few that are smaller.
	minUnsigned = MaxBlock - auditbridge.MaxLine
	fewBlocks   = 4
)

// stretch measures lines that nothing proves.
type stretch struct {
	first, last time.Time // the earliest and the latest time among them; zero: none
	bytes       int
	unsigned    int       // blocks without a signature
	closed      time.Time // the latest of those
}

// take measures lines; replayed says that their times are not of today.
func (s *stretch) take(l *lines, replayed bool) {
	s.bytes += len(l.buf)
	for i := 0; i < l.len() && !replayed; i++ {
		if h, ok := auditbridge.ParseHeader(l.line(i)); ok {
			s.widen(time.Unix(h.ID.Seconds, int64(h.ID.Millis)*1e6))
		}
	}
}

// block measures a block line that is not signed.
func (s *stretch) block(at time.Time) {
	s.unsigned++
	if at.After(s.closed) {
		s.closed = at
	}
	s.widen(at)
}

func (s *stretch) widen(at time.Time) {
	if s.first.IsZero() || at.Before(s.first) {
		s.first = at
	}
	if at.After(s.last) {
		s.last = at
	}
}

func (s *stretch) span() time.Duration { return s.last.Sub(s.first) }

// beyond says in which way the end of a stream is more than a journal leaves
// behind its last checkpoint, made at sealed; empty when it is not.
func (s *stretch) beyond(sealed time.Time) string {
	switch {
	case s.span() > maxUnsealed:
		return fmt.Sprintf("records of %.0f s, and a running journal signs at least every 60 s", s.span().Seconds())
	case !s.first.IsZero() && s.first.Before(sealed.Add(-maxUnsealed)):
		return fmt.Sprintf("times that go back behind the checkpoint, to %s", s.first.UTC().Format(time.RFC3339))
	case s.closed.After(sealed.Add(maxUnsigned)):
		return fmt.Sprintf("a block that closed %.0f s after the checkpoint without a signature", s.closed.Sub(sealed).Seconds())
	case s.bytes > maxTail:
		return fmt.Sprintf("%d MiB, more than is written between two checkpoints", s.bytes>>20)
	case s.unsigned > fewBlocks+s.bytes/minUnsigned:
		return fmt.Sprintf("%d blocks, smaller than a journal makes them", s.unsigned)
	}
	return ""
}

// young says that nothing could have been sealed yet: no block line came, and
// no more than may stand before one.
func (c *chain) young(records int) bool {
	return !c.begun && records > 0 && c.lost == 0 && c.tail.bytes <= maxPiece && c.tail.span() <= maxUnsealed
}

// reservations are the reasons why what is not proven may not be called
// verified.
func (c *chain) reservations() (all []string) {
	r := &c.report
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	switch {
	case r.Young:
		say("nothing is sealed yet")
		return all
	case c.opts.Own && r.Leading > 0:
		say("its first segment begins inside a block, and nothing proves the %s there", count(r.Leading, "record"))
	case c.leadBytes > maxPiece:
		say("%s before the first whole block are more than one block's", count(r.Leading, "record"))
	}
	if c.headless {
		say("its first segment lacks its header: it was cut at its beginning")
	}
	if r.Stranded > 0 {
		say("%s in gaps, where nothing proves them", count(r.Stranded, "record"))
	}
	switch why := c.beyondTail(); {
	case c.stopped && r.Tail > 0:
		say("%s after the last checkpoint, and the daemon had stopped in order: nothing can follow", count(r.Tail, "record"))
	case why != "":
		say("after the last checkpoint: %s", why)
	}
	if r.NotCovered {
		say("not covered by the key or checkpoint given")
	}
	return all
}

func (c *chain) beyondTail() string {
	switch {
	case c.report.Checkpoint == nil:
		return ""
	case c.lost > 0, len(c.pending.buf) > maxPiece:
		return "more than a block without a block line"
	}
	return c.tail.beyond(c.report.Checkpoint.At)
}

// strand takes what stands between the last block and b's own lines out of
// pending, where the journal itself says that it left numbers out: whole lines
// of a block that damage kept from being closed. Nothing proves them. Lines
// that are more than the numbers left out stay, and count as added; but the
// end of a damaged file may be one line more.
func (c *chain) strand(b *Block) {
	found := &c.pending
	if !c.opts.Own {
		found = found.keep(startsRecord)
	}
	extra := found.len() - int(min(b.N, 1<<30))
	if extra <= 0 {
		return
	}
	own := found.slice(extra, found.len())
	if !b.covers(own) {
		return
	}
	stranded := c.lost
	var resent []Resent
	for i := range extra {
		if again, known := c.history.place(found.line(i)); known && !c.opts.Own {
			resent = append(resent, Resent{again, found.at[i]})
		} else {
			stranded++
		}
	}
	if stranded > uint64(b.First-c.next)+1 {
		return
	}
	for _, r := range resent {
		c.report.resend(r.Range, r.Line)
	}
	c.report.Stranded += stranded
	c.report.Duplicates += c.lost + uint64(extra) - stranded
	c.report.Foreign += uint64(c.pending.len() - found.len())
	c.pending, c.lost = *own, 0
}

// isReplayed says that lines of this source carry the times of another day.
func isReplayed(source string) bool { return strings.HasPrefix(source, "file") }
