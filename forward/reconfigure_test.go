package forward

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/forward/tunnel"
	"auditbridge/internal/peertest"
)

// named is a destination.
func named(name string, port int) Config {
	c := to(port)
	c.Name = name
	return c
}

// Other destinations are taken over while sending runs: one that stays the same
// is not touched, one that changed goes on where it was, a new one begins, and
// one that is gone leaves nothing behind.
func TestReconfigureTouchesOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	same, first, second, added := startSink(t), startSink(t), startSink(t), startSink(t)
	l := startJournal(t)
	s, said := shipperFor(t, l, []Config{named("same", same.port()), named("moved", first.port()), named("gone", startSink(t).port())})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, inProcess(t, nil)) }()
	l.feed(events(0, 100))
	peertest.Until(t, "the first records are delivered", func() bool {
		all := s.Stats()
		return all["same"].Delivered >= 300 && all["moved"].Delivered >= 300 && all["gone"].Delivered >= 300
	})
	since := s.Stats()["same"].Since

	next := []Config{named("same", same.port()), named("moved", second.port()), named("added", added.port())}
	if err := s.Reconfigure(t.Context(), next, nil); err != nil {
		t.Fatal(err)
	}
	peertest.Until(t, "the one that changed has gone over", func() bool { return second.connections() > 0 })
	l.feed(events(100, 200))
	l.close()
	want := l.all()
	peertest.Until(t, "all is delivered everywhere", func() bool {
		for _, name := range []string{"same", "moved", "added"} {
			if s.Stats()[name].Delivered != uint64(len(want)) {
				return false
			}
		}
		return s.Running()
	})
	if got := s.Stats()["same"]; !got.Connected || !got.Since.Equal(since) {
		t.Errorf("the destination that stays the same was touched: connected %v since %v, was since %v", got.Connected, got.Since, since)
	}
	untilForgotten(t, l, "gone")
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	moved := rawLines(append(first.received(), second.received()...))
	for name, got := range map[string][]string{"same": rawLines(same.received()), "moved": onceEach(t, moved, want), "added": rawLines(added.received())} {
		if !slices.Equal(got, want) {
			t.Errorf("%s has %d lines, the journal %d, and they are not the same", name, len(got), len(want))
		}
	}
	if len(second.received()) == 0 || len(first.received()) == 0 {
		t.Error("the destination that changed did not go on at its new place")
	}
	ops := said.ops()
	if n := len(slices.DeleteFunc(slices.Clone(ops), func(op string) bool { return op != "cursor-removed" })); n != 1 {
		t.Errorf("on record: %q", ops)
	}
}

// A configuration that does not hold together changes nothing.
func TestABadReconfigurationChangesNothing(t *testing.T) {
	l := startJournal(t)
	s, _ := shipperFor(t, l, []Config{named("a", 9)})
	before := s.cfg.Destinations
	if err := s.Reconfigure(t.Context(), []Config{named("a", 9), named("a", 10)}, nil); err == nil {
		t.Error("two destinations of one name were taken over")
	}
	if err := s.Reconfigure(t.Context(), []Config{named("b", 9)}, nil); err == nil {
		t.Error("taken over although nothing runs")
	}
	if len(s.crews) != 1 || !slices.EqualFunc(s.cfg.Destinations, before, func(a, b Config) bool { return a.Name == b.Name }) {
		t.Errorf("%d crews, destinations %v", len(s.crews), s.cfg.Destinations)
	}
	l.close()
}

