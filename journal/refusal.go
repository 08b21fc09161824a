package journal

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal/ring"
)

// refusalQuiet is how long no further record must have been refused before the
// gap is put on record; refusalLimit is how long it may stay open.
const (
	refusalQuiet = time.Second
	refusalLimit = 10 * time.Second
)

// refusal is the gap that is open: records refused, and not on record yet. The
// number itself is kept in the ring, which outlives us.
type refusal struct {
	seen         int // how many there were when last looked
	since, until time.Time
	why          string
}

func (r *refusal) open() bool { return r.seen > 0 }

// grew notes that n records are refused now.
func (r *refusal) grew(n int, why string, now time.Time) {
	if n == r.seen {
		return
	}
	if r.seen == 0 {
		r.since, r.why = now, why
	}
	r.seen, r.until = n, now
}

// discard gives up pending lines, counting them.
func (j *Journal) discard(pending []byte, now time.Time) {
	records := bytes.Count(pending, lf)
	first, last := serialOf(firstLine(pending)), serialOf(lastLine(pending))
	j.ring.DiscardTypes(typesOf(pending))
	j.ring.Discard(len(pending), records, first, last)
	j.books.discarded.Add(uint64(records))
	j.seeRefused("disk-"+j.trouble.state.String(), now)
}

// seeRefused looks how many are refused and not on record, and keeps which for Stats.
func (j *Journal) seeRefused(why string, now time.Time) int {
	n, first, last := j.ring.Refused()
	if n > 0 {
		j.books.refusedSerials.Store(uint64(first)<<32 | uint64(last))
	}
	j.refusal.grew(n, why, now)
	return n
}

// noteRefusals puts a gap on record once it has come to an end, or lasts.
func (j *Journal) noteRefusals(now time.Time) error {
	n := j.seeRefused("ring-full", now)
	if n == 0 || now.Sub(j.refusal.until) < refusalQuiet && now.Sub(j.refusal.since) < refusalLimit {
		return nil
	}
	return j.noteAllRefusals(now)
}

// noteAllRefusals puts the gap on record. If we die between the note and the
// ring's knowing of it, the next process notes it once more: rather told twice
// than never.
func (j *Journal) noteAllRefusals(now time.Time) error {
	n, first, last, types := j.ring.RefusedTypes()
	if n == 0 || j.seg == nil {
		return nil
	}
	j.refusal.grew(n, "ring-full", now)
	note := auditbridge.OwnFailure("refused", auditbridge.Number("n", n),
		auditbridge.Number("first-serial", first), auditbridge.Number("last-serial", last),
		auditbridge.Moment("since", j.refusal.since), auditbridge.Moment("until", j.refusal.until), auditbridge.Text("why", j.refusal.why),
		auditbridge.Text("types", typeWords(types, uint64(n))))
	if err := j.appendNote(&note, now); err != nil {
		return err
	}
	j.tell(n, 0)
	j.ring.TypesTold(types)
	j.refusal = refusal{}
	return nil
}

// tell remembers that the last line tells of so many records that are missing.
// The ring goes on counting them until that is durable.
func (j *Journal) tell(refused, lost int) { j.ring.Told(uint64(j.at), refused, lost) }

// nowhere is where a note stands that is in our memory only.
const nowhere = ^uint64(0)

// carryNotes says where the notes stand that tell of what is missing, after a
// failed segment was gone on with in another.
func (j *Journal) carryNotes(at uint64) {
	if j.ring.Telling() != 0 && len(j.owed.lines) == 0 {
		j.ring.Told(at, 0, 0)
	}
}

// typesOf counts whole lines by the type of their record.
func typesOf(lines []byte) ring.Types {
	types := ring.Types{}
	for line := range bytes.Lines(lines) {
		h, _ := auditbridge.ParseHeader(line)
		types[uint16(h.Type)]++
	}
	return types
}

// mostTypes is how many types a note names; the others go under "?", as does what a
// process before refused, of which only the number is known.
const mostTypes = 12

// typeWords says of which types n records are, the most first: "SYSCALL:30,EOE:12,?:3".
func typeWords(types ring.Types, n uint64) string {
	kinds := slices.SortedFunc(maps.Keys(types), func(a, b uint16) int {
		return cmp.Or(cmp.Compare(types[b], types[a]), cmp.Compare(a, b))
	})
	var words []string
	for _, kind := range kinds {
		if kind != 0 && len(words) < mostTypes && types[kind] <= n {
			words = append(words, fmt.Sprintf("%v:%d", auditbridge.RecordType(kind), types[kind]))
			n -= types[kind]
		}
	}
	if n > 0 {
		words = append(words, fmt.Sprintf("?:%d", n))
	}
	return strings.Join(words, ",")
}

func firstLine(b []byte) []byte {
	line, _, _ := bytes.Cut(b, lf)
	return line
}

func lastLine(b []byte) []byte {
	b = bytes.TrimSuffix(b, lf)
	return b[bytes.LastIndexByte(b, '\n')+1:]
}

// serialOf is the kernel's serial of a line, 0 when it has none.
func serialOf(line []byte) uint32 {
	h, ok := auditbridge.ParseHeader(line)
	if !ok {
		return 0
	}
	return h.ID.Serial
}
