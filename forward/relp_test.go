package forward

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"auditbridge/internal/peertest"
	"auditbridge/journal"
)

// overRELP is to, by RELP.
func overRELP(port int) Config {
	c := to(port)
	c.Protocol = ProtocolRELP
	return c
}

func TestStockImrelp(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		far  func(*testing.T) *peertest.Rsyslog
		way  func(*testing.T, *peertest.Rsyslog, Config) Dialer
	}{
		{"directly", func(t *testing.T) *peertest.Rsyslog { return peertest.StartRELP(t) }, func(t *testing.T, far *peertest.Rsyslog, c Config) Dialer { return direct{c.withDefaults()} }},
		{"through a stock sshd", func(t *testing.T) *peertest.Rsyslog { return peertest.StartRELP(t) }, func(t *testing.T, far *peertest.Rsyslog, c Config) Dialer {
			s := peertest.StartSSHD(t)
			return tunnelTo(t, s, s.Port, c)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			far := row.far(t)
			c := overRELP(far.Port)
			lines := events(0, 5000)
			r := startRelay(t, c, newMemJournal(lines...), row.way(t, far, c), journal.Cursor{})
			peertest.Until(t, "everything is acknowledged", func() bool { return r.Stats().Pending == 0 })
			peertest.Until(t, "everything is in the file", func() bool { return len(far.Received()) >= len(lines) })
			r.end(t)
			if got := rawLines(far.Received()); !slices.Equal(got, lines) {
				t.Errorf("rsyslog has %d lines, want the %d sent, in order, each once", len(got), len(lines))
			}
			if told := r.seen.told(); len(told) != 2 || told[1] != "up=false <nil>" {
				t.Errorf("told %q, want an orderly end", told)
			}
		})
	}
}

// RELP in TLS, each side with a certificate.
func TestStockImrelpInTLS(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	far := peertest.StartRELPTLS(t, ca, ca.Server(nil, "127.0.0.1"))
	c := inTLS(t, overRELP(far.Port), t.TempDir(), ca, ca.Client("fabric128", nil))
	c.Protocol = ProtocolRELP
	lines := events(0, 1000)
	r := startRelay(t, c, newMemJournal(lines...), overTLS(t, c, direct{c.withDefaults()}), journal.Cursor{})
	peertest.Until(t, "everything is acknowledged", func() bool { return r.Stats().Pending == 0 })
	r.end(t)
	peertest.Until(t, "everything is in the file", func() bool { return len(far.Received()) >= len(lines) })
	if got := rawLines(far.Received()); !slices.Equal(got, lines) {
		t.Errorf("rsyslog has %d lines, want the %d sent, in order, each once", len(got), len(lines))
	}
}

// A stock receiver that is killed and comes back has everything in the end.
func TestStockImrelpKilledUnderLoad(t *testing.T) {
	t.Parallel()
	far := peertest.StartRELP(t)
	c := overRELP(far.Port)
	j := newMemJournal()
	stopLoad := load(j, 20)
	r := startRelay(t, c, j, direct{c.withDefaults()}, journal.Cursor{})
	peertest.Until(t, "records flow", func() bool { return r.Stats().Delivered > 1000 })
	far.Kill()
	peertest.Until(t, "the relay notices", func() bool { return !r.Stats().Connected })
	far.Start(t)
	delivered := r.Stats().Delivered
	peertest.Until(t, "records flow again", func() bool { return r.Stats().Delivered > delivered+1000 })
	lines := stopLoad()
	peertest.Until(t, "everything is acknowledged", func() bool { return r.Stats().Delivered == uint64(len(lines)) })
	r.end(t)
	peertest.Until(t, "everything is in the file", func() bool {
		return slices.Equal(sortedLines(onceEach(t, rawLines(far.Received()), lines)), sortedLines(lines))
	})
}

// relpServer is a receiver of our own. evil treats the first connection; with its
// answers it says how many messages it has acknowledged without a gap.
type relpServer struct {
	net.Listener
	mu       sync.Mutex
	received []string
	conns    int
}

type relpConn struct {
	net.Conn
	in *bufio.Reader
}

