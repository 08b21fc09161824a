package forward

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// statsEvery is how often ship tells its balance sheets.
const statsEvery = time.Second

// fleet is the relays of one ship, side by side: none waits for another, and
// each can be told to end alone.
type fleet struct {
	relays []*Relay
	ctx    map[*Relay]context.Context
	end    map[*Relay]context.CancelCauseFunc
	out    *lineWriter

	mu   sync.Mutex      // held while something is told of a relay's state
	gone map[*Relay]bool // nothing more is told
}

// errLeave is why a relay ends that was told to alone.
var errLeave = errors.New("another sends there now")

func newFleet(ctx context.Context, relays []*Relay, out *lineWriter) *fleet {
	f := &fleet{relays, map[*Relay]context.Context{}, map[*Relay]context.CancelCauseFunc{}, out, sync.Mutex{}, map[*Relay]bool{}}
	for _, r := range relays {
		f.ctx[r], f.end[r] = context.WithCancelCause(ctx)
	}
	return f
}

// leave has the relays of these names end alone.
func (f *fleet) leave(names []string) {
	for _, r := range f.relays {
		for _, name := range names {
			if r.Name() == name {
				f.end[r](errLeave)
			}
		}
	}
}

// run runs the relays to their ends.
func (f *fleet) run() error {
	telling, done := context.WithCancel(context.Background())
	go func() {
		for tick := time.NewTicker(statsEvery); ; {
			select {
			case <-tick.C:
				f.tell()
			case <-telling.Done():
				tick.Stop()
				return
			}
		}
	}()
	var g errgroup.Group
	for _, r := range f.relays {
		g.Go(func() error {
			err := r.Run(f.ctx[r])
			if err == nil && context.Cause(f.ctx[r]) == errLeave {
				f.depart(r)
			}
			return err
		})
	}
	err := g.Wait()
	done()
	f.tell() // the last word; run may be gone
	return err
}

// tell tells the balance sheets. Whether run hears them is run's concern.
func (f *fleet) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.relays {
		if f.gone[r] {
			continue
		}
		stats := r.Stats()
		stats.LastError, stats.Hint = short(stats.LastError), shortHint(stats.Hint)
		f.out.write(report{Relay: r.Name(), Stats: &stats})
	}
}

// depart says that a relay has ended alone.
func (f *fleet) depart(r *Relay) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.gone[r] = true
	f.out.write(report{Relay: r.Name(), Gone: true})
}
