package forward

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/tunnel"
	"auditbridge/internal/allowance"
	"auditbridge/internal/peertest"
	"auditbridge/journal"
	"auditbridge/journal/ring"
	"auditbridge/seal"

	"golang.org/x/sys/unix"
)

// liveJournal is a journal on disk, fed by feed.
type liveJournal struct {
	t    testing.TB
	dir  string
	ring *ring.Ring
	*journal.Journal
	done chan error
}

func startJournal(t testing.TB) *liveJournal {
	t.Helper()
	base := t.TempDir()
	r, err := ring.Open(ring.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l := &liveJournal{t: t, dir: filepath.Join(base, "journal"), ring: r, done: make(chan error, 1)}
	l.Journal, err = journal.Open(journal.Config{Dir: l.dir, StateDir: filepath.Join(base, "state"), Source: "kernel", GroupID: -1}, r)
	if err != nil {
		t.Fatal(err)
	}
	go func() { l.done <- l.Run(context.Background()) }()
	return l
}

func (l *liveJournal) stateDir() string { return filepath.Join(filepath.Dir(l.dir), "state") }

// feed puts lines into the ring, as a source would.
func (l *liveJournal) feed(lines []string) {
	for _, text := range lines {
		peertest.Until(l.t, "room in the ring", func() bool { return cap(l.ring.Room()) > len(text)+1 })
		room := append(append(l.ring.Room()[:0], text...), '\n')
		l.ring.Publish(len(room), 1)
	}
}

// close ends the journal as a stop does: drained, sealed, durable.
func (l *liveJournal) close() {
	l.t.Helper()
	l.ring.Close()
	if err := <-l.done; err != nil {
		l.t.Error(err)
	}
}

// all reads every line of the journal.
func (l *liveJournal) all() (lines []string) {
	l.t.Helper()
	r, err := journal.OpenReader(l.dir, 0, journal.ReaderOptions{})
	if err != nil {
		l.t.Fatal(err)
	}
	defer r.Close()
	for {
		_, line, err := r.Next()
		if err == io.EOF {
			return lines
		}
		if err != nil {
			l.t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
}

func (l *liveJournal) mark() *journal.Mark {
	l.t.Helper()
	m, err := journal.OpenMark(l.dir)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { m.Close() })
	return m
}

// notes keeps what would go on record.
type notes struct {
	mu     sync.Mutex
	all    []auditbridge.Note
	refuse error // by record
}

func (n *notes) add(note auditbridge.Note) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.all = append(n.all, note)
}

func (n *notes) record(_ context.Context, note auditbridge.Note) error {
	n.add(note)
	return n.refuse
}

func (n *notes) ops() (ops []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, note := range n.all {
		ops = append(ops, note.Op)
	}
	return ops
}

// fields are the values of one field, where it is there.
func (n *notes) fields(key string) (values []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, note := range n.all {
		for _, f := range note.Fields {
			if f.Key == key {
				values = append(values, f.Value)
			}
		}
	}
	return values
}

// socketPair is the line between run and ship.
func socketPair(t testing.TB) (run, ship net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	ends := [2]net.Conn{}
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "pair")
		if ends[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return ends[0], ends[1]
}

// goroutine is a Process in this one; kill ends it without a word.
type goroutine struct {
	net.Conn
	kill func() error
	done chan error
}

func (g goroutine) Kill() error { return g.kill() }
func (g goroutine) Wait() error { return <-g.done }

// unconfined lets ship be: a goroutine cannot be confined alone.
func unconfined(Needs) error { return nil }

// inProcess starts Ship in a goroutine.
func inProcess(t testing.TB, kill *func()) Start {
	return func() (Process, error) {
		run, ship := socketPair(t)
		g := goroutine{Conn: run, done: make(chan error, 1), kill: ship.Close}
		go func() { g.done <- Ship(context.Background(), ship, unconfined, discard) }()
		if kill != nil {
			*kill = func() { ship.Close() }
		}
		return g, nil
	}
}

func shipperFor(t testing.TB, l *liveJournal, destinations []Config, tunnels ...tunnel.Config) (*Shipper, *notes) {
	t.Helper()
	mark, said := l.mark(), &notes{}
	s, err := NewShipper(ShipperConfig{JournalDir: l.dir, Journal: mark.Journal(), StateDir: l.stateDir(),
		Destinations: destinations, Tunnels: tunnels, Durable: mark.Durable, Oldest: func() auditbridge.Sequence { return 1 }, Note: said.add, Record: said.record, Log: discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, said
}

// The whole way: a real journal, ship as a process would run it, stock sshd,
// stock rsyslog. The far end's copy is the journal, and the books balance,
// exactly, also after a second start.
func TestJournalThroughShipToRsyslog(t *testing.T) {
	t.Parallel()
	far, sshd := peertest.StartRsyslog(t), peertest.StartSSHD(t)
	l := startJournal(t)
	c := to(far.Port)
	c.Via = "siem-tunnel"
	tun := tunnel.Config{Name: "siem-tunnel", ServerAddress: "127.0.0.1", ServerPort: sshd.Port, User: sshd.User, IdentityFile: sshd.Identity, KnownHosts: sshd.KnownHosts}
	s, said := shipperFor(t, l, []Config{c}, tun)
	serve := func(lines []string, finish func()) {
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, inProcess(t, nil)) }()
		before := s.Stats()["siem"].Delivered
		l.feed(lines)
		peertest.Until(t, "the records are delivered", func() bool { return s.Stats()["siem"].Delivered >= before+uint64(len(lines)) })
		finish()
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	serve(events(0, 3000), func() {})
	serve(events(3000, 6000), l.close)
	want := l.all()
	peertest.Until(t, "all of it is in the file", func() bool { return len(far.Received()) >= len(want) })
	if got := rawLines(far.Received()); !slices.Equal(got, want) {
		t.Errorf("rsyslog has %d lines, the journal %d, and they are not the same", len(got), len(want))
	}
	verifier := seal.NewVerifier(seal.Options{})
	for _, message := range far.Received() {
		verifier.Line([]byte(message))
	}
	if report := verifier.Finish(); report.Verdict != seal.OK || !report.Verified || report.Lines != int64(len(want)) {
		t.Errorf("the far end's copy does not verify: %+v", report)
	}
	stats, cursor := s.Stats()["siem"], s.Cursors()["siem"]
	if n := uint64(len(want)); stats.Delivered != n || stats.Pending != 0 || cursor.Delivered != n || uint64(cursor.At) != n {
		t.Errorf("the books: %+v, cursor %+v, journal %d", stats, cursor, n)
	}
	if got := said.ops(); !slices.Equal(got, []string{"link-up", "link-down", "link-up", "link-down"}) {
		t.Errorf("on record: %q", got)
	}
}

// A ship that dies is started again, and goes on where its cursor was.
func TestShipThatDiesIsStartedAgain(t *testing.T) {
	t.Parallel()
	far, l := startSink(t), startJournal(t)
	s, said := shipperFor(t, l, []Config{to(far.port())})
	var kill func()
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, inProcess(t, &kill)) }()
	l.feed(events(0, 100))
	peertest.Until(t, "delivered", func() bool { return s.Cursors()["siem"].Delivered >= 300 })
	kill()
	l.feed(events(100, 200))
	l.close()
	want := l.all()
	peertest.Until(t, "delivered by the next one", func() bool { return s.Cursors()["siem"].Delivered == uint64(len(want)) })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := onceEach(t, rawLines(far.received()), want); !slices.Equal(got, want) {
		t.Errorf("%d lines arrived, want %d", len(got), len(want))
	}
	if got := said.ops(); !slices.Contains(got, "link-down") {
		t.Errorf("on record: %q", got)
	}
}