func (c relpConn) next() (number int, command, data string, err error) {
	text, err := c.in.ReadString(' ')
	if err != nil {
		return 0, "", "", err
	}
	number, _ = strconv.Atoi(strings.TrimSpace(text))
	command, _ = c.in.ReadString(' ')
	length := 0
	for {
		b, err := c.in.ReadByte()
		if err != nil {
			return 0, "", "", err
		}
		if b == '\n' {
			return number, strings.TrimSpace(command), "", nil
		}
		if b == ' ' {
			break
		}
		length = length*10 + int(b-'0')
	}
	body := make([]byte, length+1)
	_, err = io.ReadFull(c.in, body)
	return number, strings.TrimSpace(command), string(body[:length]), err
}

func (c relpConn) answer(number int, data string) {
	if data == "" {
		fmt.Fprintf(c, "%d rsp 0\n", number)
		return
	}
	fmt.Fprintf(c, "%d rsp %d %s\n", number, len(data), data)
}

const opened = "200 OK\nrelp_version=0\nrelp_software=evil\ncommands=syslog"

// serve is what an honest receiver does. each, when not nil, answers a message in
// its place, and says whether to go on.
func (s *relpServer) serve(conn net.Conn, each func(c relpConn, number int) bool) {
	defer conn.Close()
	c := relpConn{conn, bufio.NewReader(conn)}
	for {
		number, command, data, err := c.next()
		switch {
		case err != nil:
			return
		case command == "open":
			c.answer(number, opened)
		case command == "close":
			c.answer(number, "")
			fmt.Fprint(c, "0 serverclose 0\n")
			return
		default:
			s.mu.Lock()
			s.received = append(s.received, data)
			s.mu.Unlock()
			if each == nil {
				c.answer(number, "200 OK")
			} else if !each(c, number) {
				return
			}
		}
	}
}

func startRELPServer(t *testing.T, evil func(s *relpServer, conn net.Conn)) *relpServer {
	t.Helper()
	s := &relpServer{}
	s.Listener = peertest.Listen(t, func(conn net.Conn) {
		s.mu.Lock()
		s.conns++
		first := s.conns == 1
		s.mu.Unlock()
		if first {
			evil(s, conn)
		} else {
			s.serve(conn, nil)
		}
	})
	return s
}

func (s *relpServer) port() int { return s.Addr().(*net.TCPAddr).Port }

