package diskguard

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// A flood is a journal that grows so fast that all the room it may have would be
// taken within floodTime. It is over when a quarter less comes.
const floodTime = time.Hour

// floodLeast is how long it must last: every host has its bursts.
const floodLeast = 10 * time.Second

// flooded decides whether there is a flood at rate, in bytes a second, of a journal
// that may have whole bytes.
func flooded(was bool, rate float64, whole int64) bool {
	limit := float64(whole) / floodTime.Seconds()
	if was {
		limit *= 0.75
	}
	return rate > limit
}

// sampleLines is how many of the newest lines a flood is judged by.
const sampleLines = 20_000

// talker is whoever has records written: has the kernel write them, as the kernel
// says, or writes them himself. Of what a program says of itself only its executable
// is taken, and called claimed.
type talker struct {
	auid, exe, key string
	claimed        string // the executable, where the kernel does not say it
	kind           string // of record that the program writes
}

func (t talker) String() string {
	if t.auid == "4294967295" {
		t.auid = "unset"
	}
	if t.kind != "" {
		return fmt.Sprintf("auid=%s claimed-exe=%s type=%s", cmp.Or(t.auid, "?"), cmp.Or(t.claimed, "?"), t.kind)
	}
	return fmt.Sprintf("auid=%s exe=%s key=%s", cmp.Or(t.auid, "?"), cmp.Or(t.exe, "?"), cmp.Or(t.key, "?"))
}

// tally weighs the events of a stretch of lines by who made them.
type tally struct {
	by    map[uint32]talker // the event's serial
	bytes map[uint32]int
}

// add takes a line. The records of an event that are no system call are its weight.
func (t *tally) add(line []byte) {
	h, ok := auditbridge.ParseHeader(line)
	if !ok || h.Own() {
		return
	}
	t.bytes[h.ID.Serial] += len(line) + 1
	r := auditbridge.Record{Type: h.Type, Line: line, Body: h.Body}
	if h.Type != typeSyscall {
		if _, known := t.by[h.ID.Serial]; !known && len(r.Message()) > 0 {
			t.by[h.ID.Serial] = writes(&r)
		}
		return
	}
	var who talker
	for f := r.Stamped(); f.Next(); {
		switch string(f.Key) {
		case "auid":
			who.auid = string(f.Value)
		case "exe":
			who.exe = string(f.AppendDecoded(nil, h.Type))
		case "key":
			who.key = string(f.AppendDecoded(nil, h.Type))
		}
	}
	t.by[h.ID.Serial] = who
}

// writes is who has written a record of a program's own.
func writes(r *auditbridge.Record) talker {
	who := talker{kind: r.Type.String()}
	for f := r.Stamped(); f.Next(); {
		if string(f.Key) == "auid" {
			who.auid = string(f.Value)
		}
	}
	for f := r.Claims(); f.Next(); {
		if string(f.Key) == "exe" {
			who.claimed = string(f.AppendDecoded(nil, r.Type))
		}
	}
	return who
}

// loudest is who made most, and what share of all in percent. Whoever claims to be
// another program each time is one all the same.
func (t *tally) loudest() (who talker, percent int) {
	weights, claimed, all := map[talker]int{}, map[talker]string{}, 0
	for serial, n := range t.bytes {
		all += n
		if by, known := t.by[serial]; known {
			says := by.claimed
			by.claimed = ""
			weights[by] += n
			claimed[by] = max(claimed[by], says)
		}
	}
	for by, n := range weights {
		if n > weights[who] || n == weights[who] && by.String() < who.String() {
			who = by
		}
	}
	if all == 0 {
		return who, 0
	}
	percent = weights[who] * 100 / all
	who.claimed = claimed[who]
	return who, percent
}

const typeSyscall auditbridge.RecordType = 1300

// loudest reads the journal's newest lines.
func loudest(dir string, newest auditbridge.Sequence) (who talker, percent int, err error) {
	from := auditbridge.Sequence(1)
	if newest > sampleLines {
		from = newest - sampleLines
	}
	r, err := journal.OpenReader(dir, from, journal.ReaderOptions{})
	if err != nil {
		return who, 0, fmt.Errorf("find who floods the journal: %w", err)
	}
	defer r.Close()
	t := tally{map[uint32]talker{}, map[uint32]int{}}
	for range sampleLines {
		_, line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return who, 0, fmt.Errorf("find who floods the journal: %w", err)
		}
		t.add(line)
	}
	who, percent = t.loudest()
	return who, percent, nil
}

// watchFlood looks for who fills the journal when it grows too fast, and puts it on
// record once.
func (g *Guard) watchFlood(now time.Time, s journal.Stats, whole int64) {
	g.growth.see(now, -int64(s.Bytes))
	was := g.flood != ""
	is := g.growth.span() >= floodLeast && flooded(was, g.growth.rate(), whole)
	switch {
	case is && !was:
		who, percent, err := g.loudest(s.Durable)
		if err != nil {
			g.log.Error("the journal is flooded", "error", err)
			return
		}
		g.flood = who.String()
		g.log.Warn("the journal is flooded", "by", g.flood, "percent", percent, "bytes-per-second", int64(g.growth.rate()))
		g.journal.Note(auditbridge.OwnFailure("flood", auditbridge.Text("by", g.flood), auditbridge.Number("percent", percent),
			auditbridge.Number("bytes-per-second", int64(g.growth.rate()))))
	case was && !is:
		g.flood = ""
		g.log.Info("the flood of the journal is over")
	}
}
