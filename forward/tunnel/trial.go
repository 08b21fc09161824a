package tunnel

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"golang.org/x/crypto/ssh"
)

// Step is one thing that Try did, and how it went.
type Step struct {
	Name string
	Said string // what was found, where there is something to say
	Err  error  // why it failed
}

// Remote is where a destination is, as seen from the SSH server.
type Remote struct {
	Host string
	Port int
}

func (r Remote) String() string { return net.JoinHostPort(r.Host, strconv.Itoa(r.Port)) }

// Try goes the way to the remotes step by step, and then tries what the account
// should not be able to do. It ends with the first step without which the others
// cannot be; said is told of each as it ends.
func (c Config) Try(ctx context.Context, remotes []Remote, said func(Step)) error {
	c = c.withDefaults()
	step := func(name string, do func() (string, error)) error {
		text, err := do()
		said(Step{name, text, err})
		return err
	}
	jump, err := c.jump()
	if err != nil {
		return err
	}
	if jump != nil {
		defer jump.Close()
		if err := step("the way through "+c.Via.Name, func() (string, error) { return jump.tried(ctx) }); err != nil {
			return err
		}
	}
	var s *session
	for _, part := range []struct {
		name string
		do   func() (string, error)
	}{
		{"our key", func() (string, error) {
			own, err := c.login(ctx)
			if err != nil {
				return "", err
			}
			defer own.done()
			if own.cert != nil {
				return Fingerprint(own.public) + ", " + own.name(), nil
			}
			return Fingerprint(own.public), nil
		}},
		{"the server's key is known", func() (string, error) {
			known, err := readHostKeys(c.KnownHosts, c.server(), c.Algorithms)
			if err != nil {
				return "", err
			}
			return fmt.Sprint(len(known.keys), " in ", c.KnownHosts), nil
		}},
		{"the server answers", func() (string, error) {
			raw, err := reach(ctx, c, jump)
			if err != nil {
				return "", err
			}
			defer raw.Close()
			return raw.RemoteAddr().String(), nil
		}},
		{"handshake and login", func() (text string, err error) {
			if s, err = connect(ctx, c, jump, func(error) {}, slog.New(slog.DiscardHandler)); err != nil {
				return "", err
			}
			return s.agreed(), nil
		}},
	} {
		if err := step(part.name, part.do); err != nil {
			return err
		}
	}
	defer s.fail(nil)
	var failed error
	for _, r := range remotes {
		err := step("reach "+r.String(), func() (string, error) {
			conn, err := s.open(ctx, r.Host, r.Port, r.String())
			if err != nil {
				return "", err
			}
			return "", conn.Close()
		})
		if err != nil {
			failed = err
		}
	}
	if err := step("nothing else", func() (string, error) { return "", s.more(ctx, remotes) }); err != nil && failed == nil {
		failed = err
	}
	return failed
}

// tried is what was agreed on with the tunnel's own server.
func (t *Tunnel) tried(ctx context.Context) (string, error) {
	s, _, err := t.connected(ctx)
	if err != nil {
		return "", err
	}
	return s.agreed(), nil
}

// agreed is what the two ends agreed on.
func (s *session) agreed() string {
	conn, ok := s.client.Conn.(ssh.AlgorithmsConnMetadata)
	if !ok {
		return ""
	}
	a := conn.Algorithms()
	return fmt.Sprintf("%s, %s, host key %s", a.KeyExchange, a.Write.Cipher, a.HostKey)
}

// more is an *ExcessError for the first thing that the account can do beyond what
// it is for.
func (s *session) more(ctx context.Context, remotes []Remote) error {
	if s.runs("true") {
		return &ExcessError{s.cfg.User, s.cfg.server(), "it may run commands"}
	}
	own := Remote{"127.0.0.1", s.cfg.ServerPort}
	wanted := false
	for _, r := range remotes {
		wanted = wanted || r == own
	}
	if !wanted {
		conn, err := s.open(ctx, own.Host, own.Port, own.String())
		if err == nil {
			conn.Close()
			return &ExcessError{s.cfg.User, s.cfg.server(), "it may forward to " + own.String() + ", too"}
		}
	}
	if l, err := s.client.Listen("tcp", "127.0.0.1:0"); err == nil {
		l.Close()
		return &ExcessError{s.cfg.User, s.cfg.server(), "it may listen there"}
	}
	return nil
}

// ExcessError: the account on the server is good for more than to forward.
type ExcessError struct {
	User, Server string
	What         string
}

func (e *ExcessError) Error() string {
	return fmt.Sprintf("%s at %s is good for more than it is needed for: %s", e.User, e.Server, e.What)
}

// Hint says what to do.
func (e *ExcessError) Hint() string {
	return "give the account the shell /usr/sbin/nologin, and the key in its authorized_keys the options that `auditbridge ssh key` prints: whoever takes over this host has what the account may do"
}

// runs reports whether a command is carried out there; a login shell such as nologin
// is started, too, but fails.
func (s *session) runs(command string) bool {
	shell, err := s.client.NewSession()
	if err != nil {
		return false
	}
	defer shell.Close()
	late := time.AfterFunc(s.cfg.ConnectTimeout, func() { shell.Close() })
	defer late.Stop()
	return shell.Run(command) == nil
}
