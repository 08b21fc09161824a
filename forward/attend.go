package forward

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"auditbridge/forward/entrance"
)

// attend is Ship's work at an entrance: it takes the guests that come to the socket
// that was handed over, until run says stop or is gone.
func (h *hello) attend(ctx context.Context, in *lineReader, out *lineWriter, log *slog.Logger) error {
	on, err := h.handedOver()
	if err != nil {
		return fmt.Errorf("listen at %s: %w", h.Entrance.Place(), err)
	}
	defer on.Close()
	pause := func(try int) time.Duration { return backoff(try, rand.Float64()) }
	warned := func(err error) { out.write(report{Warning: short(err.Error())}) }
	e, err := entrance.New(*h.Entrance, pause, warned, log)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop() // on the order, on nonsense, and when run is gone
		for {
			var o order
			if in.next(&o) != nil || o.Stop {
				return
			}
		}
	}()
	tell := tellOf(e, out)
	e.Changed = tell
	over := make(chan struct{})
	defer func() { <-over; tell() }() // the last word; run may be gone
	go func() {
		defer close(over)
		for tick := time.NewTicker(statsEvery); ; {
			select {
			case <-tick.C:
				tell()
			case <-ctx.Done():
				tick.Stop()
				return
			}
		}
	}()
	return e.Run(ctx, on)
}

// handedOver is the socket that run took for us.
func (h *hello) handedOver() (net.Listener, error) {
	socket := os.NewFile(uintptr(h.Socket), "entrance")
	if socket == nil {
		return nil, fmt.Errorf("descriptor %d is none", h.Socket)
	}
	defer socket.Close()
	return net.FileListener(socket) // a duplicate
}

// tellOf returns what tells run of e. Several goroutines may call it: who looks first
// tells first, or counts would go back, which run does not believe.
func tellOf(e *entrance.Entrance, out *lineWriter) func() {
	var one sync.Mutex
	return func() {
		one.Lock()
		defer one.Unlock()
		out.write(report{Entrance: told(e)})
	}
}

// told is what is said of an entrance; what a peer may have said is short in it.
func told(e *entrance.Entrance) *wireEntrance {
	w := wireEntrance{Stats: e.Stats(), Refusals: e.Refusals()}
	w.Stats.LastError, w.Stats.Hint, w.Stats.Peer = short(w.Stats.LastError), shortHint(w.Stats.Hint), short(w.Stats.Peer)
	for i := range w.Refusals {
		w.Refusals[i].Why = short(w.Refusals[i].Why)
	}
	return &w
}
