package journal

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/seal"
)

// smallJournal leaves a stopped journal of a few records, and returns the last
// segment's path and bytes.
func smallJournal(t testing.TB, cfg Config, records int) (path string, data []byte) {
	t.Helper()
	r := newMemRing()
	j := mustOpen(t, cfg, r)
	r.feed(1, records)
	r.drain(t, j)
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	path, err := filepath.EvalSymlinks(filepath.Join(cfg.Dir, linkName))
	if err != nil {
		t.Fatal(err)
	}
	data, err = os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, data
}

// A segment cut at any byte beyond the durable mark opens, and keeps every
// line that is whole.
func TestTheLastSegmentCutAtAnyByteOpens(t *testing.T) {
	cfg := testConfig(t)
	cfg.reserve = 64 << 10
	path, data := smallJournal(t, cfg, 9)
	for cut := range len(data) + 1 {
		for _, behind := range []string{"", "\x00\x00\x00", "\x00 garbage \n\x01\n"} {
			cutAndOpen(t, cfg, path, data, cut, behind)
		}
	}
}

func cutAndOpen(t *testing.T, cfg Config, path string, data []byte, cut int, behind string) {
	t.Helper()
	os.RemoveAll(cfg.Dir)
	os.RemoveAll(cfg.StateDir)
	if err := os.Mkdir(cfg.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(bytes.Clone(data[:cut]), behind...), 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := openIn(cfg, newMemRing())
	if err != nil {
		t.Fatalf("cut at %d, then %q: %v", cut, behind, err)
	}
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	j.Close()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole := data[:bytes.LastIndexByte(data[:cut], '\n')+1]
	if !bytes.HasPrefix(got, whole) {
		t.Fatalf("cut at %d, then %q: whole lines are gone", cut, behind)
	}
	c, err := readJournal(cfg)
	if err != nil && bytes.Count(whole, lf) > 0 && !bytes.Contains([]byte(err.Error()), []byte("not announced")) {
		t.Fatalf("cut at %d, then %q: %v", cut, behind, err)
	}
	if want := bytes.Count(whole, []byte("type=SYSCALL")); err == nil && len(c.records) != want {
		t.Fatalf("cut at %d, then %q: %d records, want %d", cut, behind, len(c.records), want)
	}
}

// Damage below the durable mark is left as it is, copied, and told of; storing
// goes on in another segment.
func TestDamageBelowTheDurableMarkStaysAndIsOnRecord(t *testing.T) {
	cfg := testConfig(t)
	path, data := smallJournal(t, cfg, 900)
	at := len(data) - 500
	data[at] = 0
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	r := newMemRing()
	j := mustOpen(t, cfg, r)
	r.feed(901, 10)
	r.drain(t, j)
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if got, _ := os.ReadFile(path); !bytes.Equal(got, data) {
		t.Error("the damaged segment was changed")
	}
	copies, _ := filepath.Glob(cfg.Dir + "/" + quarantineName + "/*")
	if len(copies) != 1 {
		t.Fatalf("%d copies in quarantine", len(copies))
	}
	if info, err := os.Stat(copies[0]); err != nil || j.Stats().Quarantined != uint64(info.Size()) || info.Size() == 0 {
		t.Errorf("%d bytes count as copied, %v, %v", j.Stats().Quarantined, info, err)
	}
	if n := j.Stats().Damaged; n != 1 {
		t.Errorf("%d places count as damaged", n)
	}
	newest, _ := os.ReadFile(filepath.Join(cfg.Dir, linkName))
	for _, want := range []string{"op=damage ", "op=gap ", "why=damaged"} {
		if !bytes.Contains(newest, []byte(want)) {
			t.Errorf("%q is not on record:\n%s", want, newest)
		}
	}
	if bytes.Count(newest, []byte("type=SYSCALL")) != 10 {
		t.Error("storing did not go on")
	}
}

// No sequence that a cursor has reached is ever used again, whatever the disk
// has forgotten.
func TestNumberingGoesOnBehindEveryCursor(t *testing.T) {
	for _, row := range []struct {
		name   string
		beyond auditbridge.Sequence
		other  bool // the cursor is of another journal
		gap    bool
	}{
		{"a cursor within", 5, false, false},
		{"a cursor at the end", 0, false, false},
		{"a cursor beyond", 1000, false, true},
		{"a cursor of another journal", 1000, true, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := testConfig(t)
			smallJournal(t, cfg, 20)
			before := checkJournal(t, cfg)
			id := journalID(t, cfg)
			if row.other {
				id[0] ^= 1
			}
			at := row.beyond
			if at == 0 {
				at = before.last
			}
			f, err := OpenCursor(filepath.Join(cfg.StateDir, "siem"+CursorSuffix))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Store(Cursor{Journal: id, At: at, Open: []auditbridge.Sequence{3}}); err != nil {
				t.Fatal(err)
			}
			f.Close()
			j := mustOpen(t, cfg, newMemRing())
			if err := j.finish(); err != nil {
				t.Fatal(err)
			}
			j.Close()
			after := checkJournal(t, cfg)
			if _, used := after.lines[at]; row.gap && used {
				t.Errorf("sequence %d was used again", at)
			}
			if _, used := after.lines[at+1]; row.gap && !used {
				t.Errorf("numbering does not go on at %d", at+1)
			}
			if _, dense := after.lines[before.last+1]; !row.gap && !dense {
				t.Error("numbering does not go on densely")
			}
		})
	}
}

