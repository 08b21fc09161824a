package journal

import (
	"testing"
	"time"

	"auditbridge/seal"
)

// Killed after the segments before were dropped and before a block ended in the
// one that is left: who has a copy of what was dropped sees the chain go on.
func TestTheChainGoesOnOverADrop(t *testing.T) {
	cfg := testConfig(t)
	r := newMemRing()
	j := mustOpen(t, cfg, r)
	r.feed(1, 10)
	j.turn(time.Now())
	if err := j.rotate("test", time.Now()); err != nil {
		t.Fatal(err)
	}
	before := checkJournal(t, cfg)
	dropOldest(t, j)
	last := j.Segments()[0].First - 1
	j.Close()
	j = mustOpen(t, cfg, r)
	defer j.Close()
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	after := checkJournal(t, cfg)
	v := seal.NewVerifier(seal.Options{Own: true, First: 1})
	for s := range after.last {
		line, ok := after.lines[s+1]
		if s < last {
			line, ok = before.lines[s+1]
		}
		if !ok {
			t.Fatalf("no line %d", s+1)
		}
		v.Line([]byte(line))
	}
	for _, chain := range v.Finish().Chains {
		if chain.Verdict == seal.Bad {
			t.Errorf("%v", chain.Defects)
		}
	}
}
