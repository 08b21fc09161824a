package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
)

// Whoever takes the open segment away costs what stood in it and no more: within
// seconds another is open, and what is missing is on record.
func TestTheOpenSegmentIsTakenAway(t *testing.T) {
	for _, row := range []struct {
		name string
		take func(path string) error
		left bool // a file of its name
	}{
		{"removed", os.Remove, false},
		{"moved", func(path string) error { return os.Rename(path, path+".1") }, false},
		{"moved, and an empty one made", func(path string) error {
			if err := os.Rename(path, path+".1"); err != nil {
				return err
			}
			return os.WriteFile(path, nil, 0o600)
		}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, r := testConfig(t), newMemRing()
			j := mustOpen(t, cfg, r)
			now := time.Now()
			r.feed(1, 100)
			r.turnUntilEmpty(t, j, &now)
			if err := row.take(filepath.Join(cfg.Dir, segmentName(1))); err != nil {
				t.Fatal(err)
			}
			now = now.Add(longestWait)
			j.turn(now)
			first := j.seg.first
			r.feed(101, 50)
			r.turnUntilEmpty(t, j, &now)
			if err := j.finish(); err != nil {
				t.Fatal(err)
			}
			if s := j.Stats(); s.Removed != 1 || s.Gaps != 1 || s.State != StateOK {
				t.Errorf("%+v", s)
			}
			j.Close()
			if first == 1 {
				t.Fatal("no other segment was opened")
			}
			newest, err := os.ReadFile(filepath.Join(cfg.Dir, linkName))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(newest), "op=gap ") || !strings.Contains(string(newest), fmt.Sprintf(" after=0 before=%d why=removed ", first)) {
				t.Errorf("the gap is not on record:\n%s", newest)
			}
			if got := strings.Count(string(newest), "type=SYSCALL"); got != 50 {
				t.Errorf("%d records of 50 in the new segment", got)
			}
			if row.left {
				return
			}
			openAndStop(t, cfg) // as a start finds it
			if got := strings.Count(string(allBytes(t, cfg)), "why=removed"); got != 1 {
				t.Errorf("told %d times", got)
			}
		})
	}
}

// firstsIn lists the first sequences of a journal's segments.
func firstsIn(t *testing.T, cfg Config) []auditbridge.Sequence {
	t.Helper()
	names, err := os.ReadDir(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, n := range names {
		all = append(all, n.Name())
	}
	return segmentsIn(all)
}

// What was taken away while nobody wrote is put on record by the next start, by
// it alone, and no sequence is used again.
func TestSegmentsAreTakenAwayBetweenStarts(t *testing.T) {
	for _, row := range []struct {
		name string
		take func(firsts []auditbridge.Sequence) (taken []auditbridge.Sequence)
		gap  func(firsts []auditbridge.Sequence, last auditbridge.Sequence) (after, before auditbridge.Sequence)
	}{
		{"all of them", func(f []auditbridge.Sequence) []auditbridge.Sequence { return f },
			func(f []auditbridge.Sequence, last auditbridge.Sequence) (after, before auditbridge.Sequence) {
				return 0, last + 1
			}},
		{"the newest", func(f []auditbridge.Sequence) []auditbridge.Sequence { return f[len(f)-1:] },
			func(f []auditbridge.Sequence, last auditbridge.Sequence) (after, before auditbridge.Sequence) {
				return f[len(f)-1] - 1, last + 1
			}},
		{"the two newest", func(f []auditbridge.Sequence) []auditbridge.Sequence { return f[len(f)-2:] },
			func(f []auditbridge.Sequence, last auditbridge.Sequence) (after, before auditbridge.Sequence) {
				return f[len(f)-2] - 1, last + 1
			}},
		{"the newest but one", func(f []auditbridge.Sequence) []auditbridge.Sequence { return f[len(f)-2 : len(f)-1] },
			func(f []auditbridge.Sequence, last auditbridge.Sequence) (after, before auditbridge.Sequence) {
				return f[len(f)-2] - 1, f[len(f)-1]
			}},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := testConfig(t)
			cfg.SegmentSize = 50 << 10
			smallJournal(t, cfg, 1000)
			last := checkJournal(t, cfg).last
			firsts := firstsIn(t, cfg)
			for _, first := range row.take(firsts) {
				if err := os.Remove(filepath.Join(cfg.Dir, segmentName(first))); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if at := openAndStop(t, cfg); at <= last {
					t.Errorf("sequence %d is used again", at)
				}
			}
			after, before := row.gap(firsts, last)
			text := string(allBytes(t, cfg))
			if !gapOnRecord(cfg.Dir, after, before) || strings.Count(text, "op=gap ") != 1 || strings.Count(text, "why=removed") != 1 {
				t.Errorf("want a gap after %d before %d, told once", after, before)
				for _, line := range strings.Split(text, "\n") {
					if strings.Contains(line, "op=gap ") {
						t.Log(line)
					}
				}
			}
		})
	}
}

// openAndStop is a start and an end with nothing in between. It returns how far
// the journal was when it was open.
func openAndStop(t *testing.T, cfg Config) auditbridge.Sequence {
	t.Helper()
	j := mustOpen(t, cfg, newMemRing())
	defer j.Close()
	at := j.at
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	return at
}