func journalID(t testing.TB, cfg Config) ID {
	t.Helper()
	m, err := OpenMark(cfg.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	return m.Journal()
}

func FuzzRecovery(f *testing.F) {
	cfg := testConfig(f)
	cfg.reserve = 64 << 10
	_, data := smallJournal(f, cfg, 9)
	f.Add(len(data)-10, []byte("\x00\x00"))
	f.Add(len(data), []byte("type=DAEMON_CONFIG msg=audit(1.000:4278190080): op=block auid=1 \n"))
	f.Add(0, []byte("type=DAEMON_CONFIG msg=audit(1.000:4278190080): op=segment format=2 journal= first=1\n"))
	f.Add(200, data[200:])
	f.Fuzz(func(t *testing.T, keep int, tail []byte) {
		cfg := testConfig(t)
		cfg.reserve = 64 << 10
		if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
			t.Fatal(err)
		}
		whole := append(bytes.Clone(data[:min(max(keep, 0), len(data))]), tail...)
		if err := os.WriteFile(filepath.Join(cfg.Dir, segmentName(1)), whole, 0o600); err != nil {
			t.Fatal(err)
		}
		r := newMemRing()
		j, err := openIn(cfg, r)
		if err != nil {
			return // a newer version, for one; refused is not lost
		}
		defer j.Close()
		r.feed(1, 3)
		r.drain(t, j)
		if err := j.finish(); err != nil {
			t.Fatal(err)
		}
		// A second start has nothing left to mend.
		j.Close()
		j2 := mustOpen(t, cfg, newMemRing())
		defer j2.Close()
		for i := 1; i <= 3; i++ {
			if !bytes.Contains(allBytes(t, cfg), record(i)) {
				t.Fatalf("record %d is not there", i)
			}
		}
	})
}

// allBytes is all segments, one behind the other.
func allBytes(t testing.TB, cfg Config) (all []byte) {
	t.Helper()
	paths, _ := filepath.Glob(cfg.Dir + "/[0-9]*" + segmentSuffix)
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, data...)
	}
	return all
}

// A reader follows a journal that is being written, never past its mark.
func TestAReaderFollowsTheWriter(t *testing.T) {
	cfg, r := testConfig(t), newRing(t)
	cfg.SegmentSize = 300 << 10
	j := mustOpen(t, cfg, r)
	defer j.Close()
	reader, err := OpenReader(cfg.Dir, 0, ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	const n = 10000
	done := make(chan error, 1)
	go func() { done <- j.Run(context.Background()) }()
	go func() { feed(t, r, 1, n); r.Close() }()
	last := auditbridge.Sequence(0)
	for got := 0; got < n; {
		at, line, err := reader.Next()
		if err != nil {
			if err := reader.Wait(context.Background()); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if at != last+1 {
			t.Fatalf("%d follows %d", at, last)
		}
		if durable := j.Mark().Durable(); at > durable {
			t.Fatalf("read %d, durable is %d", at, durable)
		}
		last = at
		if bytes.HasPrefix(line, []byte("type=SYSCALL")) {
			if got++; string(line)+"\n" != string(record(got)) {
				t.Fatalf("record %d is %q", got, line)
			}
		}
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestAReaderBeginsWhereItIsTold(t *testing.T) {
	cfg := testConfig(t)
	cfg.SegmentSize = 50 << 10
	smallJournal(t, cfg, 1000)
	c := checkJournal(t, cfg)
	for from := auditbridge.Sequence(1); from <= c.last+1; from += 13 {
		t.Run(fmt.Sprint(from), func(t *testing.T) {
			r, err := OpenReader(cfg.Dir, from, ReaderOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			at, line, err := r.Next()
			if from > c.last {
				if err == nil {
					t.Fatalf("read %d", at)
				}
				return
			}
			if err != nil || at != from || string(line) != c.lines[from] {
				t.Fatalf("read %d %q %v", at, line, err)
			}
		})
	}
}

// Lines that no block covers, before a gap in the numbering, are no fault of the
// journal's: verify calls them unproven and nothing else.
func TestVerifyUnderstandsAGapBehindUnsealedLines(t *testing.T) {
	for _, row := range []struct {
		name  string
		spoil func(t *testing.T, cfg Config, last auditbridge.Sequence)
	}{
		{"lines were lost", func(t *testing.T, cfg Config, last auditbridge.Sequence) {
			setMark(t, filepath.Dir(cfg.Dir), last+20)
		}},
		{"the end is damaged", func(t *testing.T, cfg Config, last auditbridge.Sequence) {
			path := filepath.Join(cfg.Dir, segmentName(1))
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			data[len(data)-500] = 0
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg, r := testConfig(t), newMemRing()
			j := mustOpen(t, cfg, r)
			r.feed(1, 100)
			r.drain(t, j)
			if err := j.sync.flush(); err != nil {
				t.Fatal(err)
			}
			j.Close() // as it died: the last block is open
			row.spoil(t, cfg, j.at)
			j = mustOpen(t, cfg, newMemRing())
			if err := j.finish(); err != nil {
				t.Fatal(err)
			}
			j.Close()
			v := seal.NewVerifier(seal.Options{Own: true, First: 1})
			for line := range bytes.Lines(allBytes(t, cfg)) {
				v.Line(bytes.TrimSuffix(line, lf))
			}
			report := v.Finish()
			if got := report.Chains[0]; got.Verdict != seal.Partial || got.Stranded < 90 || len(got.Defects) > 0 {
				t.Errorf("%s, %d stranded: %v", got.Verdict, got.Stranded, got.Defects)
			}
		})
	}
}
