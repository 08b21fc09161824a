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
		want    []Drop
	}{
		{"young and small: nothing", Config{Age: hours(4), MaxSize: 35}, nil, nil},
		{"exactly as old as retention stays", Config{Age: hours(3), MaxSize: 35}, nil, nil},
		{"older than retention", Config{Age: hours(1.5), MaxSize: 1000}, nil,
			[]Drop{{Reason: ByAge, Segments: 2, First: 1, Last: 200, Bytes: 20}}},
		{"beyond max-size, oldest first", Config{Age: hours(9), MaxSize: 34}, nil,
			[]Drop{{Reason: BySize, Segments: 1, First: 1, Last: 100, Bytes: 10}}},
		{"first by age, then by size", Config{Age: hours(2.5), MaxSize: 20}, nil,
			[]Drop{{Reason: ByAge, Segments: 1, First: 1, Last: 100, Bytes: 10}, {Reason: BySize, Segments: 1, First: 101, Last: 200, Bytes: 10}}},
		{"never the open one", Config{Age: time.Nanosecond, MaxSize: 1}, nil,
			[]Drop{{Reason: ByAge, Segments: 3, First: 1, Last: 300, Bytes: 30}}},
		{"drop-oldest says what each relay loses", Config{Age: hours(1.5), MaxSize: 1000},
			[]Cursor{{"siem", 150}, {"backup", 0}, {"fast", 200}},
			[]Drop{{Reason: ByAge, Segments: 2, First: 1, Last: 200, Bytes: 20, Undelivered: []Undelivered{{"siem", 50}, {"backup", 200}}}}},
		{"keep: the undelivered outlive retention", Config{Age: hours(0.5), MaxSize: 1, Keep: true}, []Cursor{{"siem", 150}},
			[]Drop{{Reason: ByAge, Segments: 1, First: 1, Last: 100, Bytes: 10}}},
		{"keep without relays keeps nothing", Config{Age: hours(1.5), MaxSize: 1000, Keep: true}, nil,
			[]Drop{{Reason: ByAge, Segments: 2, First: 1, Last: 200, Bytes: 20}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, Decide(now, three(), row.cursors, row.cfg)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// Whatever the journal looks like: what stays is one stretch with the open
// segment at its end, nothing goes without a reason, and with keep nothing
// undelivered goes.
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
		cfg := Config{Age: 50 * time.Hour, MaxSize: rapid.Int64Range(1, 200).Draw(t, "max-size"), Keep: rapid.Bool().Draw(t, "keep")}
		cursors := []Cursor{{"siem", auditbridge.Sequence(rapid.IntRange(0, int(next)).Draw(t, "cursor"))}}

		at := 0
		for _, d := range Decide(now, segments, cursors, cfg) {
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
		if at > 0 && len(Decide(now, segments[at:], cursors, cfg)) > 0 {
			t.Fatal("a second look drops more than the first")
		}
	})
}

// dropper is a journal that notes what it is told to drop.
type dropper struct {
	mu       sync.Mutex
	segments []journal.Segment
	said     []string
	fail     error
}

func (d *dropper) Segments() []journal.Segment {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.segments)
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
	k, err := NewKeeper(Config{Age: 90 * time.Minute, MaxSize: 1000}, j, func() []Cursor { return []Cursor{{"siem", 150}} }, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Look(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	if want := "2 retention [{relay0 siem} {undelivered0 50}]"; !slices.Equal(j.said, []string{want}) {
		t.Errorf("got %q, want %q", j.said, want)
	}
}

func TestKeeperTriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		j := &dropper{fail: errors.New("read-only file system"), segments: []journal.Segment{
			{First: 1, Last: 10, Bytes: 10, Closed: start.Add(-2 * time.Hour)}, {First: 11, Last: 11}}}
		k, err := NewKeeper(Config{Age: time.Hour, MaxSize: 1000}, j, func() []Cursor { return nil }, quiet())
		if err != nil {
			t.Fatal(err)
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

func TestConfigSaysAllThatIsWrong(t *testing.T) {
	err := (&Config{}).Validate()
	if err == nil || !strings.Contains(err.Error(), "retention") || !strings.Contains(err.Error(), "max-size") {
		t.Error("got", err)
	}
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
