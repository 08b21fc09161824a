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

// talker is whoever has the kernel write records, as the kernel says: what programs
// say of themselves counts for nothing.
type talker struct{ auid, exe, key string }

func (t talker) String() string {
	if t.auid == "4294967295" {
		t.auid = "unset"
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
	if h.Type != typeSyscall {
		return
	}
	r := auditbridge.Record{Type: h.Type, Line: line, Body: h.Body}
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

// loudest is who made most, and what share of all in percent.
func (t *tally) loudest() (who talker, percent int) {
	weights, all := map[talker]int{}, 0
	for serial, n := range t.bytes {
		all += n
		if by, known := t.by[serial]; known {
			weights[by] += n
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
	return who, weights[who] * 100 / all
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
