package retention

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var now = time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)

// three closed segments of 100 records and 10 bytes, closed 3, 2 and 1 hours
// ago, and the open one.
func three() []journal.Segment {
	return []journal.Segment{
		{First: 1, Last: 100, Bytes: 10, Closed: now.Add(-3 * time.Hour)},
		{First: 101, Last: 200, Bytes: 10, Closed: now.Add(-2 * time.Hour)},
		{First: 201, Last: 300, Bytes: 10, Closed: now.Add(-1 * time.Hour)},
		{First: 301, Last: 350, Bytes: 5},
	}
}

func TestWhatIsDropped(t *testing.T) {
	hours := func(h float64) time.Duration { return time.Duration(h * float64(time.Hour)) }
	for _, row := range []struct {
		name    string
		cfg     Config
		cursors []Cursor
		doomed  auditbridge.Sequence
		want    []Drop
	}{
		{"young and small: nothing", Config{Age: hours(4), MaxSize: 35}, nil, 0, nil},
		{"exactly as old as retention stays", Config{Age: hours(3), MaxSize: 35}, nil, 0, nil},
		{"older than retention", Config{Age: hours(1.5), MaxSize: 1000}, nil, 0,
			[]Drop{{Reason: ByAge, Segments: 2, First: 1, Last: 200, Bytes: 20}}},
		{"beyond max-size, oldest first", Config{Age: hours(9), MaxSize: 34}, nil, 0,
			[]Drop{{Reason: BySize, Segments: 1, First: 1, Last: 100, Bytes: 10}}},
		{"first by age, then by size", Config{Age: hours(2.5), MaxSize: 20}, nil, 0,
			[]Drop{{Reason: ByAge, Segments: 1, First: 1, Last: 100, Bytes: 10}, {Reason: BySize, Segments: 1, First: 101, Last: 200, Bytes: 10}}},
		{"never the open one", Config{Age: time.Nanosecond, MaxSize: 1}, nil, 0,
			[]Drop{{Reason: ByAge, Segments: 3, First: 1, Last: 300, Bytes: 30}}},
		{"drop-oldest says what each relay loses", Config{Age: hours(1.5), MaxSize: 1000},
			[]Cursor{{"siem", 150}, {"backup", 0}, {"fast", 200}}, 0,
			[]Drop{{Reason: ByAge, Segments: 2, First: 1, Last: 200, Bytes: 20, Undelivered: []Undelivered{{"siem", 50}, {"backup", 200}}}}},
		{"keep: the undelivered outlive retention", Config{Age: hours(0.5), MaxSize: 1, Keep: true}, []Cursor{{"siem", 150}}, 0,
			[]Drop{{Reason: ByAge, Segments: 1, First: 1, Last: 100, Bytes: 10}}},
		{"keep without relays keeps nothing", Config{Age: hours(1.5), MaxSize: 1000, Keep: true}, nil, 0,
			[]Drop{{Reason: ByAge, Segments: 2, First: 1, Last: 200, Bytes: 20}}},
		{"more closed segments than max-files", Config{Age: hours(9), MaxSize: 1000, MaxFiles: 2}, nil, 0,
			[]Drop{{Reason: ByFiles, Segments: 1, First: 1, Last: 100, Bytes: 10}}},
		{"min-retention is stronger than max-size and max-files", Config{Age: hours(9), Least: hours(2.5), MaxSize: 1, MaxFiles: 1}, nil, 0,
			[]Drop{{Reason: BySize, Segments: 1, First: 1, Last: 100, Bytes: 10}}},
		{"keep is stronger than min-retention", Config{Age: hours(9), Least: hours(2.5), MaxSize: 1, Keep: true}, []Cursor{{"siem", 99}}, 0, nil},
		{"a legal hold is stronger than all", Config{Age: hours(0.5), MaxSize: 1, MaxFiles: 1, Hold: true}, nil, 100, nil},
		{"what was to go when the last process died goes", Config{Age: hours(9), MaxSize: 1000, Keep: true}, []Cursor{{"siem", 20}}, 200,
			[]Drop{{Reason: Unfinished, Segments: 2, First: 1, Last: 200, Bytes: 20, Undelivered: []Undelivered{{"siem", 180}}}}},
		{"never the open one, whatever was to go", Config{Age: hours(9), MaxSize: 1000}, nil, 1000,
			[]Drop{{Reason: Unfinished, Segments: 3, First: 1, Last: 300, Bytes: 30}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, Decide(now, Kept{three(), row.doomed, row.cursors}, row.cfg)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// Whatever the journal looks like: what stays is one stretch with the open
// segment at its end, nothing goes without a reason, and with keep nothing
// undelivered goes.
// When room is asked for the oldest closed segment goes, whatever its age, unless
// something holds it.
func TestTheOldestGoesForRoom(t *testing.T) {
	young := Config{Age: 9 * time.Hour, MaxSize: 1000}
	with := func(change func(*Config)) Config {
		cfg := young
		change(&cfg)
		return cfg
	}
	for _, row := range []struct {
		name     string
		cfg      Config
		segments []journal.Segment
		at       auditbridge.Sequence // how far siem is
		want     *Drop
	}{
		{"the oldest", young, three(), 100, &Drop{Reason: ByRoom, Segments: 1, First: 1, Last: 100, Bytes: 10}},
		{"what it costs a relay is said", young, three(), 40, &Drop{Reason: ByRoom, Segments: 1, First: 1, Last: 100, Bytes: 10, Undelivered: []Undelivered{{"siem", 60}}}},
		{"never the open one", young, three()[3:], 100, nil},
		{"a legal hold", with(func(c *Config) { c.Hold = true }), three(), 100, nil},
		{"the undelivered, when they are kept", with(func(c *Config) { c.Keep = true }), three(), 99, nil},
		{"what is younger than min-retention", with(func(c *Config) { c.Least = 4 * time.Hour }), three(), 100, nil},
	} {
		got := Oldest(now, Kept{Segments: row.segments, Cursors: []Cursor{{"siem", row.at}}}, row.cfg)
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", row.name, diff)
		}
	}
}

func TestDecideHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var segments []journal.Segment
		next := auditbridge.Sequence(1)
		for range rapid.IntRange(0, 8).Draw(t, "closed") {
			n := auditbridge.Sequence(rapid.IntRange(1, 50).Draw(t, "records"))
			age := time.Duration(rapid.IntRange(-10, 100).Draw(t, "age")) * time.Hour
			segments = append(segments, journal.Segment{First: next, Last: next + n - 1, Bytes: int64(n), Closed: now.Add(-age)})
			next += n
		}
		segments = append(segments, journal.Segment{First: next, Last: next})
		cfg := Config{
			Age: 50 * time.Hour, MaxSize: rapid.Int64Range(1, 200).Draw(t, "max-size"), Keep: rapid.Bool().Draw(t, "keep"),
			MaxFiles: rapid.IntRange(0, 4).Draw(t, "max-files"),
			Least:    time.Duration(rapid.IntRange(0, 50).Draw(t, "min-retention")) * time.Hour,
		}
		cursors := []Cursor{{"siem", auditbridge.Sequence(rapid.IntRange(0, int(next)).Draw(t, "cursor"))}}

		at := 0
		for _, d := range Decide(now, Kept{segments, 0, cursors}, cfg) {
			gone := segments[at : at+d.Segments]
			at += d.Segments
			if at >= len(segments) {
				t.Fatal("the open segment is dropped")
			}
			if gone[0].First != d.First || gone[len(gone)-1].Last != d.Last {
				t.Fatalf("%+v does not name its segments %+v", d, gone)
			}
			if cfg.Keep && d.Last > cursors[0].At {
				t.Fatalf("%+v drops what is not delivered beyond %d", d, cursors[0].At)
			}
		}
		if at > 0 && len(Decide(now, Kept{segments[at:], 0, cursors}, cfg)) > 0 {
			t.Fatal("a second look drops more than the first")
		}
	})
}

