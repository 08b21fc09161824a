package forward

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/internal/peertest"
	"auditbridge/journal"
)

// toAuditd is to, by auditd's protocol.
func toAuditd(port int) Config {
	c := to(port)
	c.Protocol = ProtocolAuditd
	return c
}

// stored is what an auditd's log has of lines: all but EOE, with the host's name.
func stored(lines []string) (all []string) {
	for _, l := range lines {
		if !strings.HasPrefix(l, "type=EOE ") {
			all = append(all, "node=fabric128 "+l)
		}
	}
	return all
}

func TestStockAuditd(t *testing.T) {
	t.Parallel()
	for _, tunnelled := range []bool{false, true} {
		t.Run(map[bool]string{false: "directly", true: "through a stock sshd"}[tunnelled], func(t *testing.T) {
			t.Parallel()
			far := peertest.StartAuditdReceiver(t, "64m", "")
			c := toAuditd(far.Port)
			var way Dialer = direct{c.withDefaults()}
			if tunnelled {
				s := peertest.StartSSHD(t)
				way = tunnelTo(t, s, s.Port, c)
			}
			lines := events(0, 5000)
			r := startRelay(t, c, newMemJournal(lines...), way, journal.Cursor{})
			peertest.Until(t, "everything is acknowledged", func() bool { return r.Stats().Pending == 0 })
			if got, want := far.Received(), stored(lines); !slices.Equal(got, want) {
				t.Errorf("auditd has %d lines, want the %d sent, in order, each once", len(got), len(want))
			}
			r.end(t)
			if told := r.seen.told(); len(told) != 2 || told[1] != "up=false <nil>" {
				t.Errorf("told %q, want an orderly end", told)
			}
			if s := r.Stats(); s.Delivered != 10000 || s.Excluded != 5000 {
				t.Errorf("%d delivered, %d excluded; want EOE alone excluded", s.Delivered, s.Excluded)
			}
		})
	}
}

// A stock auditd whose disk is full is told of, and gets the rest when there is room:
// what it did not store was never counted.
func TestStockAuditdWithAFullDisk(t *testing.T) {
	t.Parallel()
	t.Run("T-ITC-SERVERFULL", func(t *testing.T) {
		far := peertest.StartAuditdReceiver(t, "256k", "")
		c := toAuditd(far.Port)
		lines := events(0, 2000)
		r := startRelay(t, c, newMemJournal(lines...), direct{c.withDefaults()}, journal.Cursor{})
		peertest.Until(t, "the full disk is told", func() bool {
			s := r.Stats()
			return !s.Connected && strings.Contains(s.LastError, "the disk of the auditd there is full") && s.Hint != ""
		})
		if s, n := r.Stats(), len(far.Received()); int(s.Delivered) > n+1 { // the line being written may be torn
			t.Errorf("%d records delivered, %d in the log", s.Delivered, n)
		}
		far.Grow(t, "64m")
		peertest.Until(t, "everything is acknowledged", func() bool { return r.Stats().Pending == 0 })
		r.end(t)
		have := map[string]bool{}
		for _, l := range far.Received() {
			have[l] = true
		}
		for _, l := range stored(lines) {
			if !have[l] {
				t.Fatalf("%q is delivered and not in the log", l)
			}
		}
	})
}

// An auditd that is stopped says so, and one that comes back has the rest.
func TestStockAuditdStoppedAndKilled(t *testing.T) {
	t.Parallel()
	far := peertest.StartAuditdReceiver(t, "64m", "")
	c := toAuditd(far.Port)
	j := newMemJournal(events(0, 10)...)
	r := startRelay(t, c, j, direct{c.withDefaults()}, journal.Cursor{})
	peertest.Until(t, "everything is acknowledged", func() bool { return r.Stats().Pending == 0 })
	far.Stop()
	peertest.Until(t, "its leave is told", func() bool {
		return slices.ContainsFunc(r.seen.told(), func(l string) bool { return strings.Contains(l, "the auditd there stops") })
	})
	far.Start(t)
	j.append(events(10, 20)...)
	peertest.Until(t, "everything is acknowledged", func() bool { return r.Stats().Delivered == 40 })
	if got, want := far.Received(), stored(events(10, 20)); !slices.Equal(got, want) {
		t.Errorf("after its restart auditd has %d lines, want %d", len(got), len(want))
	}
	far.Kill()
	peertest.Until(t, "the relay notices", func() bool { return !r.Stats().Connected })
	r.end(t)
}

// auditdConn is a receiver's end of a connection, for receivers of our own.
type auditdConn struct{ net.Conn }

func (c auditdConn) next() (kind, sequence uint32, body string, err error) {
	var h [16]byte
	if _, err := io.ReadFull(c, h[:]); err != nil {
		return 0, 0, "", err
	}
	text := make([]byte, binary.LittleEndian.Uint16(h[10:]))
	_, err = io.ReadFull(c, text)
	return binary.LittleEndian.Uint32(h[6:]), binary.LittleEndian.Uint32(h[12:]), string(text), err
}

func (c auditdConn) answer(kind, sequence uint32, text string) {
	c.Write(auditdAnswer(kind, sequence, text))
}

func auditdAnswer(kind, sequence uint32, text string) []byte {
	h := binary.LittleEndian.AppendUint32(nil, 0xff0000fe)
	h = append(h, 0, 0)
	h = binary.LittleEndian.AppendUint32(h, kind)
	h = binary.LittleEndian.AppendUint16(h, uint16(len(text)))
	return append(binary.LittleEndian.AppendUint32(h, sequence), text...)
}

