package forward

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"auditbridge/journal"
)

// pipe is a connection in memory, both ends in one synctest bubble: written
// bytes go to far, and have reached it when the test says so.
type pipe struct {
	mu       sync.Mutex
	far      []byte
	written  uint64
	reached  func(written uint64) uint64
	block    bool // writes wait for the deadline
	deadline time.Time
	half     bool          // we half-closed
	gone     chan struct{} // closed when either side closed
	why      error         // what Read returns then
	once     sync.Once
}

func newPipe() *pipe {
	return &pipe{gone: make(chan struct{}), reached: func(n uint64) uint64 { return n }}
}

func (p *pipe) end(why error) { p.once.Do(func() { p.why = why; close(p.gone) }) }

func (p *pipe) Read([]byte) (int, error) { <-p.gone; return 0, p.why }

func (p *pipe) Write(b []byte) (int, error) {
	p.mu.Lock()
	block, deadline := p.block, p.deadline
	p.mu.Unlock()
	if block {
		select {
		case <-time.After(time.Until(deadline)):
			return 0, os.ErrDeadlineExceeded
		case <-p.gone:
			return 0, net.ErrClosed
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.far = append(p.far, b...)
	p.written += uint64(len(b))
	return len(b), nil
}

func (p *pipe) CloseWrite() error {
	p.mu.Lock()
	p.half = true
	p.mu.Unlock()
	p.end(io.EOF) // the far end closes in order
	return nil
}

func (p *pipe) Reached() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reached(p.written)
}

func (p *pipe) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.far)
}

func (p *pipe) Close() error                    { p.end(net.ErrClosed); return nil }
func (p *pipe) LocalAddr() net.Addr             { return &net.TCPAddr{} }
func (p *pipe) RemoteAddr() net.Addr            { return &net.TCPAddr{} }
func (p *pipe) SetDeadline(time.Time) error     { return nil }
func (p *pipe) SetReadDeadline(time.Time) error { return nil }
func (p *pipe) SetWriteDeadline(t time.Time) error {
	p.mu.Lock()
	p.deadline = t
	p.mu.Unlock()
	return nil
}

// script dials one prepared connection after the other; nil is a refusal.
type script struct {
	mu    sync.Mutex
	conns []*pipe
	times []time.Time
}

func (s *script) Dial(context.Context) (Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.times = append(s.times, time.Now())
	if len(s.conns) == 0 {
		return nil, errors.New("connection refused")
	}
	next := s.conns[0]
	s.conns = s.conns[1:]
	if next == nil {
		return nil, errors.New("connection refused")
	}
	return next, nil
}

// running is a relay at work in a bubble.
type running struct {
	*Relay
	seen *observed
	stop context.CancelFunc
	done chan error
}

func startRelay(t testing.TB, c Config, j Journal, d Dialer, cursor journal.Cursor) *running {
	t.Helper()
	seen := &observed{}
	relay, err := NewRelay(c, j, d, cursor, seen, discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	r := &running{relay, seen, stop, make(chan error, 1)}
	go func() { r.done <- relay.Run(ctx) }()
	return r
}

func (r *running) end(t testing.TB) {
	t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		t.Fatal(err)
	}
}
