package seal

import (
	"fmt"
	"strings"
	"testing"

	"auditbridge/auditbridge"
)

func TestAGoodStreamVerifies(t *testing.T) {
	s := fiveBlocks(t)
	for _, row := range []struct {
		name  string
		opts  Options
		lines []string
		check func(*ChainReport) bool
	}{
		{"as the journal's own", Options{Own: true, First: 1}, s.lines, func(r *ChainReport) bool {
			return r.Blocks == 5 && r.Checkpoints == 2 && r.Sealed == 16 && r.SealedTo == 20 && r.Tail == 6 && r.Anchored == ""
		}},
		{"as a copy", Options{}, s.lines, func(r *ChainReport) bool { return r.Sealed == 16 && r.Tail == 6 && r.Leading == 0 }},
		{"linked to a key", Options{Keys: []PublicKey{s.key.Public()}}, s.lines, func(r *ChainReport) bool { return r.Anchored == "key" }},
		{"with CRLF", Options{}, strings.Split(strings.Join(s.lines, "\r\n"), "\n"), func(r *ChainReport) bool { return r.Sealed == 16 }},
		{"when it starts inside a block", Options{}, s.lines[2:], func(r *ChainReport) bool {
			return r.Leading == 2 && r.Sealed == 12 && r.First == 5 && r.SealedTo == 20
		}},
		{"when it starts at a block line", Options{}, s.lines[4:], func(r *ChainReport) bool { return r.Leading == 0 && r.Sealed == 12 }},
		{"when it starts with a whole block", Options{}, s.lines[5:], func(r *ChainReport) bool { return r.Leading == 0 && r.Sealed == 12 && r.First == 6 }},
		{"when other records stand before it", Options{}, splice([]string{"type=USER msg=audit(1.000:1): old"}, s.lines), func(r *ChainReport) bool {
			return r.Leading == 1 && r.Sealed == 16
		}},
		{"when it stops at a checkpoint", Options{}, s.lines[:20], func(r *ChainReport) bool { return r.Tail == 0 && r.Sealed == 16 }},
		{"with its last block line torn", Options{}, splice(s.lines[:24], []string{s.lines[24][:80]}), func(r *ChainReport) bool { return r.Tail == 5 }},
		{"among other programs' messages", Options{}, splice(s.lines[:2], []string{"Mar  6 16:35:29 web sshd[1]: hello", "# note"}, s.lines[2:7], []string{"# x"}, s.lines[7:]), func(r *ChainReport) bool {
			return r.Sealed == 16
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := verify(row.opts, row.lines...)
			if r := got.Chains[0]; got.Verdict != OK || !got.Verified || len(got.Chains) != 1 || !row.check(r) {
				t.Errorf("%s: %+v", got.Verdict, *r)
			}
		})
	}
}

// TestKeysAreFollowed also crosses from one algorithm to the other.
func TestKeysAreFollowed(t *testing.T) {
	s := newStream(t).records(2)
	first := s.key.Public()
	s.changeKey(ECDSAP384).records(2).changeKey(Ed25519).records(2).checkpoint()
	last := s.key.Public()
	for _, key := range []PublicKey{first, last} {
		got := verify(Options{Keys: []PublicKey{key}}, s.lines...)
		if r := got.Chains[0]; got.Verdict != OK || r.KeyChanges != 2 || r.Anchored != "key" || r.Sealed != 6 {
			t.Errorf("%s: %+v", got.Verdict, *r)
		}
	}
	if got := verify(Options{Keys: []PublicKey{mustKey(t, Ed25519).Public()}}, s.lines...); got.Verdict != Bad || got.Chains[0].Defects[0].Reason != NotAnchored {
		t.Errorf("a key that signed nothing: %+v", got.Chains[0])
	}
}

func TestAKeyChangeUndoneByACrashIsFollowed(t *testing.T) {
	s := newStream(t).records(2)
	s.close(Block{Next: mustKey(t, Ed25519).Public()}, s.key) // and the new key is lost
	s.records(2).changeKey(Ed25519).records(1).checkpoint()
	got := verify(Options{}, s.lines...)
	if r := got.Chains[0]; got.Verdict != OK || r.KeysUndone != 1 || r.KeyChanges != 1 {
		t.Errorf("%s: %+v", got.Verdict, *r)
	}
}

