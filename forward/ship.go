package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"auditbridge/forward/tlslink"
	"auditbridge/forward/tunnel"
	"auditbridge/journal"
)

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
	if h.Entrance != nil {
		return h.attend(ctx, in, &lineWriter{w: conn}, log)
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
	at := newFleet(ctx, relays, out)
	go func() {
		defer stop() // on the order, on nonsense, and when run is gone
		for {
			var o order
			if in.next(&o) != nil || o.Stop {
				return
			}
			at.leave(o.Leave)
		}
	}()
	return at.run()
}

// relays builds what hello describes.
func (h *hello) relays(j Journal, out *lineWriter, log *slog.Logger) ([]*Relay, map[string]*tunnel.Tunnel, error) {
	tunnels, err := tunnel.NewAll(h.Tunnels, log)
	if err != nil {
		return nil, nil, err
	}
	for name, t := range tunnels {
		if relay := h.first(name); relay != "" {
			t.Warned = func(err error) { out.write(report{Relay: relay, Warning: short(err.Error())}) }
		}
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
		dialer, err := newDialer(cfg, tunnels, log)
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

// first is the first destination that goes through the tunnel of that name: one record
// is enough.
func (h *hello) first(name string) string {
	for _, d := range h.Destinations {
		i := slices.IndexFunc(h.Tunnels, func(t tunnel.Config) bool { return t.Name == d.Via })
		if i < 0 {
			continue
		}
		for t := &h.Tunnels[i]; t != nil; t = t.Via {
			if t.Name == name {
				return d.Name
			}
		}
	}
	return ""
}

// newDialer finds the way to a destination.
func newDialer(cfg Config, tunnels map[string]*tunnel.Tunnel, log *slog.Logger) (Dialer, error) {
	var way Dialer = direct{cfg.withDefaults()}
	if cfg.Via != "" {
		t := tunnels[cfg.Via]
		if t == nil {
			return nil, fmt.Errorf("remote-logging-server %q: via: there is no port-forwarding %q", cfg.Name, cfg.Via)
		}
		way = tunnelled{t, cfg}
	}
	if cfg.TLS == nil {
		return way, nil
	}
	return newSecured(cfg, way, log)
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

func (r *reporter) Link(c LinkChange) {
	l := &wireLink{Up: c.Up, Peer: short(c.Peer), Meant: errors.Is(c.Why, errRenewed), TLS: c.TLS}
	if c.Why != nil {
		l.Why = short(c.Why.Error())
	}
	var certificate *tlslink.CertificateError
	var handshake *tlslink.HandshakeError
	switch {
	case errors.As(c.Why, &certificate):
		l.Fault, l.Certificate, l.Presented, l.Reference = string(certificate.Fault), certificate.Certificate, certificate.Presented, certificate.Reference
	case errors.As(c.Why, &handshake):
		l.Fault = string(handshake.Fault)
	}
	r.out.write(report{Relay: r.relay, Link: l})
}
