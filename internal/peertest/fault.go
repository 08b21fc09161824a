package peertest

import (
	"io"
	"net"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

// Fault is what happens to the bytes that go one way over a connection: one of
// toxiproxy's toxics, behind so many bytes that go through as they are.
//
// Toxiproxy's own proxy is not used, for it closes both ways when one has ended, and in
// order when it has lost what it took. No network does: TCP carries on a half-close,
// and bytes that are lost are never followed by an orderly end.
type Fault struct {
	Toxic toxics.Toxic
	After int64
}

// Fault has every later connection, of which n is the number from 1, go through what
// faults returns; nil is none.
func (p *Proxy) Fault(faults func(n int) (up, down *Fault)) { p.set(func() { p.faults = faults }) }

// through copies from src to dst, and reports whether some of it was lost.
func (p *Proxy) through(f *Fault, dst, src net.Conn) (lost bool) {
	from := &tap{Reader: src, proxy: p}
	if _, err := io.CopyN(dst, from, f.After); err != nil {
		return err != io.EOF
	}
	size := 0
	if buffered, ok := f.Toxic.(toxics.BufferedToxic); ok {
		size = buffered.GetBufferSize()
	}
	in, out := make(chan *stream.StreamChunk, size), make(chan *stream.StreamChunk)
	stub := toxics.NewToxicStub(in, out)
	if stateful, ok := f.Toxic.(toxics.StatefulToxic); ok {
		stub.State = stateful.NewState()
	}
	broken := make(chan bool, 1)
	go func() {
		_, err := io.Copy(stream.NewChanWriter(in), from)
		broken <- err != nil
		close(in)
	}()
	go func() {
		f.Toxic.Pipe(stub)
		for range in {
		}
	}()
	passed, err := io.Copy(dst, stream.NewChanReader(out))
	if err != nil || !stub.Closed() {
		go func() {
			for range out {
			}
		}()
		return true
	}
	select {
	case lost = <-broken:
		return lost || f.After+passed < from.taken
	default: // src has not ended
		return true
	}
}

// tap lets its proxy see what is read, and counts it.
type tap struct {
	io.Reader
	proxy *Proxy
	taken int64
}

func (r *tap) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.taken += int64(n)
	r.proxy.set(func() { r.proxy.seen.Write(b[:n]) })
	return n, err
}
