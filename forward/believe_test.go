package forward

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/allowance"
	"auditbridge/internal/peertest"
	"auditbridge/journal"
)

// bookkeeper is run's side alone, with a journal of which 1000 records are
// durable.
func bookkeeper(t testing.TB, stateDir string, destinations ...Config) (*Shipper, *notes) {
	t.Helper()
	return bookkeeperFrom(t, func() auditbridge.Sequence { return 1 }, stateDir, destinations...)
}

// bookkeeperFrom is a bookkeeper whose journal keeps what oldest says and later.
func bookkeeperFrom(t testing.TB, oldest func() auditbridge.Sequence, stateDir string, destinations ...Config) (*Shipper, *notes) {
	t.Helper()
	said := &notes{}
	s, err := NewShipper(ShipperConfig{Journal: journal.ID{1}, StateDir: stateDir, Destinations: destinations, Oldest: oldest,
		Durable: func() auditbridge.Sequence { return 1000 }, Note: said.add, Record: said.record, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, said
}

func at(seq auditbridge.Sequence) report {
	w := toWire(journal.Cursor{Journal: journal.ID{1}, At: seq, Delivered: uint64(seq), Read: uint64(seq)})
	return report{Relay: "siem", Cursor: &w}
}

// A ship that fell to a stranger goes back as often as it may, and no more.
func TestRestartsHaveAnEnd(t *testing.T) {
	s, said := bookkeeper(t, t.TempDir(), to(9))
	again := report{Relay: "siem", Restart: &wireRestart{"why not"}}
	if err := s.crews[0].follow(again); err == nil || !strings.Contains(err.Error(), "at the beginning") {
		t.Errorf("restart at the beginning: %v", err)
	}
	book := s.relays["siem"]
	for i := range 10_000 {
		w := toWire(journal.Cursor{Journal: journal.ID{1}, At: 1, Delivered: book.latest.Delivered})
		if err := s.crews[0].follow(report{Relay: "siem", Cursor: &w}); err != nil {
			t.Fatal(err)
		}
		if err := s.crews[0].follow(again); (err == nil) != (i < allowance.Most) {
			t.Fatalf("restart %d: %v", i, err)
		} else if err != nil {
			break
		}
	}
	if got := len(said.ops()); got != allowance.Most {
		t.Errorf("%d on record, want %d", got, allowance.Most)
	}
}

// However often ship reports, the disk is asked once a second, and for the
// latest.
func TestCursorIsKeptOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, _ := bookkeeper(t, t.TempDir(), to(9))
		for seq := range auditbridge.Sequence(1000) {
			if err := s.crews[0].follow(at(seq)); err != nil {
				t.Fatal(err)
			}
		}
		if c := s.Cursors()["siem"]; c.At != 0 {
			t.Errorf("at %d within a second", c.At)
		}
		time.Sleep(keepEvery)
		if err := s.crews[0].follow(report{Relay: "siem", Stats: &Stats{}}); err != nil {
			t.Fatal(err)
		}
		if c := s.Cursors()["siem"]; c.At != 999 {
			t.Errorf("at %d after a second, want 999", c.At)
		}
	})
}

// A cursor file that cannot be written ends nothing: the old place stands, it
// is said once, and tried again.
func TestCursorThatCannotBeKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		s, said := bookkeeper(t, dir, to(9))
		if err := os.Rename(dir, dir+".away"); err != nil {
			t.Fatal(err)
		}
		s.relays["siem"].file.Close() // as after EIO
		for seq := range auditbridge.Sequence(10) {
			time.Sleep(keepEvery)
			if err := s.crews[0].follow(at(seq)); err != nil {
				t.Fatal(err)
			}
		}
		if c, b := s.Cursors()["siem"], s.Stats()["siem"]; c.At != 0 || b.Pending != 1000 || !strings.Contains(b.LastError, "its place is not kept") {
			t.Errorf("at %d; %+v", c.At, b)
		}
		if err := os.Rename(dir+".away", dir); err != nil {
			t.Fatal(err)
		}
		time.Sleep(keepEvery)
		if err := s.crews[0].follow(at(10)); err != nil {
			t.Fatal(err)
		}
		if c, b := s.Cursors()["siem"], s.Stats()["siem"]; c.At != 10 || b.Pending != 990 || b.Read != 1000 || strings.Contains(b.LastError, "kept") {
			t.Errorf("at %d; %+v", c.At, b)
		}
		if got := said.ops(); !slices.Equal(got, []string{"cursor-unkept", "cursor-kept"}) {
			t.Errorf("on record: %q", got)
		}
	})
}

