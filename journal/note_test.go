package journal

import (
	"context"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
)

// ops lists our own records, as they stand, by what they say they are.
func (c *contents) ops() (ops []string) {
	for _, line := range c.ours {
		_, rest, _ := strings.Cut(line, "op=")
		op, _, _ := strings.Cut(rest, " ")
		ops = append(ops, op)
	}
	return ops
}

func TestANoteHasTheTimeOfItsFact(t *testing.T) {
	cfg, r := testConfig(t), newMemRing()
	j := mustOpen(t, cfg, r)
	defer j.Close()
	before := time.Now().Truncate(time.Millisecond)
	j.Note(configNote("test"))
	after := time.Now()
	j.turn(after.Add(50 * time.Minute))
	for _, line := range checkJournal(t, cfg).ours {
		if !strings.Contains(line, "op=test ") {
			continue
		}
		h, _ := auditbridge.ParseHeader([]byte(line))
		if at := time.Unix(h.ID.Seconds, int64(h.ID.Millis)*1e6); at.Before(before) || at.After(after) {
			t.Errorf("noted between %v and %v, on record as of %v", before, after, at)
		}
		return
	}
	t.Error("the note is not on record")
}

// The farewell stands behind all that the ring held and was noted, whenever it
// was given.
func TestTheFarewellIsTheLastButTheCheckpoint(t *testing.T) {
	cfg, r := testConfig(t), newMemRing()
	j := mustOpen(t, cfg, r)
	defer j.Close()
	r.feed(1, 3000)
	j.Farewell(auditbridge.OwnNote(auditbridge.TypeDaemonEnd, "stop"))
	j.Note(configNote("test"))
	r.closed = true
	if err := j.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	c := checkJournal(t, cfg)
	wantRecords(t, c, 1, 3000)
	if last := c.lines[c.last]; !strings.Contains(last, "op=block ") || !strings.Contains(last, " sig=") {
		t.Errorf("the last line is %s", last)
	}
	if last := c.lines[c.last-1]; !strings.Contains(last, "op=stop ") {
		t.Errorf("the last line but one is %s", last)
	}
}

// What was noted while the disk was full comes before the word that it is not
// any more, and the gap is counted.
func TestWaitingNotesComeBeforeResumed(t *testing.T) {
	cfg, r, d := testConfig(t), newMemRing(), &disk{}
	cfg.reserve = 128 << 10
	j, err := open(cfg, r, d.open)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	full := true
	d.fullWhile(func() bool { return full }, allocates)
	now, fed := time.Now(), 0
	for ; j.trouble.state == StateOK || r.refused == 0; fed += 300 {
		r.feed(fed+1, 300)
		now = now.Add(time.Second)
		j.turn(now)
	}
	j.Note(configNote("first"))
	j.Note(configNote("second"))
	full = false
	now = now.Add(time.Minute)
	j.turn(now)
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	c := checkJournal(t, cfg)
	balance(t, c, fed)
	if all := strings.Join(c.ops(), " "); !strings.HasSuffix(all, "disk-full first second resumed refused") {
		t.Errorf("on record: %s", all)
	}
	if got := j.Stats().Gaps; got != 1 {
		t.Errorf("%d gaps, want 1", got)
	}
}

// Our own records wait while nothing can be written, but not without end: how many
// found no place is on record, a gap.
func TestNotesThatFindNoPlaceAreCounted(t *testing.T) {
	cfg := testConfig(t)
	j := mustOpen(t, cfg, newMemRing())
	const more = 5
	for range maxNotes + more {
		j.Note(auditbridge.OwnNote(auditbridge.TypeDaemonErr, "x"))
	}
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	s := j.Stats()
	text := string(allBytes(t, cfg))
	if s.NotesDropped != more || s.Gaps != 1 || strings.Count(text, ": op=x ") != maxNotes || !strings.Contains(text, "op=notes-dropped ") || !strings.Contains(text, " n=5 res=success") {
		t.Errorf("%+v, %d on record", s, strings.Count(text, ": op=x "))
	}
}