// What ship may not say: each row is refused, on record, and changes nothing.
func TestReportsThatAreNotBelieved(t *testing.T) {
	l := startJournal(t)
	l.feed(events(0, 100))
	peertest.Until(t, "the records are durable", func() bool { return l.mark().Durable() > 300 })
	id := l.mark().Journal()
	good := journal.Cursor{Journal: id, At: 100, Open: []auditbridge.Sequence{90}, Delivered: 60, Excluded: 39}
	change := func(f func(*journal.Cursor)) *wireCursor {
		c := good
		c.At, c.Delivered, c.Open = 110, 70, nil
		f(&c)
		w := toWire(c)
		return &w
	}
	for _, row := range []struct {
		name, word string
		report     report
	}{
		{"unknown destination", "no destination", report{Relay: "other\x1b[2J", Cursor: change(func(*journal.Cursor) {})}},
		{"nothing said", "says nothing", report{Relay: "siem"}},
		{"another journal", "another journal", report{Relay: "siem", Cursor: change(func(c *journal.Cursor) { c.Journal[3]++ })}},
		{"beyond what is durable", "is durable", report{Relay: "siem", Cursor: change(func(c *journal.Cursor) { c.At = 1 << 40 })}},
		{"back", "goes back", report{Relay: "siem", Cursor: change(func(c *journal.Cursor) { c.At = 99 })}},
		{"back by an open event", "goes back", report{Relay: "siem", Cursor: change(func(c *journal.Cursor) { c.Open = []auditbridge.Sequence{89} })}},
		{"counts back", "counts go back", report{Relay: "siem", Cursor: change(func(c *journal.Cursor) { c.Delivered = 59 })}},
		{"counts of records that are not there", "at most", report{Relay: "siem", Cursor: change(func(c *journal.Cursor) { c.Excluded = 100 })}},
		{"counts that wrap", "at most", report{Relay: "siem", Cursor: change(func(c *journal.Cursor) { c.Excluded = 1<<64 - 1 })}},
		{"open events out of order", "open event", report{Relay: "siem", Cursor: change(func(c *journal.Cursor) { c.Open = []auditbridge.Sequence{95, 94} })}},
		{"open event behind the cursor", "open event", report{Relay: "siem", Cursor: change(func(c *journal.Cursor) { c.Open = []auditbridge.Sequence{111} })}},
		{"no hash", "hash", report{Relay: "siem", Cursor: &wireCursor{Journal: id.String(), At: 110}}},
		{"counts that wrap together", "at most", report{Relay: "siem", Cursor: change(func(c *journal.Cursor) { c.Delivered, c.Excluded = 1<<63+60, 1<<63+39 })}},
		{"records read that are not there", "at most", report{Relay: "siem", Cursor: change(func(c *journal.Cursor) { c.Read = 1 << 40 })}},
		{"events of a class that is none", "class", report{Relay: "siem", Stats: &Stats{Classes: map[string]uint64{"x\x1b": 1}}}},
		{"events in pieces for no reason there is", "in pieces", report{Relay: "siem", Stats: &Stats{Pieces: map[string]uint64{"x\x1b": 1}}}},
		{"a balance beyond the journal", "beyond the journal", report{Relay: "siem", Stats: &Stats{Pending: 1 << 60}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, said := shipperFor(t, l, []Config{to(9)})
			defer os.Remove(filepath.Join(l.stateDir(), cursorName("siem")))
			book := s.relays["siem"]
			book.believe(good)
			s.keep("siem", book, true)
			run, ship := socketPair(t)
			defer run.Close()
			out := lineWriter{w: ship}
			out.write(row.report)
			ship.Close()
			err := s.crews[0].listen(goroutine{Conn: run})
			if err == nil || !strings.Contains(err.Error(), row.word) || strings.Contains(err.Error(), "\x1b") {
				t.Errorf("%v, want a refusal with %q", err, row.word)
			}
			if got := said.ops(); !slices.Equal(got, []string{"ship-refused"}) {
				t.Errorf("on record: %q", got)
			}
			if c := s.Cursors()["siem"]; c.At != good.At || c.Delivered != good.Delivered {
				t.Errorf("the cursor moved to %+v", c)
			}
		})
	}
}

