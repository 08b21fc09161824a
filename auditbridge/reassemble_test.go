package auditbridge

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// told is an event as a test keeps it.
type told struct {
	ID        EventID
	Types     string
	First     Sequence
	Last      Sequence
	Completed Sequence
	End       EndReason
}

func tell(e *Event) told {
	var types []string
	for i := range e.Records {
		types = append(types, string(e.Records[i].TypeName()))
	}
	return told{e.ID, strings.Join(types, " "), e.First, e.Last, e.Completed, e.End}
}

// run pushes lines from sequence from on and returns what is emitted.
func run(r *Reassembler, from Sequence, lines []string) (events []told) {
	for i, line := range lines {
		r.Push(from+Sequence(i), []byte(line), func(e *Event) { events = append(events, tell(e)) })
	}
	return events
}

func line(node, kind string, millis int64, serial uint32) string {
	prefix := ""
	if node != "" {
		prefix = "node=" + node + " "
	}
	return fmt.Sprintf("%stype=%s msg=audit(%d.%03d:%d): a=1", prefix, kind, millis/1000, millis%1000, serial)
}

// summarize writes events shortly: serial, types, why they ended and at which record.
func summarize(events []told) (out []string) {
	for _, e := range events {
		out = append(out, fmt.Sprintf("%s%d %s %s@%d", e.ID.Node, e.ID.Serial, e.Types, e.End, e.Completed))
	}
	return out
}

