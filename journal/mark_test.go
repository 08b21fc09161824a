package journal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/auditbridge"
)

// A mark that does not hold together, or says what cannot be, is damage on
// record and nothing to number by; one whose writer died at it is neither.
func TestADamagedMarkIsOnRecordAndNotBelieved(t *testing.T) {
	const none = ^auditbridge.Sequence(0)
	for _, row := range []struct {
		name    string
		words   func(end auditbridge.Sequence) (durable, check, spare, sparing auditbridge.Sequence)
		damaged bool
		goesOn  func(end auditbridge.Sequence) auditbridge.Sequence // the next line's sequence
	}{
		{"whole", func(end auditbridge.Sequence) (a, b, c, d auditbridge.Sequence) { return end, ^end, end, ^end }, false, after(0)},
		{"all bits set", func(end auditbridge.Sequence) (a, b, c, d auditbridge.Sequence) { return none, ^end, end, ^end }, false, after(0)},
		{"one bit set, in both", func(end auditbridge.Sequence) (a, b, c, d auditbridge.Sequence) {
			return end | 1<<62, ^end, end | 1<<62, ^end
		}, true, after(0)},
		{"farther than a journal can come, and whole", func(auditbridge.Sequence) (a, b, c, d auditbridge.Sequence) {
			const far = 1 << 62
			return far, ^auditbridge.Sequence(far), far, ^auditbridge.Sequence(far)
		}, true, after(0)},
		{"zeros", func(auditbridge.Sequence) (a, b, c, d auditbridge.Sequence) { return 0, 0, 0, 0 }, true, after(0)},
		{"ahead, torn before the first copy's check", func(end auditbridge.Sequence) (a, b, c, d auditbridge.Sequence) {
			return end + 7, ^end, end + 7, ^(end + 7)
		}, false, after(7)},
		{"ahead, torn within the spare copy", func(end auditbridge.Sequence) (a, b, c, d auditbridge.Sequence) {
			return end, ^end, end + 7, ^end
		}, false, after(0)},
		{"ahead", func(end auditbridge.Sequence) (a, b, c, d auditbridge.Sequence) {
			return end + 7, ^(end + 7), end + 7, ^(end + 7)
		}, false, after(7)},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := testConfig(t)
			smallJournal(t, cfg, 20)
			end := checkJournal(t, cfg).last
			f, err := os.OpenFile(filepath.Join(cfg.Dir, markName), os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			a, b, c, d := row.words(end)
			writeMark(t, f, a, b, c, d)
			f.Close()
			j := mustOpen(t, cfg, newMemRing())
			if err := j.finish(); err != nil {
				t.Fatal(err)
			}
			j.Close()
			got := checkJournal(t, cfg)
			if _, used := got.lines[row.goesOn(end)]; !used {
				t.Errorf("numbering does not go on at %d: the last is %d", row.goesOn(end), got.last)
			}
			if told := strings.Contains(strings.Join(got.ours, "\n"), "op=damage ") && strings.Contains(strings.Join(got.ours, "\n"), " file=mark "); told != row.damaged {
				t.Errorf("damage on record: %v", told)
			}
			if durable := j.Mark().Durable(); durable != got.last {
				t.Errorf("the mark says %d, the journal ends at %d", durable, got.last)
			}
		})
	}
}

func after(n auditbridge.Sequence) func(auditbridge.Sequence) auditbridge.Sequence {
	return func(end auditbridge.Sequence) auditbridge.Sequence { return end + n + 1 }
}
