package diskguard

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"auditbridge/internal/boot"
	"auditbridge/internal/durable"
)

// memory is what must be known after a halt: that there was one, so that a host
// whose disk is still full does not go down again and again. It is a file that is
// as long as it will ever be, so a full disk does not stop it. The zero memory
// remembers nothing and forbids nothing.
type memory struct {
	slots *durable.Slots
	err   error // why nothing can be remembered
	boot  string
	halt  halted    // the last one; zero when it is forgiven
	well  time.Time // since when recording has worked
}

type halted struct {
	At    time.Time `json:"at,omitzero"`
	Boot  string    `json:"boot,omitempty"` // in which it was halted
	Level Level     `json:"level,omitempty"`
}

const guardMemory = "halted"

var memoryMagic = [8]byte{'a', 'b', 'h', 'a', 'l', 't', 'e', 'd'}

// forgiveAfter is how long a host must have recorded before it may be halted once
// more: long enough for root to log in.
const forgiveAfter = 10 * time.Minute

// openMemory opens it in dir. Where it cannot, halts are withheld.
func openMemory(dir, file string, log *slog.Logger) *memory {
	m := &memory{}
	if dir == "" {
		return m
	}
	if m.err = m.open(dir, file); m.err != nil {
		m.err = fmt.Errorf("remember a halt: %w", m.err)
		log.Warn("this host would not be halted: it could not be known afterwards that it was", "error", m.err)
	}
	return m
}

func (m *memory) open(dir, file string) error {
	var err error
	if m.boot, err = boot.ID(); err != nil {
		return err
	}
	d, err := durable.OpenDir(dir, 0o700, -1)
	if err != nil {
		return err
	}
	defer d.Close()
	if m.slots, err = durable.OpenSlots(d, file, memoryMagic, 1, 0o600, -1); err != nil {
		return err
	}
	if text := m.slots.State(); text != nil {
		return json.Unmarshal(text, &m.halt)
	}
	return nil
}

// repeats says that a halt now would follow on one before this boot, with nothing
// mended in between.
func (m *memory) repeats() bool { return !m.halt.At.IsZero() && m.halt.Boot != m.boot }

// remember makes durable that the host is halted.
func (m *memory) remember(level Level, now time.Time) error {
	if m.slots == nil {
		return m.err
	}
	return m.store(halted{now, m.boot, level})
}

func (m *memory) store(h halted) error {
	text, err := json.Marshal(h)
	if err == nil {
		err = m.slots.Store(text)
	}
	if err != nil { // which of the slots is in force is not known any more
		m.slots.Close()
		m.slots, m.err = nil, fmt.Errorf("remember a halt: %w", err)
		return m.err
	}
	m.halt = h
	return nil
}

// see notes whether recording works, and forgets the last halt once it has for
// long enough.
func (m *memory) see(works bool, now time.Time) error {
	switch {
	case !works:
		m.well = time.Time{}
	case m.well.IsZero():
		m.well = now
	case m.slots != nil && !m.halt.At.IsZero() && now.Sub(m.well) >= forgiveAfter:
		return m.store(halted{})
	}
	return nil
}

func (m *memory) close() error {
	if m.slots == nil {
		return nil
	}
	return m.slots.Close()
}

// forbidLogins keeps everybody but root from logging in, and shows them text
// (nologin(5)). A file that somebody else made stays as it is: it does the same.
func forbidLogins(path, text string) error {
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("forbid logins: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("forbid logins: %w", err)
	}
	return nil
}

// AllowLogins takes away what keeps everybody but root from logging in, where a Guard
// or a Failure has put it there: for when neither runs any more.
func AllowLogins(path string) error { return allowLogins(path, said) }

// said begins whatever we put into that file.
const said = "auditbridge: "

// allowLogins removes what forbidLogins made that begins so, be it by a process
// before us.
func allowLogins(path, begins string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) || err == nil && !strings.HasPrefix(string(text), begins) {
		return nil
	}
	if err == nil {
		err = os.Remove(path)
	}
	if err != nil {
		return fmt.Errorf("allow logins again: %w", err)
	}
	return nil
}
