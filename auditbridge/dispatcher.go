package auditbridge

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"auditbridge/journal/ring"

	"golang.org/x/sys/unix"
)

// DispatcherConfig configures the source "unix:PATH".
type DispatcherConfig struct {
	Path string // of the socket at which auditd's plugin af_unix listens
	Pressure
	Note   func(Note)   // takes what is to be put on record
	Logger *slog.Logger // nil means none
}

// How long until a lost connection is tried again: doubled each time, until
// something was heard. It is a socket of this host, and auditd keeps nothing for
// us, so the longest is short.
const (
	firstReconnect = 50 * time.Millisecond
	lastReconnect  = time.Second
	// settled is how long a connection must last, when nothing comes, to be one:
	// auditd's plugin closes that of a second reader at once.
	settled = time.Second
)

// Dispatcher is the source "unix:PATH": auditd's lines from a socket that
// auditd's plugin af_unix listens at, for one reader. Nothing is replayed: what
// is written while we have no connection is a gap, on record from source-lost to
// source-heard.
type Dispatcher struct {
	cfg     DispatcherConfig
	ring    *ring.Ring
	settled time.Duration
	hearing
	dispatchBook
}

// OpenDispatcher prepares to read from the socket, which need not be there yet.
func OpenDispatcher(cfg DispatcherConfig, r *ring.Ring) (*Dispatcher, error) {
	if err := cfg.Pressure.complete(); err != nil {
		return nil, fmt.Errorf("open unix:%s: %w", cfg.Path, err)
	}
	if !filepath.IsAbs(cfg.Path) {
		return nil, fmt.Errorf("open unix:%s: not an absolute path", cfg.Path)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Dispatcher{cfg: cfg, ring: r, settled: settled}, nil
}

// Run reads until ctx ends, and connects as often as it takes.
func (d *Dispatcher) Run(ctx context.Context) error {
	defer d.end()
	for wait := firstReconnect; ctx.Err() == nil; wait = min(2*wait, lastReconnect) {
		heard, err := d.hear(ctx)
		if ctx.Err() != nil {
			return nil
		}
		d.lost(err)
		if heard {
			wait = firstReconnect
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
	return nil
}

// hear reads one connection to its end and tells whether it was one.
func (d *Dispatcher) hear(ctx context.Context) (heard bool, err error) {
	conn, err := d.connect()
	if err != nil {
		return false, err
	}
	defer conn.Close()
	var once sync.Once
	hears := func() { once.Do(func() { heard = true; d.heard() }) }
	quiet := time.AfterFunc(d.settled, hears)
	lines, err := OpenLines(noticing{conn, hears}, d.cfg.Pressure, d.ring)
	if err == nil {
		lines.saw = d.note
		err = lines.read(ctx)
	}
	quiet.Stop()
	once.Do(func() {}) // nothing is said of this connection any more
	if err == nil {
		err = io.EOF
	}
	return heard, err
}

// connect connects to a socket that root, or we ourselves, listen at: whoever
// else does is not auditd.
func (d *Dispatcher) connect() (*net.UnixConn, error) {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: d.cfg.Path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	var peer *unix.Ucred
	if err == nil {
		failed := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
		if failed != nil {
			err = failed
		}
	}
	if err == nil && peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		err = fmt.Errorf("%s: uid %d listens there, not root", d.cfg.Path, peer.Uid)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

func (d *Dispatcher) heard() {
	if d.turn(nil) {
		d.cfg.Logger.Info("hearing auditd", "socket", d.cfg.Path)
		d.cfg.Note(OwnNote(TypeDaemonResume, "source-heard", Text("path", d.cfg.Path)))
	}
}

func (d *Dispatcher) lost(err error) {
	why := err.Error()
	if err == io.EOF {
		why = "auditd has closed it"
		err = fmt.Errorf("%s: %s", d.cfg.Path, why)
	}
	if d.turn(err) {
		d.cfg.Logger.Warn("not hearing auditd; trying again", "socket", d.cfg.Path, "err", why)
		d.cfg.Note(OwnFailure("source-lost", Text("path", d.cfg.Path), Text("why", why)))
	}
}

// noticing calls first when bytes come.
type noticing struct {
	net.Conn
	first func()
}

func (n noticing) Read(p []byte) (int, error) {
	got, err := n.Conn.Read(p)
	if got > 0 {
		n.first()
	}
	return got, err
}