func TestALostKeyBeginsANewChain(t *testing.T) {
	s := newStream(t).records(2).checkpoint()
	old := s.key.Public()
	s.key = mustKey(t, Ed25519)
	s.records(2).checkpoint().records(2).checkpoint()
	got := verify(Options{Keys: []PublicKey{old}}, s.lines...)
	if r := got.Chains[0]; got.Verdict != Bad || r.Defects[0].Reason != KeyNotAnnounced || r.Defects[0].First != 4 || r.Defects[0].Last != 6 || r.NewChains != 1 {
		t.Errorf("%s: %+v", got.Verdict, *r)
	}
	got = verify(Options{Keys: []PublicKey{old, s.key.Public()}}, s.lines...)
	if r := got.Chains[0]; got.Verdict != OK || r.NewChains != 1 {
		t.Errorf("with the new key given: %s: %+v", got.Verdict, *r)
	}
}

func TestNumbersTheJournalLeftOutAreAGapAndNoDefect(t *testing.T) {
	s := newStream(t).records(3).checkpoint()
	if err := s.w.Skip(100); err != nil {
		t.Fatal(err)
	}
	s.records(3).checkpoint()
	got := verify(Options{Own: true, First: 1}, s.lines...)
	if r := got.Chains[0]; got.Verdict != OK || len(r.Gaps) != 1 || r.Gaps[0] != (Range{5, 99}) || r.Skipped != 95 {
		t.Errorf("%s: %+v", got.Verdict, *r)
	}
}

func TestAKnownCheckpointAnchors(t *testing.T) {
	s := fiveBlocks(t)
	known := verify(Options{}, s.lines...).Chains[0].Checkpoint
	parsed, err := ParseCheckpoint(known.String())
	if err != nil {
		t.Fatal(err)
	}
	fromLine, err := ParseCheckpoint("Mar  6 16:35:29 web auditbridge[7]: " + s.lines[19] + "\n")
	if err != nil || fromLine.Sequence != 20 || fromLine.Hash != parsed.Hash {
		t.Fatalf("%v %v", fromLine, err)
	}
	forged := fiveBlocks(t) // the same records under another key
	for _, row := range []struct {
		name  string
		lines []string
		want  Verdict
	}{
		{"the journal it was noted from", s.lines, OK},
		{"cut behind it", s.lines[:20], OK},
		{"cut before it", s.lines[:19], Bad},
		{"another journal with the same records", forged.lines, Bad},
		{"that journal in front of it", splice(forged.lines[:10], s.lines[10:]), Bad},
	} {
		if got := verify(Options{Known: []Checkpoint{parsed}}, row.lines...); got.Verdict != row.want {
			t.Errorf("%s: %s: %+v", row.name, got.Verdict, *got.Chains[0])
		}
	}
}

func TestAnUnsignedKnownBlockSaysNothingOfLaterKeys(t *testing.T) {
	s := fiveBlocks(t)
	known, err := ParseCheckpoint(s.lines[4])
	if err != nil {
		t.Fatal(err)
	}
	if got := verify(Options{Known: []Checkpoint{known}}, s.lines...); got.Verdict != Bad {
		t.Errorf("%s: %+v", got.Verdict, *got.Chains[0])
	}
}

func TestLinesSentAgainAreTolerated(t *testing.T) {
	s := fiveBlocks(t)
	for from := range len(s.lines) {
		for back := range len(s.lines) {
			if back > from {
				continue
			}
			lines := splice(s.lines[:from], s.lines[back:])
			got := verify(Options{}, lines...)
			r := got.Chains[0]
			// A copy that goes back into its unsealed tail has it twice there.
			if got.Verdict != OK || r.Sealed != 16 {
				t.Fatalf("broken off before line %d, resumed at %d: %s: %+v", from, back, got.Verdict, *r)
			}
			if tail := r.Tail; tail != 6 && back < 25 {
				t.Fatalf("broken off before line %d, resumed at %d: tail of %d", from, back, tail)
			}
		}
	}
}

// TestLinesSentAgainAreNamed: from which sequence to which, and where in the input
// they stand again.
func TestLinesSentAgainAreNamed(t *testing.T) {
	s := fiveBlocks(t)
	for from := 5; from <= 25; from++ { // within a copy's first block they count as standing before it
		for back := range from {
			r := verify(Options{}, splice(s.lines[:from], s.lines[back:])...).Chains[0]
			want := Resent{Range{auditbridge.Sequence(back + 1), auditbridge.Sequence(from)}, int64(from + 1)}
			if len(r.Resent) != 1 || r.Resent[0] != want || r.Duplicates != uint64(from-back) {
				t.Errorf("broken off before line %d, resumed at %d: %d of %v", from, back, r.Duplicates, r.Resent)
			}
		}
	}
}

// TestADoubledLineIsNamed also where no link that broke puts one.
func TestADoubledLineIsNamed(t *testing.T) {
	s := fiveBlocks(t)
	for _, row := range []struct{ line, at int }{{7, 8}, {7, 9}, {7, 12}, {2, 17}, {20, 20}, {5, 5}, {5, 10}} {
		got := verify(Options{}, splice(s.lines[:row.at], s.lines[row.line-1:row.line], s.lines[row.at:])...)
		want := fmt.Sprintf("sequence %d (input line %d)", row.line, row.at+1)
		if r := got.Chains[0]; got.Verdict != OK || len(r.Resent) != 1 || r.Resent[0].String() != want || r.Duplicates != 1 {
			t.Errorf("%+v: %s: %v, want %s", row, got.Summary(), r.Resent, want)
		}
	}
}

