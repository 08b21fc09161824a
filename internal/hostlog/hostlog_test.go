package hostlog

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// A line of the log reaches syslog as one message of its severity.
func TestWriterSendsEachLineWithItsSeverity(t *testing.T) {
	reader := listen(t)
	log := slog.New(slog.NewTextHandler(new(Writer), &slog.HandlerOptions{
		Level:       slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return without(a, slog.TimeKey) },
	}))
	for _, row := range []struct {
		say  func(string, ...any)
		want string
	}{
		{log.Error, "<27>auditbridge[%d]: level=ERROR msg=said why=\"two\\nlines\""},
		{log.Warn, "<28>auditbridge[%d]: level=WARN msg=said why=\"two\\nlines\""},
		{log.Info, "<30>auditbridge[%d]: level=INFO msg=said why=\"two\\nlines\""},
		{log.Debug, "<31>auditbridge[%d]: level=DEBUG msg=said why=\"two\\nlines\""},
	} {
		row.say("said", "why", "two\nlines")
		if got, want := receive(t, reader), fmt.Sprintf(row.want, os.Getpid()); got != want {
			t.Errorf("syslog got %q, want %q", got, want)
		}
	}
}

// While nobody listens, and while a reader does not read, nothing waits; what
// was dropped is counted.
func TestWriterDropsAndCountsWhatSyslogDoesNotTake(t *testing.T) {
	socket = filepath.Join(t.TempDir(), "nobody")
	t.Cleanup(func() { socket = "/dev/log" })
	w := new(Writer)
	for range 3 {
		if n, err := w.Write([]byte("level=INFO msg=lost\n")); n != 20 || err != nil {
			t.Fatalf("Write: %d, %v", n, err)
		}
	}
	reader := listen(t)
	w.Write([]byte("level=ERROR msg=heard\n"))
	if got, want := receive(t, reader), fmt.Sprintf("<27>auditbridge[%d]: level=ERROR msg=heard dropped-before=3", os.Getpid()); got != want {
		t.Errorf("syslog got %q, want %q", got, want)
	}
	dropped := 0
	for range 1000 { // the queue of a socket is shorter (net.unix.max_dgram_qlen)
		w.Write([]byte("level=INFO msg=flood\n"))
		if dropped = w.dropped; dropped > 2 {
			break
		}
	}
	if dropped == 0 {
		t.Error("nothing was dropped although nobody read")
	}
}

func listen(t *testing.T) *net.UnixConn {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "log")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); socket = "/dev/log" })
	return conn
}

func receive(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

func without(a slog.Attr, key string) slog.Attr {
	if a.Key == key {
		return slog.Attr{}
	}
	return a
}