func TestWhatEndsAnEvent(t *testing.T) {
	const sec = 1000
	contexts := "type=USER_AUTH msg=audit(1.000:1): pid=1 uid=0 auid=1 ses=1 subj=? msg='op=x res=success'"
	claimedContexts := "type=USER_AUTH msg=audit(1.000:1): pid=1 uid=0 auid=1 ses=1 msg='op=x subj=? res=success'"
	for _, row := range []struct {
		name  string
		lines []string
		want  []string // of Push, then "|", then of Flush
	}{
		{"EOE", []string{line("", "SYSCALL", sec, 1), line("", "PROCTITLE", sec, 1), line("", "EOE", sec, 1)},
			[]string{"1 SYSCALL PROCTITLE EOE eoe@3", "|"}},
		{"interleaved, nobody waits for another", []string{line("", "SYSCALL", sec, 1), line("", "SYSCALL", sec, 2), line("", "EOE", sec, 2), line("", "EOE", sec, 1)},
			[]string{"2 SYSCALL EOE eoe@3", "1 SYSCALL EOE eoe@4", "|"}},
		{"a program's message is whole", []string{line("", "USER_AUTH", sec, 1)},
			[]string{"1 USER_AUTH complete@1", "|"}},
		{"LOGIN stays with its SYSCALL; PROCTITLE waits for EOE", []string{line("", "LOGIN", sec, 1), line("", "SYSCALL", sec, 1), line("", "PROCTITLE", sec, 1), line("", "EOE", sec, 1)},
			[]string{"1 LOGIN SYSCALL PROCTITLE EOE eoe@4", "|"}},
		{"without EOE, PROCTITLE was the last", []string{line("", "LOGIN", sec, 1), line("", "SYSCALL", sec, 1), line("", "PROCTITLE", sec, 1), line("", "USER_AUTH", 3*sec, 2)},
			[]string{"1 LOGIN SYSCALL PROCTITLE complete@4", "2 USER_AUTH complete@4", "|"}},
		{"CONFIG_CHANGE alone ends by stream time", []string{line("", "CONFIG_CHANGE", sec, 1), line("", "USER_AUTH", 2999, 2), line("", "USER_AUTH", 3000, 3)},
			[]string{"2 USER_AUTH complete@2", "1 CONFIG_CHANGE timeout@3", "3 USER_AUTH complete@3", "|"}},
		{"a long system call is not late for its old time", []string{line("", "USER_AUTH", 900*sec, 1), line("", "SYSCALL", sec, 2), line("", "USER_AUTH", 900*sec+500, 3), line("", "EOE", sec, 2)},
			[]string{"1 USER_AUTH complete@1", "3 USER_AUTH complete@3", "2 SYSCALL EOE eoe@4", "|"}},
		{"nodes have their own time and serials", []string{line("a", "SYSCALL", sec, 1), line("b", "SYSCALL", sec, 1), line("b", "USER_AUTH", 90*sec, 2), line("a", "EOE", sec, 1)},
			[]string{"b1 SYSCALL timeout@3", "b2 USER_AUTH complete@3", "a1 SYSCALL EOE eoe@4", "|"}},
		{"a late record is an event of its own", []string{line("", "SYSCALL", sec, 1), line("", "EOE", sec, 1), line("", "PATH", sec, 1)},
			[]string{"1 SYSCALL EOE eoe@2", "1 PATH late@3", "|"}},
		{"a doubled record is kept", []string{line("", "USER_AUTH", sec, 1), line("", "USER_AUTH", sec, 1)},
			[]string{"1 USER_AUTH complete@1", "1 USER_AUTH late@2", "|"}},
		{"serial wrap and reset", []string{line("", "SYSCALL", sec, 4294967295), line("", "SYSCALL", sec, 0), line("", "SYSCALL", sec+1, 0), line("", "EOE", sec, 0), line("", "EOE", sec, 4294967295), line("", "EOE", sec+1, 0)},
			[]string{"0 SYSCALL EOE eoe@4", "4294967295 SYSCALL EOE eoe@5", "0 SYSCALL EOE eoe@6", "|"}},
		{"our own serials are never joined", []string{line("", "DAEMON_CONFIG", sec, FirstNoteSerial), line("", "DAEMON_CONFIG", sec, FirstNoteSerial)},
			[]string{"4278190080 DAEMON_CONFIG complete@1", "4278190080 DAEMON_CONFIG complete@2", "|"}},
		{"nor is auditd's", []string{line("", "SYSCALL", sec, 1), line("", "DAEMON_START", sec, 1), line("", "EOE", sec, 1)},
			[]string{"1 DAEMON_START complete@2", "1 SYSCALL EOE eoe@3", "|"}},
		{"several security modules announce a sibling", []string{contexts, line("", "USER_AUTH", sec, 2), line("", "MAC_TASK_CONTEXTS", sec, 1)},
			[]string{"2 USER_AUTH complete@2", "1 USER_AUTH MAC_TASK_CONTEXTS complete@3", "|"}},
		{"a program cannot", []string{claimedContexts},
			[]string{"1 USER_AUTH complete@1", "|"}},
		{"a lonely EOE", []string{line("", "EOE", sec, 1)},
			[]string{"1 EOE eoe@1", "|"}},
		{"no record", []string{"", "hello", line("", "EOE", sec, 1)},
			[]string{"0  malformed@1", "0  malformed@2", "1 EOE eoe@3", "|"}},
		{"the stream ends", []string{line("", "SYSCALL", sec, 1), line("", "LOGIN", sec, 2), line("", "PROCTITLE", sec, 2)},
			[]string{"|", "1 SYSCALL end-of-stream@3", "2 LOGIN PROCTITLE complete@3"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := NewReassembler(Limits{})
			got := append(summarize(run(r, 1, row.lines)), "|")
			var rest []told
			r.Flush(func(e *Event) { rest = append(rest, tell(e)) })
			got = append(got, summarize(rest)...)
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if n := r.OpenRecords(); n != 0 {
				t.Errorf("%d records are open after Flush", n)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	many := func(n int, kind string) (lines []string) {
		for i := range n {
			lines = append(lines, line("", kind, 1000, uint32(i+1)))
		}
		return lines
	}
	for _, row := range []struct {
		name   string
		limits Limits
		lines  []string
		want   []string
		over   uint64
	}{
		{"too many open: the oldest goes", Limits{OpenCount: 2}, many(4, "SYSCALL"),
			[]string{"1 SYSCALL limit@3", "2 SYSCALL limit@4"}, 2},
		{"too many bytes: the oldest goes", Limits{OpenBytes: 2*len(line("", "SYSCALL", 1000, 1)) + 1}, many(3, "SYSCALL"),
			[]string{"1 SYSCALL limit@3"}, 1},
		{"one too large: it goes itself", Limits{EventBytes: len(line("", "SYSCALL", 1000, 1))},
			[]string{line("", "SYSCALL", 1000, 1), line("", "SYSCALL", 1000, 2), line("", "CWD", 1000, 2), line("", "EOE", 1000, 1)},
			[]string{"2 SYSCALL CWD limit@3", "1 SYSCALL EOE eoe@4"}, 1},
		{"distance", Limits{Distance: 3}, many(5, "SYSCALL"),
			[]string{"1 SYSCALL timeout@4", "2 SYSCALL timeout@5"}, 0},
		{"linger", Limits{Linger: 2}, many(4, "PROCTITLE"),
			[]string{"1 PROCTITLE complete@3", "2 PROCTITLE complete@4"}, 0},
		{"memory", Limits{Memory: 4}, append(many(6, "USER_AUTH"), line("", "PATH", 1000, 5), line("", "USER_AUTH", 1000, 1)),
			[]string{"1 USER_AUTH complete@1", "2 USER_AUTH complete@2", "3 USER_AUTH complete@3", "4 USER_AUTH complete@4",
				"5 USER_AUTH complete@5", "6 USER_AUTH complete@6", "5 PATH late@7", "1 USER_AUTH complete@8"}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := NewReassembler(row.limits)
			if diff := cmp.Diff(row.want, summarize(run(r, 1, row.lines))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if r.OverLimit() != row.over {
				t.Errorf("%d over the limit, want %d", r.OverLimit(), row.over)
			}
		})
	}
}

// A clock that was set back, or forward by mistake, is forgotten after Memory
// records; until then events still end by their own marks.
func TestClockStepsAreForgotten(t *testing.T) {
	r := NewReassembler(Limits{Memory: 8})
	lines := []string{line("", "USER_AUTH", 9_000_000, 1)}
	for i := range 20 {
		lines = append(lines, line("", "USER_AUTH", 1000, uint32(10+i)))
	}
	lines = append(lines, line("", "SYSCALL", 1000, 50), line("", "USER_AUTH", 3000, 51))
	events := run(r, 1, lines)
	got := summarize(events[len(events)-2:])
	want := []string{"50 SYSCALL timeout@23", "51 USER_AUTH complete@23"}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// drawLines makes a stream such as kernels and lossy links may produce.
func drawLines(t *rapid.T) []string {
	types := []string{"SYSCALL", "SYSCALL", "PATH", "PROCTITLE", "EOE", "EOE", "LOGIN", "CONFIG_CHANGE", "USER_AUTH", "DAEMON_START", "UNKNOWN[1999]", "MAC_TASK_CONTEXTS"}
	n := rapid.IntRange(1, 120).Draw(t, "lines")
	clock := int64(1_000_000)
	lines := make([]string, n)
	for i := range lines {
		clock += rapid.SampledFrom([]int64{0, 0, 0, 1, 50, 700, 2500, -3000}).Draw(t, "step")
		switch rapid.IntRange(0, 19).Draw(t, "odd") {
		case 0:
			lines[i] = "not a record"
			continue
		case 1:
			lines[i] = "type=USER_AUTH msg=audit(1000.000:3): pid=1 subj=? msg='res=1'"
			continue
		}
		at := clock - rapid.SampledFrom([]int64{0, 0, 0, 5, 4000}).Draw(t, "age")
		serial := uint32(rapid.IntRange(1, 6).Draw(t, "serial"))
		if rapid.IntRange(0, 3).Draw(t, "coarse") > 0 {
			at = 1_000_000 // events worth joining
		}
		lines[i] = line(rapid.SampledFrom([]string{"", "", "a", "b"}).Draw(t, "node"), rapid.SampledFrom(types).Draw(t, "type"), at, serial)
	}
	return lines
}

func drawLimits(t *rapid.T) Limits {
	return Limits{
		Timeout:   time.Duration(rapid.SampledFrom([]int{100, 2000}).Draw(t, "timeout")) * time.Millisecond,
		Distance:  Sequence(rapid.SampledFrom([]int{5, 40, 1000}).Draw(t, "distance")),
		Linger:    Sequence(rapid.SampledFrom([]int{2, 10}).Draw(t, "linger")),
		Memory:    Sequence(rapid.SampledFrom([]int{2, 7, 16, 64}).Draw(t, "memory")),
		OpenCount: rapid.SampledFrom([]int{3, 1000}).Draw(t, "open"),
		OpenBytes: rapid.SampledFrom([]int{300, 1 << 20}).Draw(t, "bytes"),
	}
}

// Taken up again at any record, the stream goes on with the same events.
func TestResumedStreamGivesTheSameEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines, limits := drawLines(t), drawLimits(t)
		at := Sequence(rapid.IntRange(0, len(lines)).Draw(t, "cursor"))

		whole := NewReassembler(limits)
		run(whole, 1, lines[:at])
		open := whole.Open(nil)
		want := run(whole, at+1, lines[at:])
		wantOpen := whole.Open(nil)

		resumed := NewReassembler(limits)
		from := resumed.Resume(at, open)
		got := run(resumed, from, lines[from-1:])
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("events behind record %d, resumed from %d with %v open (-want +got):\n%s", at, from, open, diff)
		}
		if gotOpen := resumed.Open(nil); !slices.Equal(gotOpen, wantOpen) {
			t.Fatalf("open %v, want %v", gotOpen, wantOpen)
		}
	})
}

// Every record is in exactly one event, events are whole and in order, and
// what is open stays within its bounds.
func TestNoRecordIsLostOrDoubled(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines, limits := drawLines(t), drawLimits(t)
		r := NewReassembler(limits)
		seen := map[Sequence]bool{}
		last := Sequence(0)
		emit := func(e *Event) {
			if e.Completed < last || e.First != e.Records[0].Sequence || e.Last != e.Records[len(e.Records)-1].Sequence {
				t.Fatalf("event out of order: %+v", tell(e))
			}
			last = e.Completed
			for i := range e.Records {
				rec := &e.Records[i]
				if seen[rec.Sequence] || string(rec.Line) != lines[rec.Sequence-1] {
					t.Fatalf("record %d: doubled %v, line %q", rec.Sequence, seen[rec.Sequence], rec.Line)
				}
				seen[rec.Sequence] = true
				if h, ok := ParseHeader(rec.Line); ok && (h.ID.Serial != e.ID.Serial || string(h.Node) != e.ID.Node) {
					t.Fatalf("record %q in event %v", rec.Line, e.ID)
				}
			}
			Classify(e)
		}
		for i, line := range lines {
			r.Push(Sequence(i+1), []byte(line), emit)
			if n := len(r.Open(nil)); n > limits.OpenCount {
				t.Fatalf("%d events open, limit %d", n, limits.OpenCount)
			}
		}
		r.Flush(emit)
		if len(seen) != len(lines) {
			t.Fatalf("%d of %d records came out", len(seen), len(lines))
		}
	})
}

// What has had no record since is ended by a quiet stream; what still gets
// some is not, whenever it began.
func TestIdleEndsWhatHasFallenSilent(t *testing.T) {
	r := NewReassembler(Limits{})
	if early := run(r, 1, []string{line("", "SYSCALL", 1, 1), line("", "SYSCALL", 1, 2), line("", "PATH", 1, 1), line("", "SYSCALL", 1, 3)}); early != nil {
		t.Fatalf("ended already: %v", summarize(early))
	}
	var events []told
	r.Idle(2, func(e *Event) { events = append(events, tell(e)) })
	if diff := cmp.Diff([]string{"2 SYSCALL idle@4"}, summarize(events)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Sequence{1, 4}, r.Open(nil)); diff != "" {
		t.Error(diff)
	}
}