func (s *relpServer) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// A receiver that does not keep to the protocol costs a connection and no record:
// what it acknowledged as it may counts, nothing else does.
func TestRELPReceiversThatLie(t *testing.T) {
	t.Parallel()
	const n = 30 // records
	by := func(each func(c relpConn, number int) bool) func(*relpServer, net.Conn) {
		return func(s *relpServer, conn net.Conn) { s.serve(conn, each) }
	}
	greet := func(text string) func(*relpServer, net.Conn) {
		return func(s *relpServer, conn net.Conn) {
			c := relpConn{conn, bufio.NewReader(conn)}
			number, _, _, _ := c.next()
			c.answer(number, text)
			io.Copy(io.Discard, conn)
		}
	}
	var late []int
	for _, row := range []struct {
		name string
		evil func(*relpServer, net.Conn)
		most uint64 // delivered by what it says
		says string // why the connection ended; "" when it did not
	}{
		{"late and out of turn", by(func(c relpConn, number int) bool {
			if late = append(late, number); len(late) == n {
				for _, number := range slices.Backward(late) {
					c.answer(number, "200 OK")
				}
			}
			return true
		}), n, ""},
		{"twice", by(func(c relpConn, number int) bool {
			c.answer(number, "200 OK")
			if number == 6 {
				c.answer(number, "200 OK")
			}
			return true
		}), 5, "answer to transaction 6: it acknowledges"},
		{"all but the first twice", by(func(c relpConn, number int) bool {
			if number > 2 {
				c.answer(number, "200 OK")
				c.answer(number, "200 OK")
			}
			return true
		}), 0, "acknowledges the same message twice"},
		{"never", by(func(c relpConn, number int) bool { return true }), 0, "it has acknowledged nothing for 500ms; 30 messages wait"},
		{"for the unsent", by(func(c relpConn, number int) bool { c.answer(number+1000, "200 OK"); return true }), 0, "never sent"},
		{"for nobody", by(func(c relpConn, number int) bool { c.answer(0, "200 OK"); return true }), 0, "transaction 0"},
		{"no room", by(func(c relpConn, number int) bool { c.answer(number, "500 disk full\x1b[2J"); return true }), 0, `refused with code 500: "disk full\x1b[2J"`},
		{"mid-frame", by(func(c relpConn, number int) bool {
			fmt.Fprintf(c, "%d rsp 6 200", number)
			c.Conn.(*net.TCPConn).CloseWrite()
			return true
		}), 0, "unexpected EOF"},
		{"a word that is none", by(func(c relpConn, number int) bool { fmt.Fprintf(c, "%d \x1b[2J 0\n", number); return true }), 0, "no command of a server"},
		{"without end", by(func(c relpConn, number int) bool { fmt.Fprintf(c, "%d rsp 999999999 x", number); return true }), 0, "an answer of 999999999 bytes"},
		{"in drops", by(func(c relpConn, number int) bool {
			fmt.Fprintf(c, "%d rsp 60000 200", number)
			drip(c)
			return false
		}), 0, "it has acknowledged nothing for 500ms"},
		{"greets in drops", func(_ *relpServer, conn net.Conn) {
			io.WriteString(conn, "1 rsp 60000 200")
			drip(conn)
		}, 0, "i/o timeout"},
		{"takes its leave", by(func(c relpConn, number int) bool {
			if number > 11 {
				fmt.Fprint(c, "0 serverclose 0\n")
				return false
			}
			c.answer(number, "200 OK")
			return true
		}), 10, "the far end closed the connection"},
		{"does not let us in", greet("500 not you"), 0, `refused with code 500: "not you"`},
		{"takes no messages", greet("200 OK\nrelp_version=0\ncommands=eventlog"), 0, "does not offer to take messages"},
		{"of another age", greet("200 OK\nrelp_version=9\ncommands=syslog"), 0, "version \"9\" of RELP"},
		{"an HTTP server", func(_ *relpServer, conn net.Conn) { fmt.Fprint(conn, "HTTP/1.1 400 Bad Request\r\n\r\n"); conn.Close() }, 0, "breaks the protocol"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			far := startRELPServer(t, row.evil)
			c := overRELP(far.port())
			c.AckTimeout, c.WriteTimeout = peertest.Patience, peertest.Patience
			switch row.name { // only where it is what ends the connection
			case "never", "in drops":
				c.AckTimeout = 500 * time.Millisecond
			case "greets in drops":
				c.WriteTimeout = 5 * time.Second
			}
			lines := events(0, n/3)
			hold := &gate{Dialer: direct{c.withDefaults()}, open: make(chan struct{})}
			r := startRelay(t, c, newMemJournal(lines...), hold, journal.Cursor{})
			peertest.Until(t, "it is found out", func() bool {
				s := r.Stats()
				return row.says == "" && s.Pending == 0 || row.says != "" && strings.Contains(s.LastError, row.says)
			})
			if got := r.Stats().Delivered; got > row.most {
				t.Errorf("%d records count as delivered, want %d at most", got, row.most)
			}
			close(hold.open)
			peertest.Until(t, "everything is acknowledged", func() bool { return r.Stats().Delivered == n })
			r.end(t)
			if got := onceEach(t, rawLines(far.all()), lines); !slices.Equal(got, lines) {
				t.Errorf("%d lines arrived, want %d", len(got), len(lines))
			}
		})
	}
}

// drip goes on and on about nothing, a byte at a time.
func drip(c net.Conn) {
	for {
		if _, err := c.Write([]byte("x")); err != nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// gate lets the first connection through, and others when it is open.
type gate struct {
	Dialer
	dialled bool
	open    chan struct{}
}

func (g *gate) Dial(ctx context.Context) (Conn, error) {
	if g.dialled {
		select {
		case <-g.open:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	g.dialled = true
	return g.Dialer.Dial(ctx)
}
