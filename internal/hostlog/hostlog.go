// Package hostlog says things to the host's syslog, whoever reads it there. It
// never waits long: the reader may hang on the very disk there is trouble with.
package hostlog

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// Priority is facility times eight plus severity, RFC 5424 section 6.2.1.
type Priority int

const (
	AuthEmergency Priority = 4*8 + 0
	AuthAlert     Priority = 4*8 + 1
	DaemonError   Priority = 3*8 + 3
	DaemonWarning Priority = 3*8 + 4
	DaemonInfo    Priority = 3*8 + 6
	DaemonDebug   Priority = 3*8 + 7
)

// Socket is where the host's syslog listens (syslog(3), _PATH_LOG).
const Socket = "/dev/log"

// socket is Socket but in tests.
var socket = Socket

// Send sends one message. It waits for at most patience.
func Send(p Priority, text string, patience time.Duration) error {
	return SendTo(socket, p, text, patience)
}

// SendTo is Send to a syslog that listens elsewhere.
func SendTo(socket string, p Priority, text string, patience time.Duration) error {
	conn, err := net.DialTimeout("unixgram", socket, patience)
	if err != nil {
		return fmt.Errorf("tell syslog: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return fmt.Errorf("tell syslog: %w", err)
	}
	if _, err := fmt.Fprintf(conn, "<%d>auditbridge[%d]: %s", p, os.Getpid(), text); err != nil {
		return fmt.Errorf("tell syslog: %w", err)
	}
	return nil
}

// Writer is where a slog.TextHandler writes whose first attribute is the level:
// each line is one message, of that level's severity. A line syslog does not
// take at once is dropped; the next it takes says how many were.
type Writer struct {
	mu      sync.Mutex
	dropped int
}

const lineWait = 50 * time.Millisecond

// Write never fails: there is nobody left to tell.
func (w *Writer) Write(line []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := string(bytes.TrimSuffix(line, []byte{'\n'}))
	if w.dropped > 0 {
		text += fmt.Sprintf(" dropped-before=%d", w.dropped)
	}
	if Send(priority(line), text, lineWait) != nil {
		w.dropped++
	} else {
		w.dropped = 0
	}
	return len(line), nil
}

func priority(line []byte) Priority {
	for level, p := range map[string]Priority{
		"level=ERROR ": DaemonError, "level=WARN ": DaemonWarning, "level=DEBUG ": DaemonDebug,
	} {
		if bytes.HasPrefix(line, []byte(level)) {
			return p
		}
	}
	return DaemonInfo
}