// dropper is a journal that notes what it is told to drop.
type dropper struct {
	mu       sync.Mutex
	segments []journal.Segment
	said     []string
	noted    []auditbridge.Note
	fail     error
}

func (d *dropper) ID() journal.ID { return journal.ID{1} }

func (d *dropper) Note(n auditbridge.Note) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noted = append(d.noted, n)
}

func (d *dropper) Segments() []journal.Segment {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.segments)
}

// closes has it hold these segments from now on.
func (d *dropper) closes(segments ...journal.Segment) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.segments = segments
}

func (d *dropper) breaks(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = err
}

func (d *dropper) Drop(_ context.Context, n int, why string, more ...auditbridge.Field) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	d.said = append(d.said, fmt.Sprintf("%d %s %v", n, why, more))
	d.segments = d.segments[n:]
	return nil
}

func TestTheRecordSaysWhatWent(t *testing.T) {
	j := &dropper{segments: three()}
	k := newKeeper(t, t.TempDir(), Config{Age: 90 * time.Minute, MaxSize: 1000}, j, Cursor{"siem", 150})
	k.clocks = at(Reading{Wall: now, BootID: "a"})
	if err := k.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := "2 retention [{relay0 siem} {undelivered0 50}]"; !slices.Equal(j.said, []string{want}) {
		t.Errorf("got %q, want %q", j.said, want)
	}
}

