package seal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
)

// forge returns n records that nobody wrote, at the stream's own time.
func (s *stream) forge(n int) (lines []string) {
	for i := range n {
		lines = append(lines, fmt.Sprintf("type=USER_LOGIN msg=audit(%d.000:%d): FORGED root was not here", s.at.Unix(), i))
	}
	return lines
}

// TestForgedRecordsAreNeverVerified is about what stands where no signature
// reaches: before the first whole block, behind the last checkpoint, in gaps.
func TestForgedRecordsAreNeverVerified(t *testing.T) {
	s := newStream(t)
	for range 6 {
		s.header().records(10).later(5 * time.Second).checkpoint()
	}
	l := s.lines // blocks of 12 lines, each beginning with a header
	inside := splice([]string{strings.Replace(l[0], "first=1 ", "first=3 ", 1)}, s.forge(8), l[11:])
	manyBlocks := newStream(t)
	manyBlocks.w, manyBlocks.at = NewWriter(s.w.Next(), s.w.Prev()), s.at
	for range 200 {
		for _, line := range s.forge(100) {
			manyBlocks.add(line)
		}
		manyBlocks.block()
	}
	stopped := newStream(t).header().records(3).note("DAEMON_END", "op=stop").checkpoint()
	for _, row := range []struct {
		name          string
		opts          Options
		lines         []string
		leading, tail int
	}{
		{"the first segment renamed to begin inside a block", Options{Own: true, First: 3}, inside, 9, 0},
		{"many records in front of a copy", Options{}, splice(s.forge(40000), l), 40000, 0},
		{"more in front than is held in memory", Options{}, splice(s.forge(80000), l), 80000, 0},
		{"many records in front of what is left of a copy's first block", Options{}, splice(s.forge(8), []string{inserted + strings.Repeat(" ", 120000)}, l[11:]), 9, 0},
		{"unsigned blocks behind", Options{Own: true, First: 1}, splice(l, manyBlocks.lines), 0, 20000},
		{"unsigned blocks behind a copy", Options{}, splice(l, manyBlocks.lines), 0, 20000},
		{"a record of much later", Options{}, splice(l, s.forge(1), s.later(10*time.Minute).forge(1)), 0, 2},
		{"a record of long ago", Options{}, splice(l, s.later(-time.Hour).forge(1)), 0, 1},
		{"a record behind an orderly end", Options{Own: true, First: 1}, splice(stopped.lines, s.forge(1)), 0, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, filtered := range []bool{false, true} {
				opts := row.opts
				opts.Filtered, opts.Keys = filtered, []PublicKey{s.key.Public()}
				if strings.Contains(row.lines[4], "op=stop") {
					opts.Keys[0] = stopped.key.Public()
				}
				got := verify(opts, row.lines...)
				r := got.Chains[0]
				if r.Before == FrontNone || got.Verdict != Partial || got.Verified || int(r.Leading) != row.leading || int(r.Tail) != row.tail || len(r.Reservations) == 0 {
					t.Errorf("%s: %+v", got.Summary(), *r)
				}
			}
		})
	}
}

// TestWhatAJournalInOrderLeavesUnsealedIsVerified holds the bounds to what the
// schedule of journal/ makes.
func TestWhatAJournalInOrderLeavesUnsealedIsVerified(t *testing.T) {
	load := newStream(t).header().records(3).checkpoint()
	full := strings.Repeat("x", 1000)
	for range 40 { // blocks of 64 KiB, within 5 s
		for range 65 {
			load.add(fmt.Sprintf("type=USER msg=audit(%d.000:1): %s", load.at.Unix(), full))
		}
		load.later(100 * time.Millisecond).block()
	}
	restarted := newStream(t).header().records(3).note("DAEMON_END", "op=stop").checkpoint().
		later(time.Hour).note("DAEMON_CONFIG", "op=open").checkpoint().records(3)
	for _, row := range []struct {
		name    string
		lines   []string
		tail    int
		seconds float64
	}{
		{"under load", load.lines, 40 * 65, 4.3},
		{"a minute's records on a quiet host, an hour after its last checkpoint", newStream(t).header().checkpoint().later(time.Hour).records(200).lines, 200, 19.9},
		{"stopped and started again", restarted.lines, 3, 0.2},
	} {
		got := verify(Options{Own: true, First: 1}, row.lines...)
		r := got.Chains[0]
		if !got.Verified || int(r.Tail) != row.tail || fmt.Sprintf("%.1f", r.TailSeconds) != fmt.Sprintf("%.1f", row.seconds) {
			t.Errorf("%s: %s: %+v", row.name, got.Summary(), *r)
		}
	}
}

