package forward

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/internal/peertest"
	"auditbridge/journal"
)

// memJournal is a journal in memory: what is appended is durable at once.
type memJournal struct {
	mu    sync.Mutex
	id    journal.ID
	first auditbridge.Sequence // of lines[0]
	lines []string
	ahead auditbridge.Sequence // lines that are written and not durable
	grown chan struct{}
	atEnd func() // called with the lock held when a reader has found nothing more; may be nil
}

func newMemJournal(lines ...string) *memJournal {
	return &memJournal{id: journal.ID{1}, first: 1, lines: lines, grown: make(chan struct{})}
}

func (j *memJournal) append(lines ...string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, lines...)
	close(j.grown)
	j.grown = make(chan struct{})
}

// drop forgets the n oldest lines, as retention does.
func (j *memJournal) drop(n int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines, j.first = j.lines[n:], j.first+auditbridge.Sequence(n)
}

func (j *memJournal) ID() journal.ID { return j.id }

func (j *memJournal) Durable() auditbridge.Sequence {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.first + auditbridge.Sequence(len(j.lines)) - 1
}

func (j *memJournal) Oldest() auditbridge.Sequence {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.first
}

func (j *memJournal) Written() auditbridge.Sequence { return j.Durable() + j.ahead }

func (j *memJournal) Open(from auditbridge.Sequence) (Source, error) {
	return &memSource{j: j, next: max(from, 1)}, nil
}

type memSource struct {
	j    *memJournal
	next auditbridge.Sequence
	line []byte
}

func (s *memSource) Next() (auditbridge.Sequence, []byte, error) {
	s.j.mu.Lock()
	defer s.j.mu.Unlock()
	s.next = max(s.next, s.j.first)
	i := int(s.next - s.j.first)
	if i >= len(s.j.lines) {
		if s.j.atEnd != nil {
			s.j.atEnd()
		}
		return 0, nil, io.EOF
	}
	s.line = append(s.line[:0], s.j.lines[i]...) // reused, as the reader's is
	s.next++
	return s.next - 1, s.line, nil
}

func (s *memSource) Wait(ctx context.Context) error {
	for {
		s.j.mu.Lock()
		more, grown := int(s.next-s.j.first) < len(s.j.lines), s.j.grown
		s.j.mu.Unlock()
		if more {
			return nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (s *memSource) Close() error { return nil }

// observed keeps what a relay tells.
type observed struct {
	mu       sync.Mutex
	cursor   journal.Cursor
	moves    int
	restarts []string
	links    []string
}

func (o *observed) MoveCursor(c journal.Cursor) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cursor = c
	o.moves++
}

func (o *observed) Restart(why string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cursor = journal.Cursor{}
	o.restarts = append(o.restarts, why)
}

func (o *observed) Link(c LinkChange) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.links = append(o.links, fmt.Sprintf("up=%v %v", c.Up, c.Why))
}

func (o *observed) at() journal.Cursor {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.cursor
}

func (o *observed) told() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.links...)
}

// Lines of a journal, as the kernel would have them.

func line(recordType string, serial int, text string) string {
	return fmt.Sprintf("type=%s msg=audit(1700000000.%03d:%d): %s", recordType, serial%1000, serial, text)
}

// syscallEvent is an event of three records.
func syscallEvent(serial int) []string {
	return []string{
		line("SYSCALL", serial, `arch=c000003e syscall=39 success=yes exit=0 pid=1 auid=0 comm="x" exe="/x" key="k"`),
		line("PROCTITLE", serial, `proctitle="x"`),
		line("EOE", serial, ""),
	}
}

func loginEvent(serial int) string {
	return line("USER_LOGIN", serial, `pid=1 uid=0 auid=0 ses=1 msg='op=login acct="root" exe="/usr/sbin/sshd" hostname=h addr=10.0.0.1 terminal=ssh res=success'`)
}

func configEvent(serial int) []string {
	return []string{line("CONFIG_CHANGE", serial, `auid=0 ses=1 op=add_rule key="k" list=4 res=1`), line("EOE", serial, "")}
}

func unknownEvent(serial int) []string {
	return []string{line("UNKNOWN[1999]", serial, "who=knows"), line("EOE", serial, "")}
}

func blockLine(serial int) string {
	return line("DAEMON_CONFIG", auditbridge.FirstNoteSerial+serial, "op=block auid=4294967295 pid=1 uid=0 ses=4294967295 first=1 n=3 res=success")
}

func events(from, to int) (lines []string) {
	for i := from; i < to; i++ {
		lines = append(lines, syscallEvent(i)...)
	}
	return lines
}

func testConfig(format string) Config {
	return Config{Name: "siem", Address: "127.0.0.1", Port: 1, Protocol: ProtocolTCP, Format: format, Node: "fabric128", Start: StartOldest}
}

// sink is a receiver in the test: it keeps whole frames.
type sink struct {
	t testing.TB
	l net.Listener

	mu       sync.Mutex
	messages []string
	conns    []net.Conn
	torn     int
}

func startSink(t testing.TB) *sink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &sink{t: t, l: l}
	t.Cleanup(s.stop)
	go s.accept()
	return s
}

func (s *sink) port() int { return s.l.Addr().(*net.TCPAddr).Port }

func (s *sink) stop() {
	s.l.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
}

func (s *sink) accept() {
	for {
		c, err := s.l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.conns = append(s.conns, c)
		s.mu.Unlock()
		go s.read(c)
	}
}

func (s *sink) read(c net.Conn) {
	defer c.Close()
	for r := bufio.NewReader(c); ; {
		message, err := readFrame(r)
		s.mu.Lock()
		if err == nil {
			s.messages = append(s.messages, message)
		} else if err != io.EOF {
			s.torn++
		}
		s.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (s *sink) connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

func (s *sink) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.messages...)
}

// readFrame reads one octet-counted message; io.EOF is an end between two.
func readFrame(r *bufio.Reader) (string, error) {
	count, err := r.ReadString(' ')
	if err == io.EOF && count != "" {
		return "", io.ErrUnexpectedEOF
	}
	if err != nil {
		return "", err
	}
	n, err := strconv.Atoi(strings.TrimSuffix(count, " "))
	if err != nil {
		return "", err
	}
	message := make([]byte, n)
	if _, err := io.ReadFull(r, message); err != nil {
		return "", io.ErrUnexpectedEOF
	}
	return string(message), nil
}

// rawLines cuts the journal's lines out of messages of format "audit".
func rawLines(messages []string) (lines []string) {
	for _, m := range messages {
		lines = append(lines, m[strings.Index(m, "] type=")+2:])
	}
	return lines
}

var discard = slog.New(slog.DiscardHandler)

// sinkConn is a connection as the front of a sink got it.
type sinkConn struct{ net.Conn }

// startFront listens before a sink: act sees each connection first, then the
// sink reads it.
func startFront(t testing.TB, s *sink, act func(*sinkConn)) (port int) {
	t.Helper()
	return peertest.PortOf(peertest.Listen(t, func(c net.Conn) {
		act(&sinkConn{c})
		s.read(c)
	}))
}

func writeKnownHosts(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
