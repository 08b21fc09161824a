package entrance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"time"

	"auditbridge/forward/tunnel"
	"auditbridge/internal/allowance"
)

// Entrance takes guests through one tunnel.
type Entrance struct {
	book
	cfg    Config
	tunnel *tunnel.Tunnel
	pause  func(try int) time.Duration
	log    *slog.Logger

	logging sync.Mutex
	logged  allowance.Allowance

	// Changed is called when the SSH connection comes or goes. nil: nobody is told. It
	// is set before Run.
	Changed func()
}

// New validates cfg, and touches neither file nor network. pause is how long to wait
// before the SSH connection is tried for once more, the first time for try 0. warned is
// what a tunnel's Warned is.
func New(cfg Config, pause func(try int) time.Duration, warned func(error), log *slog.Logger) (*Entrance, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	t, err := tunnel.New(renewedInPlace(cfg.Tunnel), log)
	if err != nil {
		return nil, err
	}
	t.Warned = warned
	return &Entrance{cfg: cfg, tunnel: t, pause: pause, log: log}, nil
}

// Run takes the guests that come to on until ctx ends. Those that are there have to go
// then: what they send belongs to other programs, and is not waited for.
func (e *Entrance) Run(ctx context.Context, on net.Listener) error {
	defer e.tunnel.Close()
	defer context.AfterFunc(ctx, func() { on.Close() })()
	var all sync.WaitGroup
	all.Go(func() { e.keepConnected(ctx) })
	defer all.Wait()
	for {
		near, err := on.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				near.Close()
			}
			return nil
		case err != nil: // no descriptor is left, or the like
			e.failed(err)
			e.warn("a connection could not be taken", err)
			sleep(ctx, 100*time.Millisecond)
		default:
			e.receive(ctx, near, &all)
		}
	}
}

// receive decides about one that has come. Who is let in is the next goroutine's.
func (e *Entrance) receive(ctx context.Context, near net.Conn, all *sync.WaitGroup) {
	who, err := whose(near)
	var why string
	switch {
	case err != nil:
		why = err.Error()
	case who != nil && !slices.Contains(e.cfg.UIDs, who.UID):
		why = fmt.Sprintf("uid %d is not in listen-uids", who.UID)
	case e.away() != "":
		why = "there is no tunnel: " + e.away()
	case !e.enter(who, e.cfg.Most):
		why = fmt.Sprintf("%d connections are open", e.cfg.Most)
	}
	if why != "" {
		e.refuse(who, why)
		abort(near)
		return
	}
	all.Go(func() { e.serve(ctx, near, who) })
}

// serve carries a guest from the far end's answer to the end.
func (e *Entrance) serve(ctx context.Context, near net.Conn, who *Who) {
	far, err := e.tunnel.Dial(ctx)
	if err != nil {
		if ctx.Err() == nil {
			e.failed(err)
			e.refuse(who, err.Error())
		}
		abort(near)
		e.leave(true)
		return
	}
	e.arrived()
	g := &guest{near: near.(conn), far: far, sent: &e.sent, received: &e.received}
	err = g.carry(ctx, e.cfg.Idle)
	if err != nil {
		e.warn("a connection through the tunnel was cut", err)
	}
	e.leave(err == nil)
}

// keepConnected has the SSH connection there until ctx ends.
func (e *Entrance) keepConnected(ctx context.Context) {
	for try := 0; ctx.Err() == nil; try++ {
		link, err := e.tunnel.Connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			since := time.Now()
			e.up(link.Peer())
			e.changed()
			select {
			case <-link.Done():
				err = link.Err()
			case <-ctx.Done():
				return
			}
			if time.Since(since) > time.Minute {
				try = 0
			}
		}
		e.down(err)
		e.changed()
		sleep(ctx, e.pause(try))
	}
}

// warn logs what other programs can bring about as often as they like: run's own log must
// not drown in it.
func (e *Entrance) warn(what string, err error) {
	e.logging.Lock()
	defer e.logging.Unlock()
	if held, ok := e.logged.Take(time.Now()); ok {
		e.log.Warn(what, "forwarding", e.cfg.Name(), "err", err, "unlogged", held)
	}
}

func (e *Entrance) changed() {
	if e.Changed != nil {
		e.Changed()
	}
}

// errEnded is why guests have to go when ship does.
var errEnded = errors.New("the entrance is closed")

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