// TestAMissingLineIsNamed as closely as can be: its block.
func TestAMissingLineIsNamed(t *testing.T) {
	s := fiveBlocks(t)
	got := verify(Options{}, without(without(s.lines, 12, 13), 6, 7)...)
	r := got.Chains[0]
	if got.Verdict != Partial || fmt.Sprint(r.Short) != "[1 of sequences 6 to 9, the first is 7 (block line: input line 9) 1 of sequences 11 to 14, the first is 13 (block line: input line 13)]" {
		t.Errorf("%s: %v", got.Summary(), r.Short)
	}
}

// TestLinesBeyondTheStepsAreOfTheirBlock: the first 2048 lines of a block are found
// each, of what is behind only that it is there.
func TestLinesBeyondTheStepsAreOfTheirBlock(t *testing.T) {
	s := newStream(t).records(maxSteps + 2).checkpoint()
	for line, want := range map[int]auditbridge.Sequence{1: 1, maxSteps: maxSteps, maxSteps + 1: 0} {
		got := verify(Options{Own: true, First: 1}, replaced(s.lines, line-1, s.lines[line-1]+"x")...)
		if d := got.Chains[0].Defects[0]; d.Reason != RecordChanged || d.Record != want || d.First != 1 || d.Last != maxSteps+2 {
			t.Errorf("line %d: %s", line, d)
		}
	}
}

// TestCheckpointsHeldElsewhereSayWhereItWentWrong: what is behind the last one that
// the input has, and no more, is in doubt.
func TestCheckpointsHeldElsewhereSayWhereItWentWrong(t *testing.T) {
	s := fiveBlocks(t).records(2).checkpoint() // 10, 20, 30
	var known []Checkpoint
	for _, i := range []int{30, 10, 20} {
		c, err := ParseCheckpoint(s.lines[i-1])
		if err != nil {
			t.Fatal(err)
		}
		known = append(known, c)
	}
	thief := newStream(t)
	thief.key, thief.event = s.key, 9000
	thief.w = NewWriter(21, HashLine([]byte(s.lines[19])))
	thief.records(9).checkpoint()
	for _, row := range []struct {
		name  string
		lines []string
		known []Checkpoint
		want  string
	}{
		{"cut", s.lines[:22], known, "ends before the given checkpoint: sequences 21 to 30: its last block line has sequence 20"},
		{"cut, one known", s.lines[:22], known[:1], "ends before the given checkpoint: sequences 1 to 30: its last block line has sequence 20"},
		{"written anew with the same key", splice(s.lines[:20], thief.lines), known, "differs from the given checkpoint: sequences 21 to 30: sequence 30 has another line here (input line 30)"},
		{"a front that is not there", s.lines[10:], known[1:2], "not linked to the given key or checkpoint: sequences 11 to 30: the given checkpoint is not in it"},
	} {
		got := verify(Options{Known: row.known}, row.lines...)
		if r := got.Chains[0]; got.Verdict != Bad || len(r.Defects) != 1 || r.Defects[0].String() != row.want {
			t.Errorf("%s: %s", row.name, got.Summary())
		}
	}
	for name, lines := range map[string][]string{"as it was": s.lines, "begun later than the first was noted": s.lines[10:]} {
		if got := verify(Options{Known: known}, lines...); got.Verdict != OK {
			t.Errorf("%s: %s", name, got.Summary())
		}
	}
}

func TestALinkThatBreaksTwiceIsTolerated(t *testing.T) {
	s := fiveBlocks(t)
	for a := 1; a < 20; a++ {
		for b := 1; b < 20; b++ {
			backA, backB := max(0, a-6), max(0, b-9)
			if b <= backA {
				continue
			}
			got := verify(Options{}, splice(s.lines[:a], s.lines[backA:b], s.lines[backB:])...)
			if got.Verdict != OK || got.Chains[0].Sealed != 16 {
				t.Fatalf("%d back to %d, %d back to %d: %s: %+v", a, backA, b, backB, got.Verdict, *got.Chains[0])
			}
		}
	}
}