type auditdServer struct {
	net.Listener
	mu       sync.Mutex
	received []string
	kinds    []uint32
}

// startAuditdServer listens; each answers the frames of the first connection, later
// ones are answered as they should be.
func startAuditdServer(t *testing.T, each func(c auditdConn, sequence uint32) bool) *auditdServer {
	t.Helper()
	s, conns := &auditdServer{}, atomic.Int32{}
	s.Listener = peertest.Listen(t, func(conn net.Conn) { s.serve(auditdConn{conn}, conns.Add(1) == 1, each) })
	return s
}

func (s *auditdServer) serve(c auditdConn, evil bool, each func(c auditdConn, sequence uint32) bool) {
	defer c.Close()
	for {
		kind, sequence, body, err := c.next()
		if err != nil {
			return
		}
		s.mu.Lock()
		s.kinds = append(s.kinds, kind)
		if kind == 0 {
			s.received = append(s.received, strings.TrimSuffix(body, "\n"))
		}
		s.mu.Unlock()
		if !evil || each == nil {
			c.answer(0x40000000, sequence, "")
		} else if !each(c, sequence) {
			return
		}
	}
}

func (s *auditdServer) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.received)
}

// A receiver that does not keep to the protocol costs a connection and no record; and
// each answer has its own meaning.
func TestAuditdReceiversThatLie(t *testing.T) {
	t.Parallel()
	const ack, n = 0x40000000, 20 // records stored; as many EOE again are not sent
	always := func(kind uint32, text string) func(auditdConn, uint32) bool {
		return func(c auditdConn, sequence uint32) bool { c.answer(kind, sequence, text); return true }
	}
	raw := func(text []byte) func(auditdConn, uint32) bool {
		return func(c auditdConn, _ uint32) bool {
			c.Write(text)
			c.Conn.(*net.TCPConn).CloseWrite()
			return true
		}
	}
	for _, row := range []struct {
		name string
		each func(c auditdConn, sequence uint32) bool
		most uint64 // delivered by what it says
		says string // why the connection ended; "" when it did not
	}{
		{"late", func(c auditdConn, sequence uint32) bool {
			if sequence == n {
				for i := range uint32(n) {
					c.answer(ack, i+1, "")
				}
			}
			return true
		}, n, ""},
		{"disk low: stored", always(0x50000001, ""), n, ""},
		{"a warning unknown here: stored", always(0x50000777, "hm"), n, ""},
		{"an answer unknown here: stored", always(0x40000777, ""), n, ""},
		{"disk full: not stored", always(0x60000001, "disk full"), 0, `the disk of the auditd there is full: it says "disk full"`},
		{"disk error: not stored", always(0x60000002, "remote logging suspended\x1b[2J"), 0, `has suspended its logging: it says "remote logging suspended\x1b[2J"`},
		{"a refusal unknown here: not stored", always(0x60000777, ""), 0, "did not store a record (answer 0x60000777)"},
		{"disk full in the middle", func(c auditdConn, sequence uint32) bool {
			if sequence > 7 {
				c.answer(0x60000001, sequence, strings.Repeat("x", 60000))
			} else {
				c.answer(ack, sequence, "")
			}
			return true
		}, 7, "disk of the auditd there is full"},
		{"out of turn", func(c auditdConn, sequence uint32) bool {
			if sequence%2 == 0 {
				c.answer(ack, sequence, "")
				c.answer(ack, sequence-1, "")
			}
			return true
		}, 0, "an answer to frame 2; the next would be to 1"},
		{"twice", func(c auditdConn, sequence uint32) bool {
			c.answer(ack, sequence, "")
			c.answer(ack, sequence, "")
			return true
		}, 2, "an answer to frame 1"},
		{"never", func(auditdConn, uint32) bool { return true }, 0, "it has acknowledged nothing for 500ms"},
		{"for the unsent", func(c auditdConn, sequence uint32) bool { c.answer(ack, sequence+1000, ""); return true }, 0, "an answer to frame 1001; the next would be to 1"},
		{"no answer but a message", raw(auditdAnswer(0, 1, "type=X")), 0, "which is no answer"},
		{"a login prompt", raw([]byte("login: \x1b[2J please say who you are")), 0, "breaks the protocol: an answer begins with"},
		{"mid-frame", raw(auditdAnswer(ack, 1, "")[:7]), 0, "unexpected EOF"},
		{"mid-text", raw(auditdAnswer(0x60000001, 1, "disk full")[:20]), 0, "unexpected EOF"},
		{"in drops", func(c auditdConn, _ uint32) bool {
			c.Write(auditdAnswer(ack, 1, strings.Repeat("x", 60000))[:20])
			drip(c)
			return false
		}, 0, "it has acknowledged nothing for 500ms"},
		{"stops", raw(auditdAnswer(0x40000001, 0, "")), 0, "the auditd there stops"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			far := startAuditdServer(t, row.each)
			c := toAuditd(far.Addr().(*net.TCPAddr).Port)
			if c.AckTimeout = peertest.Patience; row.name == "never" || row.name == "in drops" {
				c.AckTimeout = 500 * time.Millisecond
			}
			lines := events(0, n/2)
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
			if got, want := onceEach(t, far.all(), stored(lines)), stored(lines); !slices.Equal(got, want) {
				t.Errorf("%d lines arrived, want %d", len(got), len(want))
			}
		})
	}
}
