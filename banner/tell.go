package banner

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"auditbridge/internal/terminal"

	"golang.org/x/sys/unix"
)

const (
	terminalTime = 50 * time.Millisecond  // that one terminal may take to accept what is written
	tellTime     = 500 * time.Millisecond // that all of them together may take
)

// Told is how many terminals a message reached.
type Told struct {
	Reached  int `json:"reached"`
	Missed   int `json:"missed"` // stopped, hung up, or slow
	Excluded int `json:"excluded"`
}

// Teller writes to terminals. The zero Teller leaves none out.
type Teller struct {
	Root    string // "" but in tests
	Exclude []Exclusion

	mu   sync.Mutex
	busy map[uint64]bool // what a write has not come back from
}

// Tell writes text to every terminal that a person is on. Each is given a moment;
// one that does not take it is counted and delays no other. What would do more than
// show itself is made harmless.
func (t *Teller) Tell(text string) (told Told) {
	message := forTerminal(text)
	var writing []Terminal
	left := exclusion{rules: t.Exclude, root: t.Root}
	for _, to := range Terminals(t.Root) {
		switch {
		case left.excludes(&to):
			told.Excluded++
		case !t.take(to.Device):
			told.Missed++
		default:
			writing = append(writing, to)
		}
	}
	done := make(chan error, len(writing))
	for _, to := range writing {
		go func() {
			err := write(&to, message)
			t.give(to.Device) // first: whoever hears that it is done may have the next message
			done <- err
		}()
	}
	late := time.After(tellTime)
	for i := range writing {
		select {
		case err := <-done:
			if err != nil {
				told.Missed++
				continue
			}
			told.Reached++
		case <-late:
			told.Missed += len(writing) - i
			return told
		}
	}
	return told
}

// take makes sure that one that hangs does not hang twice: opening a serial line
// may last for as long as its last user's words are under way.
func (t *Teller) take(device uint64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.busy[device] {
		return false
	}
	if t.busy == nil {
		t.busy = map[uint64]bool{}
	}
	t.busy[device] = true
	return true
}

func (t *Teller) give(device uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, device)
}

// forTerminal rings, and begins every line at the left, whatever mode the terminal
// is in.
func forTerminal(text string) []byte {
	safe := terminal.SafeLines(strings.TrimSuffix(text, "\n"))
	return []byte("\r\n\a" + strings.ReplaceAll(safe, "\n", "\r\n") + "\r\n")
}

// write waits for nobody: what a stopped terminal does not take is not written. It
// waits without a thread of its own, of which anybody with many terminals would
// make us use up all that we may have.
func write(to *Terminal, message []byte) error {
	fd, err := unix.Open(to.Path, unix.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open %s: %w", to.Path, err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Rdev != to.Device {
		return fmt.Errorf("open %s: it is another device by now", to.Path)
	}
	if _, err := unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
		return fmt.Errorf("write to %s: it is no terminal", to.Path)
	}
	for end := time.Now().Add(terminalTime); len(message) > 0; {
		n, err := unix.Write(fd, message)
		message = message[max(n, 0):]
		switch {
		case err == nil, errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN) && time.Now().Before(end):
			time.Sleep(terminalTime / 10)
		default:
			return fmt.Errorf("write to %s: %w", to.Path, err)
		}
	}
	return nil
}
