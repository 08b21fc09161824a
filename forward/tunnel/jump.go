package tunnel

import (
	"context"
	"log/slog"
	"net"
)

// A server may be reached through another tunnel: the SSH connection to it is then a
// channel of that one's, whose server sees that there is one and not what is in it.

// NewAll makes a tunnel for each Config, and for those that they are reached through;
// of one name there is one tunnel, and so one SSH connection. It touches neither file
// nor network.
func NewAll(all []Config, log *slog.Logger) (map[string]*Tunnel, error) {
	made := map[string]*Tunnel{}
	for _, c := range all {
		if _, err := share(made, c, log); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// share returns the tunnel of c's name, and makes it when there is none.
func share(made map[string]*Tunnel, c Config, log *slog.Logger) (t *Tunnel, err error) {
	if t := made[c.Name]; t != nil {
		return t, nil
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	t = &Tunnel{cfg: c.withDefaults(), log: log, renewal: make(chan struct{})}
	if c.Via != nil {
		if t.jump, err = share(made, *c.Via, log); err != nil {
			return nil, err
		}
	}
	made[c.Name] = t
	return t, nil
}

// reach connects to the SSH server, through jump where there is one.
func reach(ctx context.Context, cfg Config, jump *Tunnel) (net.Conn, error) {
	if jump == nil {
		return dialTCP(ctx, cfg)
	}
	conn, err := jump.DialTo(ctx, cfg.ServerAddress, cfg.ServerPort)
	if err != nil {
		return nil, err // not a nil *Conn in a net.Conn
	}
	return conn, nil
}

// jump is the tunnel that c is reached through, for a moment's use; nil when there
// is none. The caller closes it.
func (c Config) jump() (*Tunnel, error) {
	if c.Via == nil {
		return nil, nil
	}
	return New(*c.Via, slog.New(slog.DiscardHandler))
}