func TestEqualRecordsAreNoResend(t *testing.T) {
	same := "type=USER msg=audit(1.000:1): same"
	s := newStream(t).records(1).checkpoint().add(same).add(same).add("type=USER msg=audit(1.000:2): other").add(same).checkpoint().records(1).checkpoint()
	if got := verify(Options{}, s.lines...); got.Verdict != OK || got.Chains[0].Duplicates != 0 {
		t.Errorf("%s: %+v", got.Verdict, *got.Chains[0])
	}
	if got := verify(Options{}, splice(s.lines[:5], s.lines[3:])...); got.Verdict != OK || got.Chains[0].Duplicates != 2 {
		t.Errorf("sent again: %s: %+v", got.Verdict, *got.Chains[0])
	}
	if got := verify(Options{}, splice(s.lines[:2], s.lines[3:])...); got.Verdict == OK {
		t.Errorf("one of two equal records taken away: %s", got.Verdict)
	}
}

func TestAFilteredCopyIsPartial(t *testing.T) {
	s := fiveBlocks(t)
	lines := splice(s.lines[:6], s.lines[7:8], s.lines[9:11], s.lines[14:])
	for _, filtered := range []bool{false, true} {
		got := verify(Options{Filtered: filtered}, lines...)
		r := got.Chains[0]
		if got.Verdict != Partial || got.Verified != filtered || r.PartialBlocks != 2 || r.Present != 3 || r.Absent != 5 || r.Sealed != 8 {
			t.Errorf("%s: %+v", got.Verdict, *r)
		}
	}
}

func TestHostsInOneFileAreChainsOfTheirOwn(t *testing.T) {
	a, b := fiveBlocks(t), fiveBlocks(t)
	var lines []string
	for i := range a.lines {
		lines = append(lines, "Mar  6 16:35:29 a auditbridge: "+a.lines[i], "2024-03-06T16:35:29.678+00:00 b auditbridge: "+b.lines[i])
	}
	got := verify(Options{}, lines...)
	if len(got.Chains) != 2 || got.Verdict != OK || got.Chains[0].Node != "a" || got.Chains[1].Node != "b" || got.Chains[1].Sealed != 16 {
		t.Errorf("%+v", got)
	}
	for i := range lines {
		lines[i] = lines[i][strings.Index(lines[i], "type="):]
	}
	if got := verify(Options{}, lines...); got.Verdict != Bad {
		t.Errorf("mixed without headers: %s", got.Verdict)
	}
}

func TestSomeoneElsesBlockLinesAreContent(t *testing.T) {
	other := fiveBlocks(t)
	s := newStream(t).records(2).checkpoint()
	for _, line := range other.lines {
		s.add(line) // as a journal fed from a file would hold them
	}
	s.checkpoint().records(1).checkpoint()
	for _, own := range []bool{true, false} {
		if got := verify(Options{Own: own}, s.lines...); got.Verdict != OK || got.Chains[0].Sealed != 30 {
			t.Errorf("%s: %+v", got.Verdict, *got.Chains[0])
		}
	}
}

func TestNothingSealedIsNotVerified(t *testing.T) {
	for _, row := range []struct {
		name  string
		lines []string
	}{
		{"an empty input", nil},
		{"auditd's own log", newStream(t).records(2000).lines},
		{"auditd's own log of many hours", []string{"type=USER msg=audit(1.000:1): a", "type=USER msg=audit(9000.000:2): b"}},
		{"blocks without a signature", newStream(t).records(3).block().records(3).block().lines},
		{"other text", []string{"hello"}},
	} {
		if got := verify(Options{}, row.lines...); got.Verdict != Bad || got.Verified || got.Chains[0].Defects[0].Reason != NotSealed {
			t.Errorf("%s: %+v", row.name, got)
		}
	}
}

func TestALongStreamTakesNoMoreMemory(t *testing.T) {
	s := newStream(t)
	for range 50 {
		s.records(200).checkpoint()
	}
	v := NewVerifier(Options{Own: true, First: 1})
	for _, line := range s.lines[:201*10] {
		v.Line([]byte(line))
	}
	rest := s.lines[201*10:]
	i := 0
	var records [][]byte
	for _, line := range rest {
		if !strings.Contains(line, "op=block") {
			records = append(records, []byte(line))
		}
	}
	if n := testing.AllocsPerRun(150, func() { v.Line(records[i]); i++ }); n != 0 {
		t.Errorf("%v allocations per record", n)
	}
}

func ExampleDefect() {
	fmt.Println(Defect{Reason: RecordChanged, Record: 12, First: 11, Last: 14, Block: 15, Line: 12, Detail: "one or more of the block's 4"})
	fmt.Println(Defect{Reason: RecordChanged, First: 11, Last: 14, Block: 15, Line: 15, Detail: "one or more of the block's 4"})
	// Output:
	// record changed: the first bad record is sequence 12; sequences 11 to 14 are not proven: one or more of the block's 4 (input line 12)
	// record changed: the first bad record is among sequences 11 to 14: one or more of the block's 4 (input line 15)
}
