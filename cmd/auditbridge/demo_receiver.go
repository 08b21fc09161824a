package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
)

// demoReceiver is the demonstration's remote-logging server: it takes syslog
// messages framed by octet counting (RFC 6587 section 3.4.1) and keeps the raw
// audit line that each carries.
type demoReceiver struct {
	listener net.Listener
	arrived  func(line []byte) // called in order of arrival, one at a time

	mu  sync.Mutex
	err error // first frame that could not be read
}

func newDemoReceiver(arrived func(line []byte)) (*demoReceiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the demo's log server: %w", err)
	}
	return &demoReceiver{listener: listener, arrived: arrived}, nil
}

func (r *demoReceiver) address() string { return r.listener.Addr().String() }

// Run receives until ctx ends.
func (r *demoReceiver) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { r.listener.Close() })()
	for {
		conn, err := r.listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept at the demo's log server: %w", err)
		}
		go r.serve(ctx, conn)
	}
}

func (r *demoReceiver) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	in := bufio.NewReaderSize(conn, 1<<16)
	for {
		frame, err := readFrame(in)
		if errors.Is(err, io.EOF) {
			return
		}
		r.mu.Lock()
		if err != nil {
			r.err = errors.Join(r.err, err)
			r.mu.Unlock()
			return
		}
		r.arrived(auditLine(frame))
		r.mu.Unlock()
	}
}

// failure is what went wrong at the receiving end, nil when nothing did.
func (r *demoReceiver) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// maxFrame bounds what one message may claim to be long.
const maxFrame = 1 << 20

func readFrame(in *bufio.Reader) ([]byte, error) {
	head, err := in.ReadSlice(' ')
	if err != nil {
		if errors.Is(err, io.EOF) && len(head) == 0 {
			return nil, io.EOF
		}
		return nil, fmt.Errorf("read the length of a message: %w", err)
	}
	n, err := strconv.Atoi(string(head[:len(head)-1]))
	if err != nil || n <= 0 || n > maxFrame {
		return nil, fmt.Errorf("read the length of a message: %q is none", head)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(in, frame); err != nil {
		return nil, fmt.Errorf("read a message of %d bytes: %w", n, err)
	}
	return frame, nil
}

// auditLine cuts the syslog header off: what follows the structured data.
func auditLine(frame []byte) []byte {
	for _, start := range []string{"type=", "node="} {
		if i := bytes.Index(frame, []byte("] "+start)); i >= 0 {
			return frame[i+2:]
		}
	}
	return frame
}
