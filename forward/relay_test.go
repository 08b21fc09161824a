package forward

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/peertest"
	"auditbridge/journal"
)

func TestDeliveredIsFiveSecondsOnALivingConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		r := startRelay(t, testConfig(FormatEvent), newMemJournal(events(1, 3)...), &script{conns: []*pipe{p}}, journal.Cursor{})
		time.Sleep(4500 * time.Millisecond)
		if s := r.Stats(); s.Delivered != 0 || s.Pending != 6 {
			t.Errorf("after 4.5 s: %+v, want all pending", s)
		}
		time.Sleep(2 * time.Second)
		if s := r.Stats(); s.Delivered != 6 || s.Pending != 0 {
			t.Errorf("after 6.5 s: %+v, want all delivered", s)
		}
		if c := r.seen.at(); c.At != 6 || c.Delivered != 6 {
			t.Errorf("cursor %+v, want at 6", c)
		}
		r.end(t)
	})
}

// A relay is told to end when the journal has its last lines, which may be between
// its finding none and its being told.
func TestWhatIsThereWhenARelayIsToldToEndIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, j := newPipe(), newMemJournal(events(1, 2)...)
		r := startRelay(t, testConfig(FormatEvent), j, &script{conns: []*pipe{p}}, journal.Cursor{})
		synctest.Wait()
		j.mu.Lock()
		j.atEnd = func() {
			j.lines, j.atEnd = append(j.lines, events(3, 4)...), nil
			r.stop()
		}
		j.mu.Unlock()
		j.append(events(2, 3)...)
		if err := <-r.done; err != nil {
			t.Error(err)
		}
		if got := p.text(); strings.Count(got, ":2)")+strings.Count(got, `serial="2"`) == 0 || strings.Count(got, ":3)")+strings.Count(got, `serial="3"`) == 0 {
			t.Errorf("sent %q", got)
		}
	})
}

func TestBytesThatNeverReachedTheFarHostAreNeverDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hole, second := newPipe(), newPipe()
		hole.reached = func(uint64) uint64 { return 0 }
		r := startRelay(t, testConfig(FormatEvent), newMemJournal(events(1, 3)...), &script{conns: []*pipe{hole, second}}, journal.Cursor{})
		time.Sleep(time.Hour)
		if s := r.Stats(); s.Delivered != 0 {
			t.Errorf("%+v, want nothing delivered into a black hole", s)
		}
		hole.end(errors.New("connection timed out"))
		time.Sleep(time.Minute)
		if second.text() == "" || second.text() != hole.text() {
			t.Errorf("the second connection got %q, want all again: %q", second.text(), hole.text())
		}
		r.end(t)
	})
}

func TestYoungRecordsAreSentAgainAfterABreak(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := newPipe(), newPipe()
		j := newMemJournal(events(1, 3)...)
		r := startRelay(t, testConfig(FormatRecord), j, &script{conns: []*pipe{first, nil, nil, second}}, journal.Cursor{})
		time.Sleep(10 * time.Second)
		j.append(events(3, 5)...)
		time.Sleep(4 * time.Second)
		first.end(io.EOF) // the far end closes
		time.Sleep(time.Minute)
		if got := second.text(); strings.Contains(got, ":2)") || !strings.Contains(got, ":3)") || !strings.Contains(got, ":4)") {
			t.Errorf("sent again: %q, want events 3 and 4 only", got)
		}
		if s := r.Stats(); s.Delivered != 12 || s.Pending != 0 {
			t.Errorf("%+v, want 12 delivered, each counted once", s)
		}
		want := []string{"up=true <nil>", "up=false the far end closed the connection", "up=false connection refused", "up=true <nil>"}
		if got := r.seen.told(); !slices.Equal(got, want) {
			t.Errorf("told %q, want changes only: %q", got, want)
		}
		r.end(t)
	})
}

func TestOrderlyEndIsDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		lines := append(events(1, 3), syscallEvent(3)[0]) // the last event is not whole
		r := startRelay(t, testConfig(FormatEvent), newMemJournal(lines...), &script{conns: []*pipe{p}}, journal.Cursor{})
		synctest.Wait()
		start := time.Now()
		r.end(t)
		if c := r.seen.at(); c.At != 7 || c.Delivered != 7 || len(c.Open) != 0 {
			t.Errorf("cursor %+v, want all 7 records delivered", c)
		}
		if !p.half {
			t.Error("no half-close")
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Who is told to end while more is written goes at once, under load as well: an event that
// is not whole is its successor's, who sends it whole.
func TestARelayThatIsSucceededLeavesWhatIsNotWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, j := newPipe(), newMemJournal(append(events(1, 3), syscallEvent(3)[:2]...)...)
		j.ahead = 1
		r := startRelay(t, testConfig(FormatEvent), j, &script{conns: []*pipe{p}}, journal.Cursor{})
		synctest.Wait()
		start := time.Now()
		r.end(t)
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		c := r.seen.at()
		if c.At != 8 || c.Delivered != 6 || !slices.Equal(c.Open, []auditbridge.Sequence{7}) {
			t.Errorf("cursor %+v, want the last event open", c)
		}
		j.ahead = 0
		j.append(syscallEvent(3)[2])
		next := newPipe()
		r = startRelay(t, testConfig(FormatEvent), j, &script{conns: []*pipe{next}}, c)
		synctest.Wait()
		r.end(t)
		if strings.Count(p.text(), `serial="3"`) != 0 || strings.Count(next.text(), `serial="3"`) != 1 || strings.Count(next.text(), `serial="2"`) != 0 {
			t.Errorf("sent %q, and then %q", p.text(), next.text())
		}
		if c := r.seen.at(); c.At != 9 || c.Delivered != 9 || len(c.Open) != 0 {
			t.Errorf("cursor %+v, want all 9 records delivered", c)
		}
	})
}

func TestEndWithADeadPeerTakesNoLongerThanTheGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		p.block = true
		r := startRelay(t, testConfig(FormatEvent), newMemJournal(events(1, 30)...), &script{conns: []*pipe{p}}, journal.Cursor{})
		synctest.Wait()
		start := time.Now()
		r.end(t)
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("it took %v", took)
		}
		if c := r.seen.at(); c.At != 0 {
			t.Errorf("cursor %+v, want nothing delivered", c)
		}
	})
}

func TestFarEndThatReadsNothingIsNoticed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck, second := newPipe(), newPipe()
		stuck.block = true
		r := startRelay(t, testConfig(FormatEvent), newMemJournal(events(1, 3)...), &script{conns: []*pipe{stuck, second}}, journal.Cursor{})
		time.Sleep(time.Minute)
		if !slices.ContainsFunc(r.seen.told(), func(l string) bool { return strings.Contains(l, "took nothing for 30s") }) {
			t.Errorf("told %q", r.seen.told())
		}
		if second.text() == "" {
			t.Error("not tried again")
		}
		r.end(t)
	})
}

// Waits between tries grow to the cap, with full jitter, and never beyond.
func TestReconnectBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := &script{}
		r := startRelay(t, testConfig(FormatEvent), newMemJournal(), dial, journal.Cursor{})
		time.Sleep(10 * time.Minute)
		r.end(t)
		bound := firstDelay
		for i := 1; i < len(dial.times); i++ {
			if wait := dial.times[i].Sub(dial.times[i-1]); wait > bound {
				t.Errorf("try %d came after %v, want at most %v", i, wait, bound)
			}
			bound = min(2*bound, maxDelay)
		}
		if len(dial.times) < 20 {
			t.Errorf("%d tries in ten minutes, want one per 30 s or more", len(dial.times))
		}
	})
	for _, row := range []struct {
		n      int
		random float64
		want   time.Duration
	}{{0, 0.5, 250 * time.Millisecond}, {1, 0.5, 500 * time.Millisecond}, {5, 0.5, 8 * time.Second}, {6, 0.5, 15 * time.Second}, {1000, 0.5, 15 * time.Second}, {3, 0, 0}} {
		if got := backoff(row.n, row.random); got != row.want {
			t.Errorf("backoff(%d, %v) = %v, want %v", row.n, row.random, got, row.want)
		}
	}
}

