package peertest

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy is a TCP proxy with faults.
type Proxy struct {
	Port   int
	target string
	l      net.Listener

	mu       sync.Mutex
	gate     chan struct{} // closed while bytes flow
	cutAfter int64         // of the next connection, towards the target; < 0 is never
	refuse   bool
	faults   func(n int) (up, down *Fault)
	pairs    map[net.Conn]net.Conn
	accepted int
	seen     bytes.Buffer // all that came in, from either side
}

// StartProxy listens on loopback and connects to target.
func StartProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Port: l.Addr().(*net.TCPAddr).Port, target: target, l: l, gate: make(chan struct{}), cutAfter: -1, pairs: map[net.Conn]net.Conn{}}
	close(p.gate)
	go p.accept()
	t.Cleanup(func() {
		l.Close()
		p.Resume()
		p.Cut()
	})
	return p
}

func (p *Proxy) accept() {
	for {
		client, err := p.l.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.accepted++
		refuse, limit := p.refuse, p.cutAfter
		p.cutAfter = -1
		var up, down *Fault
		if p.faults != nil {
			up, down = p.faults(p.accepted)
		}
		p.mu.Unlock()
		server, err := net.Dial("tcp", p.target)
		if err != nil || refuse {
			reset(client)
			if err == nil {
				server.Close()
			}
			continue
		}
		p.mu.Lock()
		p.pairs[client] = server
		p.mu.Unlock()
		go p.carry(client, server, limit, up, down)
	}
}

// carry copies both ways until one side ends in order (which is handed on), or
// the limit is reached: then the target sees an end after exactly that many
// bytes, and the client a reset.
func (p *Proxy) carry(client, server net.Conn, limit int64, up, down *Fault) {
	var both sync.WaitGroup
	both.Go(func() {
		if up != nil && p.through(up, server, client) || up == nil && p.copy(server, client, limit) {
			reset(client)
		}
		server.(*net.TCPConn).CloseWrite()
	})
	both.Go(func() {
		if down != nil && p.through(down, client, server) || down == nil && p.copy(client, server, -1) {
			reset(client)
			reset(server)
		}
		client.(*net.TCPConn).CloseWrite()
	})
	both.Wait()
	client.Close()
	server.Close()
	p.mu.Lock()
	delete(p.pairs, client)
	p.mu.Unlock()
}

// copy reports whether it ended at the limit.
func (p *Proxy) copy(dst, src net.Conn, limit int64) (cut bool) {
	buf := make([]byte, 16<<10)
	for {
		p.mu.Lock()
		gate := p.gate
		p.mu.Unlock()
		<-gate
		want := buf
		if limit >= 0 && limit < int64(len(buf)) {
			want = buf[:limit]
		}
		if limit == 0 {
			return true
		}
		n, err := src.Read(want)
		p.mu.Lock()
		p.seen.Write(want[:n])
		gate = p.gate
		p.mu.Unlock()
		<-gate
		if _, werr := dst.Write(buf[:n]); werr != nil || err != nil {
			if err != nil && err != io.EOF || werr != nil {
				reset(src)
				reset(dst)
			}
			return false
		}
		if limit > 0 {
			limit -= int64(n)
		}
	}
}

// CutNext cuts the next connection after n bytes towards the target.
func (p *Proxy) CutNext(n int64) { p.set(func() { p.cutAfter = n }) }

// Seen is all that came in so far, from either side.
func (p *Proxy) Seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.String()
}

// Refuse makes the proxy reset every new connection, or no longer.
func (p *Proxy) Refuse(yes bool) { p.set(func() { p.refuse = yes }) }

// Pause keeps connections open and carries nothing either way: a black hole.
func (p *Proxy) Pause() { p.set(func() { p.gate = make(chan struct{}) }) }

// Resume ends Pause; nothing was lost.
func (p *Proxy) Resume() {
	p.set(func() {
		select {
		case <-p.gate:
		default:
			close(p.gate)
		}
	})
}

// Cut resets every connection there is.
func (p *Proxy) Cut() {
	p.set(func() {
		for client, server := range p.pairs {
			reset(client)
			reset(server)
		}
	})
}

// Accepted is how many connections came.
func (p *Proxy) Accepted() (n int) {
	p.set(func() { n = p.accepted })
	return n
}

func (p *Proxy) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}