// TestDamageLeavesAGapWithUnprovenLines: a start that found damage begins a
// segment behind every number that was used, and what stood behind the last
// block stays where it is.
func TestDamageLeavesAGapWithUnprovenLines(t *testing.T) {
	before := newStream(t).header().records(4).checkpoint()
	after := *before
	after.lines = nil
	if err := after.w.Skip(20); err != nil {
		t.Fatal(err)
	}
	after.header().note("DAEMON_ERR", "op=gap after=9 before=20 unsealed=3 why=damaged").note("DAEMON_CONFIG", "op=open").checkpoint().records(2).checkpoint()
	unsealed := newStream(t).records(3).lines
	for _, row := range []struct {
		name     string
		between  []string
		stranded int
		want     Verdict
	}{
		{"nothing was unsealed", nil, 0, OK},
		{"whole lines", unsealed, 3, Partial},
		{"whole lines and damage", splice(unsealed, []string{"type=SYSC\x00\x00\x00", "\x00\x00"}), 5, Partial},
		{"more lines than there are numbers", before.forge(20), 0, Bad},
	} {
		lines := splice(before.lines, row.between, after.lines)
		got := verify(Options{Own: true, First: 1}, lines...)
		r := got.Chains[0]
		if got.Verdict != row.want || int(r.Stranded) != row.stranded || r.Gaps[0] != (Range{7, 19}) || row.want != Bad && r.Sealed != 10 {
			t.Errorf("%s: %s: %+v", row.name, got.Summary(), *r)
		}
		if got := verify(Options{}, lines...); row.want != Bad && got.Verdict == Bad {
			t.Errorf("%s, a copy: %s", row.name, got.Summary())
		}
	}
}

func TestNothingSealedYetIsNoOtherProgramsLog(t *testing.T) {
	s := newStream(t).header().records(4)
	for _, opts := range []Options{{}, {Keys: []PublicKey{s.key.Public()}}, {Filtered: true}} {
		got := verify(opts, s.lines...)
		if got.Verdict != Partial || got.Verified || got.Summary() !=
			"PARTIAL nothing sealed yet: 5 records up to 2024-03-06T16:35:00Z; 0 records proven (0 blocks, 0 checkpoints); unproven: 5 at the start, 0 at the end" {
			t.Error(got.Summary())
		}
	}
}

// TestAnotherHostIsNotCoveredByAKey: it is neither wrong nor verified.
func TestAnotherHostIsNotCoveredByAKey(t *testing.T) {
	a, b := fiveBlocks(t), fiveBlocks(t)
	var lines []string
	for i := range a.lines {
		lines = append(lines, "Mar  6 16:35:29 a auditbridge: "+a.lines[i], "Mar  6 16:35:29 b auditbridge: "+b.lines[i])
	}
	known := verify(Options{}, a.lines...).Chains[0].Checkpoint
	strange := mustKey(t, Ed25519).Public()
	for _, row := range []struct {
		name string
		opts Options
		want Verdict
		not  [2]bool // a, b not covered
	}{
		{"nothing given", Options{}, OK, [2]bool{}},
		{"one host's key", Options{Keys: []PublicKey{a.key.Public()}}, Partial, [2]bool{false, true}},
		{"both keys", Options{Keys: []PublicKey{a.key.Public(), b.key.Public()}}, OK, [2]bool{}},
		{"one host's checkpoint", Options{Known: []Checkpoint{*known}}, Partial, [2]bool{false, true}},
		{"a checkpoint and the other's key", Options{Known: []Checkpoint{*known}, Keys: []PublicKey{b.key.Public()}}, OK, [2]bool{}},
		{"a key of neither", Options{Keys: []PublicKey{strange}}, Bad, [2]bool{}},
		{"a checkpoint of neither", Options{Known: []Checkpoint{{Sequence: 20}}, Keys: []PublicKey{a.key.Public(), b.key.Public()}}, Bad, [2]bool{}},
	} {
		got := verify(row.opts, lines...)
		if got.Verdict != row.want || got.Verified != (row.want == OK) || [2]bool{got.Chains[0].NotCovered, got.Chains[1].NotCovered} != row.not {
			t.Errorf("%s: %s", row.name, got.Summary())
		}
		if row.not[1] && !strings.HasPrefix(got.Summary(), "PARTIAL 16 records proven (") {
			t.Errorf("%s: %s", row.name, got.Summary())
		}
	}
}

func TestWhatStoodBeforeTheFirstSegmentIsAccountedFor(t *testing.T) {
	dropped := func(first, last auditbridge.Sequence) *stream {
		return newStream(t).records(5).checkpoint().header().records(1).checkpoint().
			note("DAEMON_CONFIG", fmt.Sprintf("op=drop segments=1 first=%d last=%d", first, last))
	}
	skipped := newStream(t)
	skipped.w = NewWriter(7, Hash{})
	for _, row := range []struct {
		name  string
		lines []string
		want  Front
	}{
		{"a record tells", dropped(1, 6).checkpoint().lines[6:], FrontDropped},
		{"a record tells that is not sealed", dropped(1, 6).lines[6:], FrontUnsealed},
		{"a record tells of more than is gone yet", dropped(1, 60).checkpoint().lines[6:], FrontDropped},
		{"an old record tells of less", dropped(1, 5).checkpoint().lines[6:], FrontUnexplained},
		{"no record tells", newStream(t).records(5).checkpoint().header().records(1).checkpoint().lines[6:], FrontUnexplained},
		{"the journal begins there", skipped.header().records(1).checkpoint().lines, FrontNone},
	} {
		r := verify(Options{Own: true, First: 7}, row.lines...).Chains[0]
		if r.Before != row.want || !strings.Contains(strings.Join(r.Facts(), "\n"), "before the first segment: ") || !r.Verified {
			t.Errorf("%s: %q: %+v", row.name, r.Before, *r)
		}
	}
}
