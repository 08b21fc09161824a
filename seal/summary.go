package seal

import (
	"fmt"
	"strings"
	"time"
)

// OK says that every chain is verified: nothing is wrong, and nothing absent
// but what Options said would be.
func (r Report) OK() bool { return r.Verified }

// Summary says it in one line that begins with the verdict. Names in it come
// from the input: make it safe for a terminal.
func (r Report) Summary() string {
	var all ChainReport
	var proven, notCovered uint64
	for _, c := range r.Chains {
		all.Blocks += c.Blocks
		all.Checkpoints += c.Checkpoints
		all.Absent += c.Absent
		all.Leading += c.Leading
		all.Present += c.Present
		all.Stranded += c.Stranded
		all.Tail += c.Tail
		all.Duplicates += c.Duplicates
		if c.NotCovered {
			notCovered++
		} else {
			proven += c.Sealed
		}
	}
	s := string(r.Verdict) + " " + r.foremost()
	s += fmt.Sprintf("%s proven (%s, %s", count(proven, "record"), count(uint64(all.Blocks), "block"), count(uint64(all.Checkpoints), "checkpoint"))
	if len(r.Chains) > 1 {
		s += fmt.Sprintf(", %d hosts", len(r.Chains))
	}
	s += fmt.Sprintf("); unproven: %d at the start, %d at the end", all.Leading, all.Tail)
	if all.Stranded > 0 {
		s += fmt.Sprintf(", %d in gaps", all.Stranded)
	}
	if all.Absent > 0 {
		s += fmt.Sprintf(", %d in blocks that are short of %d", all.Present, all.Absent)
	}
	if all.Duplicates > 0 {
		s += fmt.Sprintf("; sent again: %s", count(all.Duplicates, "line"))
	}
	if notCovered > 0 {
		s += fmt.Sprintf("; %s not covered by the key or checkpoint given", count(notCovered, "host"))
	}
	return s
}

// foremost is what is to be said before the numbers.
func (r Report) foremost() string {
	if d, node := r.firstDefect(); d != nil {
		return node + d.String() + "; "
	}
	if r.Refused > 0 {
		return fmt.Sprintf("%s of more than %d hosts: verify them apart; ", count(r.Refused, "record"), maxChains)
	}
	for _, c := range r.Chains {
		if c.Young && len(r.Chains) == 1 {
			return fmt.Sprintf("nothing sealed yet: %s%s; ", count(c.Leading, "record"), upTo(c.LastTime))
		}
	}
	return ""
}

func upTo(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " up to " + t.Format(time.RFC3339)
}

func (r Report) firstDefect() (d *Defect, node string) {
	for _, c := range r.Chains {
		if len(c.Defects) == 0 {
			continue
		}
		if c.Node != "" && len(r.Chains) > 1 {
			node = c.Node + ": "
		}
		return &c.Defects[0], node
	}
	return nil, ""
}

// Facts says line by line what one chain proves and what it does not.
func (r *ChainReport) Facts() []string {
	var facts []string
	say := func(format string, args ...any) { facts = append(facts, fmt.Sprintf(format, args...)) }
	if r.Blocks > 0 {
		say("blocks: %d, sequences %d to %d", r.Blocks, r.First, r.Last)
		say("sealed: %s, signatures reach to sequence %d", count(r.Sealed, "record"), r.SealedTo)
	}
	if fact := r.front(); fact != "" {
		say("%s", fact)
	}
	if r.Leading > 0 {
		say("before the first whole block: %s that nothing proves", count(r.Leading, "record"))
	}
	if r.Blocks > 0 {
		say("after the last checkpoint: %s not sealed, over %.1f s", count(r.Tail, "record"), r.TailSeconds)
	}
	if r.PartialBlocks > 0 {
		say("partial: %s short of %s; the %d they hold cannot be proven", count(uint64(r.PartialBlocks), "block"), count(r.Absent, "record"), r.Present)
	}
	for _, s := range r.Short {
		say("absent: %s", s)
	}
	if more := r.PartialBlocks - len(r.Short); more > 0 {
		say("absent: of %s more", count(uint64(more), "block"))
	}
	if r.Duplicates > 0 {
		say("sent again: %s, identical", count(r.Duplicates, "line"))
	}
	named := uint64(0)
	for _, again := range r.Resent {
		say("sent again: %s", again)
		named += uint64(again.Last-again.First) + 1
	}
	if named < r.Duplicates {
		say("sent again: %s more", count(r.Duplicates-named, "line"))
	}
	if r.Foreign > 0 {
		say("no records: %s", count(r.Foreign, "line"))
	}
	if r.Skipped > 0 {
		say("gaps: the journal itself left out %s, first %d to %d; its op=gap records say why", count(r.Skipped, "sequence"), r.Gaps[0].First, r.Gaps[0].Last)
	}
	if r.Checkpoints > 0 {
		say("checkpoints: %d, key changes: %d%s", r.Checkpoints, r.KeyChanges, r.keyOddities())
		say("keys: first %s", r.FirstKey)
		if r.LastKey != r.FirstKey {
			say("keys: last %s", r.LastKey)
		}
	}
	if r.Checkpoint != nil {
		say("last checkpoint: %s", r.Checkpoint)
	}
	if r.Checkpoints > 0 {
		say("%s", r.anchor())
	}
	for _, why := range r.Reservations {
		say("partial: %s", why)
	}
	for _, d := range r.Defects {
		say("bad: %s", d)
	}
	if more := r.DefectCount - len(r.Defects); more > 0 {
		say("bad: %d more", more)
	}
	return facts
}

func (r *ChainReport) keyOddities() string {
	var s strings.Builder
	if r.KeysUndone > 0 {
		fmt.Fprintf(&s, ", undone: %d", r.KeysUndone)
	}
	if r.NewChains > 0 {
		fmt.Fprintf(&s, ", keys nothing announced: %d", r.NewChains)
	}
	return s.String()
}

func (r *ChainReport) front() string {
	switch r.Before {
	case FrontNone:
		return "before the first segment: nothing, the journal begins there"
	case FrontDropped:
		return "before the first segment: dropped by the journal, which is on record (op=drop)"
	case FrontUnsealed:
		return "before the first segment: missing; an op=drop record tells of it, but no signature covers that yet"
	case FrontUnexplained:
		return "before the first segment: missing, and no op=drop record explains it"
	}
	return ""
}

func (r *ChainReport) anchor() string {
	switch {
	case r.NotCovered:
		return "trust: consistent with itself only; the key or checkpoint given is not of this host"
	case r.Anchored == "":
		return "trust: consistent with itself only; whoever wrote all of it could have made it so"
	}
	return "trust: linked to the given " + r.Anchored
}

func count(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
