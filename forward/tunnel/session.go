package tunnel

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"
)

// session is one SSH connection. It ends when the server closes it, when a
// keepalive goes unanswered, or by fail.
type session struct {
	cfg    Config
	client *ssh.Client
	raw    net.Conn
	keyed  atomic.Int64  // when the keys in use were agreed on, in Unix nanoseconds
	done   chan struct{} // closed when the connection is over; then err is set
	once   sync.Once
	err    error

	unasked atomic.Int64 // what was refused the server
	owed    atomic.Int64 // answers to the beginning or the end of a channel, that nobody waits for any more
	warn    func(error)  // is told of the first

	mu      sync.Mutex
	conns   int  // open channels
	retired bool // goes with the last of them
}

// connect makes an SSH connection: key files first, so that nothing goes over
// the network when they are not in order, then TCP, or a channel of jump, then the
// handshake.
func connect(ctx context.Context, cfg Config, jump *Tunnel, warn func(error), log *slog.Logger) (*session, error) {
	identity, err := cfg.login(ctx)
	if err != nil {
		return nil, err
	}
	defer identity.done()
	known, err := readHostKeys(cfg.KnownHosts, cfg.server(), cfg.Algorithms)
	if err != nil {
		return nil, err
	}
	raw, err := reach(ctx, cfg, jump)
	if err != nil {
		return nil, err
	}
	s := &session{cfg: cfg, raw: raw, warn: warn, done: make(chan struct{})}
	if err := s.handshake(ctx, identity, known); err != nil {
		raw.Close()
		return nil, err
	}
	log.Info("SSH connection is up", "tunnel", cfg.Name, "peer", raw.RemoteAddr().String(), "agreed", s.agreed())
	if ending := cfg.ending(identity.cert, time.Now()); ending != nil {
		warn(ending)
	}
	go s.keepAlive()
	if cfg.RekeyInPlace {
		go s.rekeyByAge()
	}
	go func() { s.fail(s.client.Wait()) }()
	return s, nil
}

func dialTCP(ctx context.Context, cfg Config) (net.Conn, error) {
	dialer := net.Dialer{
		Timeout: cfg.ConnectTimeout,
		ControlContext: func(_ context.Context, _, _ string, raw syscall.RawConn) error {
			return setUserTimeout(raw, cfg.KeepaliveInterval+cfg.KeepaliveTimeout)
		},
	}
	conn, err := dialer.DialContext(ctx, "tcp", cfg.server())
	if err != nil {
		return nil, &UnreachableError{cfg.server(), err}
	}
	return conn, nil
}

// setUserTimeout makes the kernel give up on a peer that acknowledges nothing.
func setUserTimeout(raw syscall.RawConn, after time.Duration) error {
	var err error
	if e := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(after.Milliseconds()))
	}); e != nil {
		return e
	}
	return err
}

// handshake agrees on keys, checks the host key and logs in, in that order.
func (s *session) handshake(ctx context.Context, identity *login, known *hostKeys) error {
	var refused error // the host key's, which the library flattens into text
	authenticating, offered := false, s.cfg.Algorithms
	config := &ssh.ClientConfig{
		Config: ssh.Config{KeyExchanges: offered.KeyExchanges, Ciphers: offered.Ciphers, MACs: offered.macs(), RekeyThreshold: s.threshold()},
		User:   s.cfg.User,
		Auth: []ssh.AuthMethod{ssh.PublicKeysCallback(func() ([]ssh.Signer, error) {
			authenticating = true
			return []ssh.Signer{identity.Signer}, nil
		})},
		HostKeyCallback: func(host string, remote net.Addr, key ssh.PublicKey) error {
			s.keyed.Store(time.Now().UnixNano()) // the library asks at every exchange
			refused = known.verify(host, remote, key)
			return refused
		},
		HostKeyAlgorithms: known.algorithms,
		ClientVersion:     "SSH-2.0-auditbridge",
	}
	s.raw.SetDeadline(time.Now().Add(s.cfg.HandshakeTimeout))
	stop := context.AfterFunc(ctx, func() { s.raw.SetDeadline(time.Unix(1, 0)) })
	conn, channels, requests, err := handshake(s.raw, s.cfg.server(), config)
	if !stop() && err == nil {
		conn.Close()
		return ctx.Err()
	}
	if err != nil {
		return s.explain(err, refused, authenticating, identity)
	}
	s.raw.SetDeadline(time.Time{})
	// The library's client would serve some of what the server begins.
	s.client = ssh.NewClient(conn, noChannels, noRequests)
	go s.refuseChannels(channels)
	go s.refuseRequests(requests)
	return nil
}

var (
	noChannels = func() chan ssh.NewChannel { c := make(chan ssh.NewChannel); close(c); return c }()
	noRequests = func() chan *ssh.Request { c := make(chan *ssh.Request); close(c); return c }()
)

