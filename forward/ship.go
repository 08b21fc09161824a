package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"auditbridge/forward/tunnel"
	"auditbridge/journal"

	"golang.org/x/sync/errgroup"
)

// statsEvery is how often ship tells its balance sheets.
const statsEvery = time.Second

// Ship is the work of the unprivileged process: it hears from run over conn
// where to send what, and sends until run says stop, run is gone, or ctx ends.
// It touches the network only after the caller has dropped every privilege,
// which is to say: before calling Ship, and after confine, which is told what
// Ship still needs, has forbidden all else. It closes conn.
func Ship(ctx context.Context, conn io.ReadWriteCloser, confine func(Needs) error, log *slog.Logger) error {
	defer conn.Close()
	in := newLineReader(conn, maxHello)
	var h hello
	if err := in.next(&h); err != nil {
		return fmt.Errorf("hear from run what to send: %w", err)
	}
	if h.Version != wireVersion {
		return fmt.Errorf("hear from run what to send: it speaks version %d, this is version %d", h.Version, wireVersion)
	}
	if err := confine(h.needs()); err != nil {
		return err
	}
	j, err := openJournal(h.JournalDir)
	if err != nil {
		return err
	}
	defer j.Close()
	out := &lineWriter{w: conn}
	relays, tunnels, err := h.relays(j, out, log)
	if err != nil {
		return err
	}
	defer func() {
		for _, t := range tunnels {
			t.Close()
		}
	}()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go func() {
		defer stop() // on the order, on nonsense, and when run is gone
		var o order
		for in.next(&o) == nil && !o.Stop {
		}
	}()
	return shipAll(ctx, relays, out)
}

// shipAll runs the relays side by side; none waits for another.
func shipAll(ctx context.Context, relays []*Relay, out *lineWriter) error {
	tell := func() (err error) {
		for _, r := range relays {
			stats := r.Stats()
			stats.LastError, stats.Hint = short(stats.LastError), shortHint(stats.Hint)
			err = errors.Join(err, out.write(report{Relay: r.Name(), Stats: &stats}))
		}
		return err
	}
	telling, done := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		for tick := time.NewTicker(statsEvery); ; {
			select {
			case <-tick.C:
				tell()
			case <-telling.Done():
				tick.Stop()
				return
			}
		}
	}()
	var g errgroup.Group
	for _, r := range relays {
		g.Go(func() error { return r.Run(ctx) })
	}
	err := g.Wait()
	done()
	tell() // the last word; run may be gone
	return err
}

// relays builds what hello describes.
func (h *hello) relays(j Journal, out *lineWriter, log *slog.Logger) ([]*Relay, map[string]*tunnel.Tunnel, error) {
	tunnels := map[string]*tunnel.Tunnel{}
	for _, cfg := range h.Tunnels {
		t, err := tunnel.New(cfg, log)
		if err != nil {
			return nil, nil, err
		}
		tunnels[cfg.Name] = t
	}
	var relays []*Relay
	for _, cfg := range h.Destinations {
		cfg.PID, cfg.Build = h.PID, h.Build
		cursor := journal.Cursor{}
		if w, ok := h.Cursors[cfg.Name]; ok {
			var err error
			if cursor, err = w.cursor(); err != nil {
				return nil, nil, fmt.Errorf("take up the cursor of %q: %w", cfg.Name, err)
			}
		}
		dialer, err := newDialer(cfg, tunnels)
		if err != nil {
			return nil, nil, err
		}
		r, err := NewRelay(cfg, j, dialer, cursor, &reporter{cfg.Name, out}, log)
		if err != nil {
			return nil, nil, err
		}
		relays = append(relays, r)
	}
	return relays, tunnels, nil
}

// newDialer finds the way to a destination.
func newDialer(cfg Config, tunnels map[string]*tunnel.Tunnel) (Dialer, error) {
	if cfg.Via == "" {
		return direct{cfg.withDefaults()}, nil
	}
	t := tunnels[cfg.Via]
	if t == nil {
		return nil, fmt.Errorf("remote-logging-server %q: via: there is no port-forwarding %q", cfg.Name, cfg.Via)
	}
	return tunnelled{t, cfg}, nil
}

// reporter tells run what one relay observes. When run is gone there is nobody
// to tell, and Ship ends for that reason.
type reporter struct {
	relay string
	out   *lineWriter
}

func (r *reporter) MoveCursor(c journal.Cursor) {
	w := toWire(c)
	r.out.write(report{Relay: r.relay, Cursor: &w})
}

func (r *reporter) Restart(why string) {
	r.out.write(report{Relay: r.relay, Restart: &wireRestart{why}})
}

func (r *reporter) Link(up bool, peer string, why error) {
	l := &wireLink{Up: up, Peer: short(peer)}
	if why != nil {
		l.Why = short(why.Error())
	}
	r.out.write(report{Relay: r.relay, Link: l})
}
