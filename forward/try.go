package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/tunnel"
	"auditbridge/journal"
)

// Step is one thing that Try did.
type Step struct {
	Name string
	Said string // what there is to know of it
	Err  error
}

// Try goes the way to a destination as sending does, with one event, and tells each
// step. It returns the error of the step that failed. What it sends stands in no
// journal: line is the event's one record, as a journal would have it.
func Try(ctx context.Context, cfg Config, tunnels []tunnel.Config, line []byte, tell func(Step)) error {
	cfg = cfg.withDefaults()
	if err := cfg.Validate(); err != nil {
		return err
	}
	quiet := slog.New(slog.DiscardHandler)
	open := map[string]*tunnel.Tunnel{}
	for _, t := range tunnels {
		if t.Name != cfg.Via {
			continue
		}
		through, err := tunnel.New(t, quiet)
		if err != nil {
			return err
		}
		defer through.Close()
		open[t.Name] = through
	}
	step := func(name, said string, err error) error { tell(Step{name, said, err}); return err }
	dialer, err := newDialer(cfg, open, quiet)
	if err != nil {
		return step("find the way", "", err)
	}
	p := protocolOf(cfg.Protocol)
	t, err := p.open(ctx, &cfg, dialer, quiet)
	if err != nil {
		return step("connect", "", err)
	}
	defer t.Close()
	defer context.AfterFunc(ctx, func() { t.Close() })()
	step("connect", t.Peer(), nil)
	batch, err := framed(&cfg, line, t.Frame)
	if err == nil {
		err = t.Send(batch)
	}
	if err != nil {
		return step("send an event", "", err)
	}
	step("send an event", fmt.Sprintf("%d bytes as %s by %s", len(batch), cfg.Format, cfg.Protocol), nil)
	said, err := arrival(ctx, &cfg, t, uint64(len(batch)))
	return step("arrive", said, err)
}

// framed is what an event of one record makes of itself on the way.
func framed(cfg *Config, line []byte, frame framer) ([]byte, error) {
	all := *cfg
	all.Include, all.Filters = nil, nil
	s, _ := newStream(&all, journal.Cursor{}, new(census), frame)
	s.push(auditbridge.Sequence(1), line)
	s.end()
	if batch := *s.batch(); len(batch) > 0 {
		return batch, nil
	}
	return nil, errors.New("nothing of it is to be sent")
}

// arrival waits for what the protocol has as a sign that all has arrived.
func arrival(ctx context.Context, cfg *Config, t Transport, bytes uint64) (said string, err error) {
	heard := make(chan error, 1)
	go func() { heard <- t.Listen() }()
	patience := time.NewTimer(cfg.AckTimeout)
	defer patience.Stop()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	promise := PromiseOf(cfg.Protocol)
	if promise == AtLeastOnce {
		if err := t.Leave(); err != nil {
			return "", err
		}
	}
	quiet := time.After(time.Second) // for a far host to say that nobody listens
	for {
		select {
		case err := <-heard:
			if err == nil && promise == AtLeastOnce {
				return "the far end has taken all and closed in order; this protocol has no acknowledgement", nil
			}
			if err == nil {
				err = errClosed
			}
			return "", err
		case <-look.C:
			if promise == Acknowledged && t.Arrived() >= bytes {
				t.Leave()
				return "the receiver has acknowledged it", nil
			}
		case <-quiet:
			if promise == BestEffort {
				return "nobody has said that nobody listens; this protocol knows no more", nil
			}
		case <-patience.C:
			if promise == AtLeastOnce && t.Arrived() >= bytes {
				return "its bytes have come to the far host, which does not close; this protocol has no acknowledgement", nil
			}
			return "", fmt.Errorf("no sign of it within %v", cfg.AckTimeout)
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}
