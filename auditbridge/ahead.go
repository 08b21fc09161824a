package auditbridge

import (
	"errors"
	"os"
	"sync"
	"time"
)

// Ahead reads from a pipe while nobody can store yet what comes: auditd waits
// for nobody for long, and then drops what it has for all its plugins. What it
// has read comes first when it is read itself.
type Ahead struct {
	from  *os.File
	held  []byte
	err   error // what ended reading ahead
	ended chan struct{}

	mu       sync.Mutex
	deadline time.Time // as the reader wants it
}

// ReadAhead begins to read from a pipe or socket that takes a deadline, at most
// limit bytes; then the writer has to wait.
func ReadAhead(from *os.File, limit int) *Ahead {
	a := &Ahead{from: from, ended: make(chan struct{})}
	go func() {
		defer close(a.ended)
		for piece := make([]byte, 64<<10); a.err == nil && len(a.held) < limit; {
			var n int
			n, a.err = a.from.Read(piece)
			a.held = append(a.held, piece[:n]...)
		}
	}()
	return a
}

// Read ends reading ahead, and returns what was read, then what comes.
func (a *Ahead) Read(p []byte) (n int, err error) {
	if a.ended != nil {
		a.end()
	}
	switch {
	case len(a.held) > 0:
		n = copy(p, a.held)
		if a.held = a.held[n:]; len(a.held) == 0 {
			a.held = nil
		}
	case a.err != nil:
		err = a.err
	default:
		n, err = a.from.Read(p)
	}
	return n, err
}

// end stops the goroutine: it may stand in a read for ever.
func (a *Ahead) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.from.SetReadDeadline(time.Unix(1, 0))
	<-a.ended
	a.ended = nil
	a.from.SetReadDeadline(a.deadline)
	if errors.Is(a.err, os.ErrDeadlineExceeded) {
		a.err = nil
	}
}

// SetReadDeadline is the pipe's. What was read ahead is there whatever it says.
func (a *Ahead) SetReadDeadline(t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.deadline = t
	return a.from.SetReadDeadline(t)
}