// A report of any length costs nobody but itself.
func TestReportThatIsTooLong(t *testing.T) {
	s, said := bookkeeper(t, t.TempDir(), to(9))
	run, ship := socketPair(t)
	defer run.Close()
	go func() {
		out := lineWriter{w: ship}
		for range 100 {
			out.write(report{Relay: "siem", Link: &wireLink{Why: strings.Repeat("\x00", maxReport)}})
		}
		out.write(at(7))
		ship.Close()
	}()
	if err := s.crews[0].listen(goroutine{Conn: run}); err != nil {
		t.Fatal(err)
	}
	if c := s.relays["siem"].latest; c.At != 7 {
		t.Errorf("at %d, want 7", c.At)
	}
	if ops := said.ops(); len(ops) != allowance.Most || ops[0] != "ship-refused" {
		t.Errorf("on record: %q", ops)
	}
}

// What a peer says is short before it is a report.
func TestReportsAreShort(t *testing.T) {
	run, ship := socketPair(t)
	defer run.Close()
	go func() {
		r := reporter{"siem", &lineWriter{w: ship}}
		r.Link(LinkChange{Peer: "127.0.0.1:9", Why: &os.PathError{Op: "x", Path: strings.Repeat("\x00", 1<<20), Err: os.ErrInvalid}})
		ship.Close()
	}()
	var r report
	if err := newLineReader(run, maxReport).next(&r); err != nil || len(r.Link.Why) > 2000 {
		t.Errorf("%v, %d bytes", err, len(r.Link.Why))
	}
}

// Where a destination begins is settled when run starts, and once.
func TestWhereADestinationBegins(t *testing.T) {
	for start, want := range map[string]auditbridge.Sequence{StartNow: 1000, StartOldest: 0} {
		dir, c := t.TempDir(), to(9)
		c.Start = start
		s, _ := bookkeeper(t, dir, c)
		if got, known := s.Cursors()["siem"]; !known || got.At != want || got.Journal != (journal.ID{1}) {
			t.Errorf("%s: %+v", start, got)
		}
		if b := s.Stats()["siem"]; b.Pending != uint64(1000-want) || b.Read != b.Pending || b.Connected {
			t.Errorf("%s: before there is a ship the books are %+v", start, b)
		}
		s.Close()
		c.Start = StartOldest
		s, _ = bookkeeper(t, dir, c)
		if got := s.Cursors()["siem"]; got.At != want {
			t.Errorf("%s: at the second start %+v", start, got)
		}
	}
}

// What retention took away before it was sent is missed at once, whether or not
// the destination ever comes to where it was, and is not pending any more.
func TestWhatWasDroppedIsNotPending(t *testing.T) {
	oldest := auditbridge.Sequence(1)
	c := to(9)
	c.Start = StartOldest
	s, _ := bookkeeperFrom(t, func() auditbridge.Sequence { return oldest }, t.TempDir(), c)
	check := func(missed, pending uint64) {
		t.Helper()
		b := s.Stats()["siem"]
		if b.Missed != missed || b.Pending != pending || b.Read != b.Delivered+b.Excluded+b.Pending {
			t.Errorf("%+v, want %d missed and %d pending", b, missed, pending)
		}
	}
	check(0, 1000)
	oldest = 401
	check(400, 600)
	book := s.relays["siem"]
	book.believe(journal.Cursor{Journal: journal.ID{1}, At: 500, Open: []auditbridge.Sequence{450}, Delivered: 97, Waiting: 3, Read: 100, Missed: 400})
	s.keep("siem", book, true)
	check(400, 503)
	oldest = 501 // those that waited are gone, too
	check(403, 500)
	oldest = 601
	check(503, 400)
}