// A ship that does not let go of a destination is cut off; whoever else it
// serves goes on with the next one.
func TestAShipThatDoesNotLetGoIsCutOff(t *testing.T) {
	t.Parallel()
	far, l := startSink(t), startJournal(t)
	stays, leaves := named("stays", far.port()), named("leaves", far.port())
	stays.Grace, leaves.Grace = 1, 1
	s, _ := shipperFor(t, l, []Config{stays, leaves})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	deaf := true // the first ship hears no order
	go func() {
		done <- s.Run(ctx, func() (Process, error) {
			p, err := inProcess(t, nil)()
			if err == nil && deaf {
				deaf = false
				p = &hardOfHearing{Process: p}
			}
			return p, err
		})
	}()
	l.feed(events(0, 10))
	peertest.Until(t, "delivered", func() bool { return s.Stats()["leaves"].Delivered >= 30 && s.Stats()["stays"].Delivered >= 30 })
	if err := s.Reconfigure(t.Context(), []Config{stays}, []tunnel.Config{}); err != nil {
		t.Fatal(err)
	}
	l.feed(events(10, 20))
	l.close()
	want := l.all()
	peertest.Until(t, "what stays goes on", func() bool { return s.Stats()["stays"].Delivered == uint64(len(want)) })
	if _, known := s.Stats()["leaves"]; known {
		t.Error("what left is still known")
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A destination whose ship is cut off is the next one's when that process has ended, and
// not before: it may still send, and what it reported is still being kept.
func TestWhoIsCutOffHasEndedBeforeTheNext(t *testing.T) {
	t.Parallel()
	far, l := startSink(t), startJournal(t)
	stays, changes := named("stays", far.port()), named("changes", far.port())
	for _, c := range []*Config{&stays, &changes} {
		c.Grace, c.Settle = 1, 100*time.Millisecond
	}
	s, _ := shipperFor(t, l, []Config{stays, changes})
	ctx, stop := context.WithCancel(t.Context())
	done, starts := make(chan error, 1), 0
	var mu sync.Mutex
	first := &outlasting{killed: make(chan struct{})}
	go func() {
		done <- s.Run(ctx, func() (Process, error) {
			mu.Lock()
			defer mu.Unlock()
			p, err := inProcess(t, nil)()
			if starts++; err == nil && starts == 1 {
				first.Process = &hardOfHearing{Process: p}
				p = first
			} else if !first.ended.Load() {
				t.Errorf("ship %d is started while the first one lives", starts)
			}
			return p, err
		})
	}()
	l.feed(events(0, 10))
	peertest.Until(t, "delivered", func() bool { return s.Stats()["changes"].Delivered >= 30 && s.Stats()["stays"].Delivered >= 30 })
	changes.Facility = "local1"
	if err := s.Reconfigure(t.Context(), []Config{stays, changes}, []tunnel.Config{}); err != nil {
		t.Fatal(err)
	}
	l.feed(events(10, 20))
	l.close()
	want := uint64(len(l.all()))
	peertest.Until(t, "both go on", func() bool { return s.Stats()["stays"].Delivered == want && s.Stats()["changes"].Delivered == want })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// outlasting is a ship that does not end for losing its line, only when it is killed.
type outlasting struct {
	Process
	killed chan struct{}
	ended  atomic.Bool
}

func (o *outlasting) Kill() error {
	close(o.killed)
	return o.Process.Kill()
}

func (o *outlasting) Wait() error {
	<-o.killed
	err := o.Process.Wait()
	o.ended.Store(true)
	return err
}

// untilForgotten waits until nothing is left of a removed destination.
func untilForgotten(t *testing.T, l *liveJournal, name string) {
	t.Helper()
	peertest.Until(t, name+" is forgotten", func() bool {
		_, err := os.Stat(CursorFile(l.stateDir(), name))
		return errors.Is(err, os.ErrNotExist)
	})
}

// Far ends that do not close when we take our leave hold up nobody: what is added goes to
// work, and what changed as soon as its own predecessor has let go; a removed one that
// comes back waits for itself, and begins anew.
func TestATakingOfLeaveHoldsUpNobody(t *testing.T) {
	t.Parallel()
	far, next := startSink(t), startSink(t)
	closes := make(chan struct{})
	rude := peertest.PortOf(peertest.Listen(t, func(c net.Conn) {
		defer c.Close()
		io.Copy(io.Discard, c)
		<-closes
	}))
	l := startJournal(t)
	never := func(c Config) Config { c.Grace = time.Hour; return c }
	gone, stuck, moved := never(named("gone", rude)), never(named("stuck", rude)), named("moved", far.port())
	s, said := shipperFor(t, l, []Config{gone, stuck, moved})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, inProcess(t, nil)) }()
	l.feed(events(0, 10))
	peertest.Until(t, "all are connected", func() bool {
		all := s.Stats()
		return all["gone"].Connected && all["stuck"].Connected && len(far.received()) >= 30
	})
	stuck.Address = "127.0.0.2"
	moved.Port = next.port()
	if err := s.Reconfigure(t.Context(), []Config{stuck, moved, named("added", next.port())}, nil); err != nil {
		t.Fatal(err)
	}
	l.feed(events(10, 20))
	peertest.Until(t, "those that nobody holds up have got all", func() bool {
		return len(far.received())+len(next.received()) >= 60+60 // the added one all, the moved one too, wherever it was
	})
	impatient, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Reconfigure(impatient, []Config{gone, stuck, moved}, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a removed destination came back before it was gone: %v", err)
	}
	if slices.Contains(said.ops(), "cursor-removed") {
		t.Error("its place is forgotten although it has not gone")
	}
	close(closes)
	if err := s.Reconfigure(t.Context(), []Config{gone, moved}, nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(said.ops(), "cursor-removed") || s.Cursors()["gone"].Delivered > 0 {
		t.Errorf("it did not begin anew: %+v, on record %q", s.Cursors()["gone"], said.ops())
	}
	l.close()
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestOneThatChangedAtTheEndStillSendsAll: sending ends while the successor of a changed
// destination waits for its predecessor to go. It still has its turn.
func TestOneThatChangedAtTheEndStillSendsAll(t *testing.T) {
	t.Parallel()
	next := startSink(t)
	closes, tookLeave := make(chan struct{}), make(chan struct{})
	rude := peertest.PortOf(peertest.Listen(t, func(c net.Conn) {
		defer c.Close()
		io.Copy(io.Discard, c)
		close(tookLeave)
		<-closes
	}))
	l := startJournal(t)
	moved := named("moved", rude)
	moved.Grace = time.Hour
	s, _ := shipperFor(t, l, []Config{moved})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, inProcess(t, nil)) }()
	l.feed(events(0, 10))
	peertest.Until(t, "it is connected", func() bool { return s.Stats()["moved"].Connected })
	moved.Port = next.port()
	if err := s.Reconfigure(t.Context(), []Config{moved}, nil); err != nil {
		t.Fatal(err)
	}
	<-tookLeave // what comes now is its successor's
	l.feed(events(10, 20))
	l.close()
	stop()
	close(closes)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	peertest.Until(t, "what came last is there", func() bool { return len(next.received()) >= 30 })
	if n := s.Stats()["moved"].Pending; n != 0 {
		t.Errorf("%d records are pending", n)
	}
}

// hardOfHearing is a ship that hears only the first thing that is said.
type hardOfHearing struct {
	Process
	heard bool
}

func (h *hardOfHearing) Write(p []byte) (int, error) {
	if h.heard {
		return len(p), nil
	}
	h.heard = true
	return h.Process.Write(p)
}
