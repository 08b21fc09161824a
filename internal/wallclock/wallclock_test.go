package wallclock

import (
	"context"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// T-STM-STEP (FPT_STM_EXT.1): a discontinuous change of the clock is told with what
// it was and is; slewing is not.
func TestAStepIsToldFromSlewing(t *testing.T) {
	noon := time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name    string
		passed  time.Duration // on the clock that nobody sets
		shown   time.Duration // on the host's
		stepped bool
	}{
		{"nothing", time.Minute, time.Minute, false},
		{"an hour ahead", time.Second, time.Hour, true},
		{"a day back", time.Second, -24 * time.Hour, true},
		{"a second ahead at once", 0, time.Second, true},
		{"a tenth of a second back", time.Second, 900 * time.Millisecond, true},
		{"slewed for a day as fast as the kernel does", 24 * time.Hour, 24*time.Hour + 86*time.Second, false},
		{"slewed back likewise", 24 * time.Hour, 24*time.Hour - 86*time.Second, false},
		{"a night asleep, which both count", 8 * time.Hour, 8 * time.Hour, false},
		{"read late", time.Second, time.Second + 20*time.Millisecond, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			var f Follower
			if _, stepped := f.Read(Reading{noon, time.Hour}); stepped {
				t.Error("the first reading is a step")
			}
			s, stepped := f.Read(Reading{noon.Add(row.shown), time.Hour + row.passed})
			if stepped != row.stepped {
				t.Fatalf("step: %v", stepped)
			}
			if want := noon.Add(row.passed); stepped && !s.Old.Equal(want) {
				t.Errorf("it would have shown %v, want %v", s.Old, want)
			}
			if want := noon.Add(row.shown); stepped && !s.New.Equal(want) {
				t.Errorf("it shows %v, want %v", s.New, want)
			}
			if _, again := f.Read(Reading{noon.Add(row.shown + time.Second), time.Hour + row.passed + time.Second}); again {
				t.Error("one step is told twice")
			}
		})
	}
}

// Setting the clock wakes who watches it; by a nanosecond, it is no step.
func TestSettingTheClockIsNoticed(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	changed := make(chan struct{}, 100)
	ended := make(chan error, 1)
	go func() { ended <- Watch(ctx, func() { changed <- struct{}{} }) }()
	var f Follower
	look := func() (Step, bool) {
		r, err := Read()
		if err != nil {
			t.Fatal(err)
		}
		return f.Read(r)
	}
	look()
	for noticed := false; !noticed; {
		if err := setByNothing(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
			noticed = true
		case err := <-ended:
			t.Fatalf("nobody watches: %v", err)
		case <-time.After(10 * time.Millisecond): // it had not begun
		}
	}
	if s, stepped := look(); stepped {
		t.Errorf("a step from %v to %v", s.Old, s.New)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// setByNothing steps the clock by a nanosecond (adjtimex(2), ADJ_SETOFFSET): the
// kernel tells whoever waits for it, and nobody else can see it.
func setByNothing() error {
	_, err := unix.Adjtimex(&unix.Timex{Modes: unix.ADJ_SETOFFSET | unix.ADJ_NANO, Time: unix.Timeval{Usec: 1}})
	return err
}