func TestWhereARelayStarts(t *testing.T) {
	lines := events(1, 4)
	hash := lineHash([]byte(lines[5]))
	for _, row := range []struct {
		name   string
		start  string
		cursor journal.Cursor
		drop   int
		first  int // serial of the first event sent
		reset  bool
		missed uint64
	}{
		{name: "no cursor, oldest", start: StartOldest, first: 1},
		{name: "a cursor without a hash", start: StartNow, cursor: journal.Cursor{Journal: journal.ID{1}, At: 9}, first: 4},
		{name: "cursor", start: StartOldest, cursor: journal.Cursor{Journal: journal.ID{1}, At: 6, LineHash: hash}, first: 3},
		{name: "cursor wins over now", start: StartNow, cursor: journal.Cursor{Journal: journal.ID{1}, At: 6, LineHash: hash}, first: 3},
		{name: "cursor of another journal", start: StartNow, cursor: journal.Cursor{Journal: journal.ID{9}, At: 6, LineHash: hash}, first: 1, reset: true},
		{name: "another line at the cursor", start: StartNow, cursor: journal.Cursor{Journal: journal.ID{1}, At: 6, LineHash: [32]byte{1}}, first: 1, reset: true},
		{name: "what followed the cursor was dropped", start: StartOldest, cursor: journal.Cursor{Journal: journal.ID{1}, At: 3, LineHash: lineHash([]byte(lines[2]))}, drop: 6, first: 3, missed: 3},
		{name: "what it was to begin with was dropped", start: StartOldest, cursor: journal.Cursor{Journal: journal.ID{1}}, drop: 6, first: 3, missed: 6},
		{name: "no cursor, after a drop", start: StartOldest, drop: 6, first: 3},
		{name: "cursor of another journal, after a drop", start: StartNow, cursor: journal.Cursor{Journal: journal.ID{9}, At: 6, LineHash: hash}, drop: 6, first: 3, reset: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := newMemJournal(lines...)
				j.drop(row.drop)
				p := newPipe()
				c := testConfig(FormatEvent)
				c.Start = row.start
				r := startRelay(t, c, j, &script{conns: []*pipe{p, p, p}}, row.cursor)
				if row.reset && row.cursor.Journal == j.id { // the session that finds out ends
					time.Sleep(time.Second)
					r.end(t)
					if len(r.seen.restarts) != 1 || r.seen.at().At != 0 {
						t.Errorf("restarts %q at %+v", r.seen.restarts, r.seen.at())
					}
					return
				}
				time.Sleep(10 * time.Second)
				j.append(syscallEvent(4)...)
				time.Sleep(10 * time.Second)
				r.end(t)
				text := p.text()
				if i := strings.Index(text, ` serial="`); i < 0 || !strings.HasPrefix(text[i:], fmt.Sprintf(` serial="%d"`, row.first)) {
					t.Errorf("sent %q, want from event %d on", text, row.first)
				}
				if got := len(r.seen.restarts) > 0; got != row.reset {
					t.Errorf("restarts %q, want %v", r.seen.restarts, row.reset)
				}
				if s := r.Stats(); s.Missed != row.missed {
					t.Errorf("missed %d, want %d", s.Missed, row.missed)
				}
			})
		})
	}
}

// Excluded records move the cursor without anything being sent.
func TestExcludedRecordsMoveTheCursor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testConfig(FormatRecord)
		c.Include = []string{"login"}
		p := newPipe()
		r := startRelay(t, c, newMemJournal(events(1, 101)...), &script{conns: []*pipe{p}}, journal.Cursor{})
		time.Sleep(3 * time.Second)
		if s := r.Stats(); s.Excluded != 300 || s.Pending != 0 || p.text() != "" {
			t.Errorf("%+v, sent %q", s, p.text())
		}
		if c := r.seen.at(); c.At != 300 {
			t.Errorf("cursor %+v", c)
		}
		r.end(t)
	})
}

// A far end that takes nothing costs its neighbour nothing.
func TestSlowDestinationsDoNotHoldUpOthers(t *testing.T) {
	j := newMemJournal()
	stuck, quick := startSink(t), startSink(t)
	stuck.l.Close() // nobody accepts; also try one that accepts and reads nothing
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	var relays []*running
	for _, port := range []int{stuck.port(), deaf.Addr().(*net.TCPAddr).Port, quick.port()} {
		c := testConfig(FormatRecord)
		c.Port, c.Grace = port, time.Second
		relays = append(relays, startRelay(t, c, j, direct{c.withDefaults()}, journal.Cursor{}))
	}
	lines := events(0, 50_000)
	j.append(lines...)
	peertest.Until(t, "the quick destination has everything", func() bool { return len(quick.received()) == len(lines) })
	for _, r := range relays {
		r.end(t)
	}
	if got := rawLines(quick.received()); !slices.Equal(got, lines) {
		t.Error("not the lines that were sent, in order")
	}
}

// What is not acknowledged is pending from the moment it is durable, whatever the relay
// is at: it may be waiting for a far end that does not answer.
func TestWhatBecomesDurableIsPendingThoughNothingAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := newMemJournal(events(1, 2)...)
		r := startRelay(t, testConfig(FormatEvent), j, &script{}, journal.Cursor{})
		synctest.Wait()
		j.append(events(2, 4)...)
		if s := r.Stats(); s.Pending != 9 || s.Read != 9 {
			t.Errorf("%+v, want nine records pending", s)
		}
		r.end(t)
	})
}