// A destination that begins late misses nothing of what was dropped before.
func TestWhatWasDroppedBeforeIsNotMissed(t *testing.T) {
	c := to(9)
	c.Start = StartOldest
	s, _ := bookkeeperFrom(t, func() auditbridge.Sequence { return 401 }, t.TempDir(), c)
	if b := s.Stats()["siem"]; b.Missed != 0 || b.Pending != 600 {
		t.Errorf("%+v", b)
	}
	book := s.relays["siem"]
	book.believe(journal.Cursor{Journal: journal.ID{1}, At: 700, Delivered: 300, Read: 300})
	if err := s.crews[0].follow(report{Relay: "siem", Restart: &wireRestart{"another line"}}); err != nil {
		t.Fatal(err)
	}
	s.keep("siem", book, true)
	if b := s.Stats()["siem"]; b.Missed != 0 || b.Pending != 600 {
		t.Errorf("after a restart: %+v", b)
	}
}

// A cursor of another journal says nothing of what is pending in this one.
func TestPendingAfterAnotherJournal(t *testing.T) {
	s, said := bookkeeper(t, t.TempDir(), to(9))
	book := s.relays["siem"]
	book.believe(journal.Cursor{Journal: journal.ID{9}, At: 5000, Delivered: 4990, Waiting: 10, Read: 5000})
	s.keep("siem", book, true)
	if b := s.Stats()["siem"]; b.Pending != 1000 || b.Delivered != 4990 || b.Read != b.Delivered+b.Excluded+b.Pending {
		t.Errorf("%+v", b)
	}
	if err := s.crews[0].follow(at(5)); err == nil || !strings.Contains(err.Error(), "a restart comes first") {
		t.Errorf("%v", err)
	}
	if err := s.crews[0].follow(report{Relay: "siem", Restart: &wireRestart{"another journal"}}); err != nil || !slices.Equal(said.ops(), []string{"cursor-reset"}) {
		t.Errorf("%v; on record %q", err, said.ops())
	}
}

// A ship that says nothing is not connected, and is replaced.
func TestShipThatSaysNothing(t *testing.T) {
	t.Parallel()
	s, said := bookkeeper(t, t.TempDir(), to(9))
	killed := make(chan struct{}, 10)
	start := func() (Process, error) {
		run, ship := socketPair(t)
		g := goroutine{Conn: run, done: make(chan error, 1)}
		g.kill = func() error { killed <- struct{}{}; g.done <- nil; return ship.Close() }
		out := lineWriter{w: ship}
		out.write(report{Relay: "siem", Link: &wireLink{Up: true}})
		out.write(report{Relay: "siem", Stats: &Stats{Connected: true, Delivered: 5, Pending: 3}})
		return g, nil
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(t.Context(), start) }()
	t.Cleanup(func() { <-done })
	peertest.Until(t, "connected", func() bool { return s.Running() && s.Stats()["siem"].Connected })
	if b := s.Stats()["siem"]; b.Delivered != 0 || b.Pending != 1000 {
		t.Errorf("ship's own counts are believed: %+v", b)
	}
	<-killed
	peertest.Until(t, "not connected", func() bool {
		b := s.Stats()["siem"]
		return !b.Connected && strings.Contains(b.LastError, "reported nothing")
	})
	<-killed // it was started again
	if got := said.ops(); len(got) < 3 || !slices.Equal(got[:3], []string{"link-up", "link-down", "link-up"}) {
		t.Errorf("on record: %q", got)
	}
}