// explain turns the library's error into one a person can act on.
func (s *session) explain(err, refused error, authenticating bool, identity *login) error {
	var noCommon *ssh.AlgorithmNegotiationError
	var timeout net.Error
	switch {
	case refused != nil:
		return refused
	case errors.As(err, &noCommon):
		return &AlgorithmError{Server: s.cfg.server(), Err: noCommon}
	case errors.As(err, &timeout) && timeout.Timeout():
		return &SilenceError{Server: s.cfg.server(), Asked: "SSH handshake", Within: s.cfg.HandshakeTimeout}
	case authenticating && strings.Contains(err.Error(), "unable to authenticate"):
		return &AuthError{Server: s.cfg.server(), User: s.cfg.User, IdentityFile: s.cfg.IdentityFile,
			PublicKey: publicLine(identity.public), Certificate: identity.name()}
	}
	return fmt.Errorf("SSH handshake with %s: %w", s.cfg.server(), &told{err})
}

// fail ends the session; the first reason stands.
func (s *session) fail(err error) {
	s.once.Do(func() {
		if err == nil {
			err = net.ErrClosed
		}
		if oversize(err) {
			err = &OversizeError{s.cfg.server()}
		}
		s.err = fmt.Errorf("SSH connection to %s: %w", s.cfg.server(), &told{err})
		close(s.done)
		s.raw.Close()
	})
}

// ping asks the server for an answer. SSH keeps order, so the answer also says
// that the server has taken everything sent before. Any answer will do: OpenSSH
// says no.
func (s *session) ping() error {
	_, _, err := s.client.SendRequest("keepalive@openssh.com", true, nil)
	return err
}

// keepAlive ends the session when the server does not answer in time. The
// question itself may block, so it is a timer that ends it, not a return.
func (s *session) keepAlive() {
	tick := time.NewTicker(s.cfg.KeepaliveInterval)
	defer tick.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-tick.C:
		}
		late := time.AfterFunc(s.cfg.KeepaliveTimeout, func() {
			s.fail(&SilenceError{Server: s.cfg.server(), Asked: "keepalive", Within: s.cfg.KeepaliveTimeout})
		})
		err := s.ping()
		late.Stop()
		if err != nil {
			s.fail(err)
			return
		}
	}
}

// open opens a channel to remote, "host:port" as seen from the server.
func (s *session) open(ctx context.Context, host string, port int, remote string) (*Conn, error) {
	type opened struct {
		channel ssh.Channel
		over    chan struct{}
		err     error
	}
	// RFC 4254 §7.2; the originator is nobody's business.
	payload := ssh.Marshal(struct {
		Host       string
		Port       uint32
		Originator string
		FromPort   uint32
	}{host, uint32(port), "127.0.0.1", 0})
	result := make(chan opened, 1)
	go func() {
		channel, requests, err := s.client.OpenChannel("direct-tcpip", payload)
		over := make(chan struct{})
		if err == nil {
			go func() {
				ssh.DiscardRequests(requests)
				close(over)
			}()
			go io.Copy(io.Discard, channel.Stderr()) // no such channel has any; it would be kept
		}
		result <- opened{channel, over, err}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, s.cfg.ConnectTimeout,
		&SilenceError{Server: s.cfg.server(), Asked: "open a channel to " + remote, Within: s.cfg.ConnectTimeout})
	defer cancel()
	select {
	case <-ctx.Done():
		go func() { // an answer that comes late is not left open
			s.owes(1)
			defer s.owes(-1)
			if late := <-result; late.err == nil {
				late.channel.Close()
				<-late.over
			}
		}()
		return nil, context.Cause(ctx)
	case got := <-result:
		if got.err != nil {
			return nil, s.explainOpen(got.err, remote)
		}
		return newConn(got.channel, got.over, s, remote), nil
	}
}

// maxOwed is how many answers a server may owe, of which each costs a little memory for
// as long as the connection lives. A stock sshd owes the end of a channel until whoever
// is behind it has taken all, which may be never; so it is not one that counts.
const maxOwed = 500

// owes notes that the server owes n answers more, or fewer.
func (s *session) owes(n int64) {
	if s.owed.Add(n) == maxOwed {
		s.fail(fmt.Errorf("it has not answered to the beginning or the end of %d channels", maxOwed))
	}
}

func (s *session) explainOpen(err error, remote string) error {
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) {
		select { // mostly it is the connection that is over, and that says why
		case <-s.done:
			return s.err
		case <-time.After(time.Second):
		}
		return fmt.Errorf("open a channel through %s to %s: %w", s.cfg.server(), remote, &told{err})
	}
	if refused.Reason == ssh.Prohibited {
		return &ProhibitedError{Server: s.cfg.server(), Remote: remote, Message: fewWords(refused.Message)}
	}
	return &RemoteError{Server: s.cfg.server(), Remote: remote, Message: fewWords(refused.Message)}
}
