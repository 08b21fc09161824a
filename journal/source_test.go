package journal

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"auditbridge/auditbridge"
)

// A block line says where the source stood. Each place it names holds: what is
// stored behind it are the records that came behind it, also what is still in the
// ring when another process takes over, and after a power failure took the ring.
func TestTrail(t *testing.T) {
	cfg, r := testConfig(t), newRing(t)
	cfg.Source, cfg.SegmentSize = "file:/var/log/my audit.log", 300<<10
	const step = 100
	fed := 0
	feedMore := func(n int) {
		for end := fed + n; fed < end; fed += step {
			r.At(fmt.Sprint("n", fed+step))
			feed(t, r, fed+1, step)
		}
	}
	run := func(j *Journal) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- j.Run(ctx) }()
		return func() {
			t.Helper()
			for limit := time.Now().Add(2 * time.Minute); r.Stats().Bytes > 0; time.Sleep(time.Millisecond) {
				if time.Now().After(limit) {
					t.Fatal("the ring stays full")
				}
			}
			cancel()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
	}
	check := func(j *Journal, exact bool) {
		t.Helper()
		trail, err := j.Trail()
		if err != nil {
			t.Fatal(err)
		}
		if len(trail.Lines) != fed {
			t.Errorf("%d records stored or in the ring, %d in the trail", fed, len(trail.Lines))
		}
		if len(trail.Places) == 0 {
			t.Fatal("no place")
		}
		for _, p := range trail.Places {
			var n int
			if _, err := fmt.Sscanf(p.At, "n%d", &n); err != nil || n != p.Line {
				t.Errorf("place %q is said to be behind %d records", p.At, p.Line)
			}
		}
		if last := trail.Places[len(trail.Places)-1]; exact && last.Line != fed {
			t.Errorf("after an orderly end the last place is %+v, with %d records stored", last, fed)
		}
		for n := 1; n <= fed; n += 777 {
			line := record(n)
			if trail.Lines[n-1] != auditbridge.SumLine(line[:len(line)-1]) {
				t.Errorf("line %d of the trail is another", n)
			}
		}
	}

	j := mustOpen(t, cfg, r)
	if trail, err := j.Trail(); err != nil || len(trail.Lines)+len(trail.Places) > 0 {
		t.Errorf("a journal that begins has the trail %+v, %v", trail, err)
	}
	stop := run(j)
	feedMore(5000)
	stop()
	j.Close()
	j = mustOpen(t, cfg, r)
	check(j, true)
	feedMore(300) // and killed before any of it is stored
	j.Close()
	j = mustOpen(t, cfg, r)
	check(j, false)
	stop = run(j)
	feedMore(200)
	stop()
	j.Close()
	r = newRing(t) // as after a power failure
	j = mustOpen(t, cfg, r)
	defer j.Close()
	check(j, true)
	checkJournal(t, cfg)

	cfg.Source = "file:/var/log/my audit.lo" // of another file nothing is known
	other := &Journal{cfg: cfg, ring: r, at: j.at}
	if trail, err := other.Trail(); err != nil || len(trail.Places) > 0 {
		t.Errorf("another file has the places %+v, %v", slices.Clip(trail.Places), err)
	}
}

// The last serial is that of the newest record there is, on disk or in the ring,
// if this boot's kernel gave it: our own lines have none.
func TestLastSerial(t *testing.T) {
	cfg, r := testConfig(t), newRing(t)
	j := mustOpen(t, cfg, r)
	want := func(j *Journal, serial uint32, known bool) {
		t.Helper()
		if got, ok, err := j.LastSerial(); got != serial || ok != known || err != nil {
			t.Errorf("last serial %d, %v, %v; want %d, %v", got, ok, err, serial, known)
		}
	}
	want(j, 0, false)
	feed(t, r, 1, 50)
	want(j, 50, true) // in the ring
	r.Close()
	if err := j.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	j = mustOpen(t, cfg, newRing(t))
	want(j, 50, true)
	j.boot = "another"
	want(j, 0, false)
	j.Close()

	cfg.Source, r = "file:/var/log/audit/audit.log", newRing(t)
	j = mustOpen(t, cfg, r)
	feed(t, r, 51, 90) // of who knows which kernel
	r.Close()
	if err := j.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	j.Close()
	cfg.Source = "kernel"
	j = mustOpen(t, cfg, newRing(t))
	defer j.Close()
	want(j, 50, true)
}