// And what it may.
func TestReportsThatAreFollowed(t *testing.T) {
	l := startJournal(t)
	l.feed(events(0, 100))
	peertest.Until(t, "the records are durable", func() bool { return l.mark().Durable() > 300 })
	s, said := shipperFor(t, l, []Config{to(9)})
	first := journal.Cursor{Journal: l.mark().Journal(), At: 100, Open: []auditbridge.Sequence{90}, Delivered: 60, Excluded: 39, Waiting: 1, Read: 100}
	later := journal.Cursor{Journal: first.Journal, At: 100, Delivered: 60, Excluded: 40, Read: 100}
	for _, c := range []journal.Cursor{first, first, later} {
		w := toWire(c)
		if err := s.crews[0].follow(report{Relay: "siem", Cursor: &w}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.crews[0].follow(report{Relay: "siem", Restart: &wireRestart{"another line"}}); err != nil {
		t.Fatal(err)
	}
	s.keep("siem", s.relays["siem"], true)
	if c := s.Cursors()["siem"]; c.At != 0 || c.Delivered != 60 || c.Excluded != 40 || c.Read != 100 {
		t.Errorf("after a restart the cursor is %+v", c)
	}
	for i := range 1000 {
		link := &wireLink{Up: i%2 == 0, Peer: "127.0.0.1:9", Why: "it flaps\n\x1b[31m" + strings.Repeat("x", 1000)}
		if err := s.crews[0].follow(report{Relay: "siem", Link: link}); err != nil {
			t.Fatal(err)
		}
	}
	if ops := said.ops(); ops[0] != "cursor-reset" || len(ops) != 1+allowance.Most {
		t.Errorf("%d on record, want the reset and %d changes of the link", len(ops), allowance.Most)
	}
	for _, f := range said.all[len(said.all)-1].Fields {
		if len(f.Value) > 400 || strings.ContainsAny(f.Value, "\n\x1b") {
			t.Errorf("on record: %q", f.Value)
		}
	}
}

// A link that another takes the place of is down, and nothing has failed.
func TestALinkThatIsReplacedHasNotFailed(t *testing.T) {
	s, said := bookkeeper(t, t.TempDir(), to(9))
	for _, l := range []wireLink{{Why: errRenewed.Error(), Meant: true}, {Why: errClosed.Error()}} {
		if err := s.crews[0].follow(report{Relay: "siem", Link: &l}); err != nil {
			t.Fatal(err)
		}
		last := said.all[len(said.all)-1]
		if last.Failed == l.Meant {
			t.Errorf("%+v: failed is %v", l, last.Failed)
		}
	}
}

func TestCursorFileNames(t *testing.T) {
	for name, want := range map[string]string{"siem": "relay-siem.cursor", "127.0.0.1:7777": "relay-127.0.0.1%3A7777.cursor", "../x": "relay-..%2Fx.cursor"} {
		if got := cursorName(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// A ship that does not answer to stop is cut off.
func TestShipThatDoesNotStop(t *testing.T) {
	t.Parallel()
	l := startJournal(t)
	c := to(9)
	c.Grace, c.Idle = 10*time.Millisecond, 10*time.Millisecond
	s, _ := shipperFor(t, l, []Config{c})
	ctx, stop := context.WithCancel(t.Context())
	heard := make(chan struct{})
	start := func() (Process, error) {
		run, ship := socketPair(t)
		go func() {
			ship.Read(make([]byte, 1))
			close(heard)
			io.Copy(io.Discard, ship)
		}()
		g := goroutine{Conn: run, done: make(chan error, 1)} // the closed line does not end it
		g.kill = func() error { g.done <- errors.New("killed"); return nil }
		return g, nil
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, start) }()
	<-heard
	stop()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(peertest.Patience):
		t.Error("run waits for ever")
	}
}

func TestShipperConfigNamesWhatIsMissing(t *testing.T) {
	err := ShipperConfig{Destinations: []Config{to(9), to(9), {Name: "b", Via: "nowhere"}}, Tunnels: []tunnel.Config{{Name: "a"}, {Name: "a"}}}.Validate()
	for _, want := range []string{`"siem": name: there are two`, `"a": name: there are two`, `no port-forwarding "nowhere"`, `user: missing`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no word of %q in %v", want, err)
		}
	}
}