func TestKeeperTriesAgain(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		j := &dropper{fail: errors.New("read-only file system"), segments: []journal.Segment{
			{First: 1, Last: 10, Bytes: 10, Closed: start.Add(-2 * time.Hour)}, {First: 11, Last: 11}}}
		k := newKeeper(t, dir, Config{Age: time.Hour, MaxSize: 1000}, j)
		k.clocks = func() (Reading, error) {
			return Reading{Wall: time.Now().Round(0), BootID: "a", Boot: time.Since(start)}, nil
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		synctest.Wait()
		if len(j.Segments()) != 2 {
			t.Error("dropped although the journal could not put it on record")
		}
		j.breaks(nil)
		time.Sleep(interval)
		synctest.Wait()
		if len(j.Segments()) != 1 {
			t.Error("not dropped once it could be")
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// A journal that grows fast is held to its bounds as its segments close, and not
// when the next look is due.
func TestAClosedSegmentIsLookedAtAtOnce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		j := &dropper{}
		k := newKeeper(t, dir, Config{Age: time.Hour, MaxSize: 15}, j)
		k.clocks = at(Reading{Wall: time.Now().Round(0), BootID: "a"})
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- k.Run(ctx) }()
		synctest.Wait()
		j.closes(journal.Segment{First: 1, Last: 10, Bytes: 10, Closed: time.Now()}, journal.Segment{First: 11, Last: 20, Bytes: 10, Closed: time.Now()}, journal.Segment{First: 21, Last: 21})
		k.Wake()
		k.Wake()
		synctest.Wait()
		if left := j.Segments(); len(left) != 2 || left[0].First != 11 {
			t.Errorf("left are %+v", left)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestConfigSaysAllThatIsWrong(t *testing.T) {
	err := (&Config{}).Validate()
	if err == nil || !strings.Contains(err.Error(), "retention") || !strings.Contains(err.Error(), "max-size") {
		t.Error("got", err)
	}
}

// A drop that a crash cut short, wherever, is finished by the next Keeper, on
// record first.
func TestAnInterruptedDropIsFinished(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Age: 90 * time.Minute, MaxSize: 1000}
	j := &dropper{segments: three(), fail: errors.New("killed")}
	k := newKeeper(t, dir, cfg, j)
	k.clocks = at(Reading{Wall: now, BootID: "a"})
	if err := k.Look(t.Context()); err == nil {
		t.Fatal("the drop was not interrupted")
	}
	j.breaks(nil)
	cfg.Age = 1000 * time.Hour // not due any more: it was decided all the same
	again := newKeeper(t, dir, cfg, j)
	again.clocks = k.clocks
	for range 2 {
		if err := again.Look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if want := "2 unfinished []"; !slices.Equal(j.said, []string{want}) {
		t.Errorf("got %q, want %q", j.said, want)
	}
}

// What was decided of one journal is nothing to another in its place.
func TestAnotherJournalIsNotDoomed(t *testing.T) {
	dir := t.TempDir()
	k := newKeeper(t, dir, Config{Age: time.Hour, MaxSize: 1000}, &dropper{})
	k.state.Doomed = 200
	if err := k.store(); err != nil {
		t.Fatal(err)
	}
	_, s, err := openState(dir, journal.ID{2})
	if err != nil || s.Doomed != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

// After a reboot with a jump nothing is dropped for its age until root confirms
// the time, and both are on record.
func TestNothingIsDroppedByADoubtfulClock(t *testing.T) {
	dir := t.TempDir()
	cfg := Config{Age: 4 * time.Hour, MaxSize: 1000}
	j := &dropper{segments: three()}
	k := newKeeper(t, dir, cfg, j)
	k.clocks = at(Reading{Wall: now, BootID: "a", Boot: time.Hour})
	if err := k.Look(t.Context()); err != nil || k.Held() {
		t.Fatal(err, k.Held())
	}
	k = newKeeper(t, dir, cfg, j)
	k.clocks = at(Reading{Wall: now.Add(30 * time.Hour), BootID: "b"})
	for range 3 {
		if err := k.Look(t.Context()); err != nil || !k.Held() {
			t.Fatal(err, k.Held())
		}
	}
	if len(j.said) > 0 {
		t.Fatalf("dropped: %q", j.said)
	}
	root := auditbridge.Actor{AUID: 1000, Session: 7, PID: 42}
	if err := k.ConfirmClock(root); err != nil {
		t.Fatal(err)
	}
	if err := k.ConfirmClock(root); err == nil {
		t.Error("confirmed twice")
	}
	if err := k.Look(t.Context()); err != nil || k.Held() {
		t.Fatal(err, k.Held())
	}
	if want := "3 retention []"; !slices.Equal(j.said, []string{want}) {
		t.Errorf("got %q, want %q", j.said, want)
	}
	fields := []auditbridge.Field{{Key: "seen", Value: "2026-03-06T12:00:00Z"}, {Key: "wall", Value: "2026-03-07T18:00:00Z"}}
	held, believed := auditbridge.OwnFailure("clock-held", fields...), auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "clock-believed", fields...)
	believed.Actor = root
	if diff := cmp.Diff([]auditbridge.Note{held, believed}, j.noted); diff != "" {
		t.Errorf("on record: -want +got\n%s", diff)
	}
}

// retention = "1d" keeps all events of a day, and none for more than 25 hours:
// a segment closes at 1/24 of retention.
func TestADayIsAtMost25Hours(t *testing.T) {
	cfg := Config{Age: 24 * time.Hour, MaxSize: 1 << 40}
	var segments []journal.Segment
	for hour := range 60 {
		closed := now.Add(time.Duration(hour) * time.Hour)
		segments = append(segments, journal.Segment{First: auditbridge.Sequence(hour + 1), Last: auditbridge.Sequence(hour + 1), Created: closed.Add(-time.Hour), Closed: closed},
			journal.Segment{First: auditbridge.Sequence(hour + 2), Created: closed})
		for minute := range 60 {
			at := closed.Add(time.Duration(minute) * time.Minute)
			gone := 0
			for _, d := range Decide(at, Kept{Segments: segments}, cfg) {
				gone += d.Segments
			}
			for _, s := range segments[:gone] {
				if at.Sub(s.Closed) < 24*time.Hour {
					t.Fatalf("gone after %v", at.Sub(s.Closed))
				}
			}
			segments = segments[gone:]
			if at.Sub(segments[0].Created) > 25*time.Hour {
				t.Fatalf("a record is kept for %v", at.Sub(segments[0].Created))
			}
		}
		segments = segments[:len(segments)-1]
	}
}

func newKeeper(t *testing.T, dir string, cfg Config, j Journal, cursors ...Cursor) *Keeper {
	t.Helper()
	k, err := NewKeeper(cfg, dir, j, func() []Cursor { return cursors }, quiet())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func at(r Reading) func() (Reading, error) { return func() (Reading, error) { return r, nil } }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
