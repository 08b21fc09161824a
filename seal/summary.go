package seal

import (
	"fmt"
	"strings"
)

// OK says that every chain is verified: nothing is wrong, and nothing absent
// but what Options said would be.
func (r Report) OK() bool { return r.Verified }

// Summary says it in one line that begins with the verdict. Names in it come
// from the input: make it safe for a terminal.
func (r Report) Summary() string {
	var blocks, checkpoints int
	var sealed, absent, tail uint64
	for _, c := range r.Chains {
		blocks += c.Blocks
		checkpoints += c.Checkpoints
		sealed += c.Sealed
		absent += c.Absent
		tail += c.Tail
	}
	s := string(r.Verdict)
	if d, node := r.firstDefect(); d != nil {
		return s + " " + node + d.String()
	}
	if r.Refused > 0 {
		return fmt.Sprintf("%s %s of more than %d hosts: verify them apart", s, count(r.Refused, "record"), maxChains)
	}
	s += fmt.Sprintf(" %s in %s under %s", count(sealed, "record"), count(uint64(blocks), "block"), count(uint64(checkpoints), "checkpoint"))
	if absent > 0 {
		s += fmt.Sprintf(", %s absent", count(absent, "record"))
	}
	if len(r.Chains) > 1 {
		s += fmt.Sprintf(", %d hosts", len(r.Chains))
	}
	if tail > 0 {
		s += fmt.Sprintf("; %d not sealed yet", tail)
	}
	return s
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
	if r.Leading > 0 {
		say("before the first whole block: %s that nothing proves", count(r.Leading, "record"))
	}
	if r.Blocks > 0 {
		say("after the last checkpoint: %s not sealed, over %.1f s", count(r.Tail, "record"), r.TailSeconds)
	}
	if r.PartialBlocks > 0 {
		say("partial: %s short of %s; the %d they hold cannot be proven", count(uint64(r.PartialBlocks), "block"), count(r.Absent, "record"), r.Present)
	}
	if r.Duplicates > 0 {
		say("sent again: %s, identical", count(r.Duplicates, "line"))
	}
	if r.Foreign > 0 {
		say("no records: %s", count(r.Foreign, "line"))
	}
	if r.Skipped > 0 {
		say("gaps: the journal itself left out %s, first %d to %d", count(r.Skipped, "sequence"), r.Gaps[0].First, r.Gaps[0].Last)
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

func (r *ChainReport) anchor() string {
	if r.Anchored == "" {
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
