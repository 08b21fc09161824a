package forward

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/peertest"
	"auditbridge/journal"
)

func byUDP(port int) Config {
	c := to(port)
	c.Protocol = ProtocolUDP
	return c
}

func TestStockImudp(t *testing.T) {
	t.Parallel()
	far := peertest.StartUDP(t)
	c := byUDP(far.Port)
	lines := events(0, 100)
	r := startRelay(t, c, newMemJournal(lines...), nil, journal.Cursor{})
	peertest.Until(t, "everything is in the file", func() bool { return len(far.Received()) >= len(lines) })
	r.end(t)
	if got := rawLines(far.Received()); !slices.Equal(got, lines) {
		t.Errorf("rsyslog has %d lines, want the %d sent", len(got), len(lines))
	}
	if s := r.Stats(); int(s.Delivered) != len(lines) {
		t.Errorf("%+v", s)
	}
}

// Where nobody listens the far host says so: what was sent shortly before does not
// count, and comes once somebody does.
func TestNobodyListensByUDP(t *testing.T) {
	t.Parallel()
	port := peertest.FreePort(t)
	lines := events(0, 10)
	r := startRelay(t, byUDP(port), newMemJournal(lines...), nil, journal.Cursor{})
	peertest.Until(t, "it is told", func() bool {
		s := r.Stats()
		return strings.Contains(s.LastError, fmt.Sprintf("nobody listens at 127.0.0.1:%d by UDP", port)) && s.Hint != ""
	})
	if s := r.Stats(); s.Delivered != 0 {
		t.Errorf("%+v, want nothing delivered", s)
	}
	far, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	far.SetReadDeadline(time.Now().Add(peertest.Patience))
	var messages []string
	all := func() bool { // it may have been sending just when we began to listen: then all of it comes once more
		got := rawLines(messages)
		return len(got) >= len(lines) && slices.Equal(got[len(got)-len(lines):], lines)
	}
	for buf := make([]byte, 65536); !all(); {
		n, err := far.Read(buf)
		if err != nil {
			t.Fatalf("%v: of %d messages the last are not all lines, each in a datagram", err, len(messages))
		}
		messages = append(messages, string(buf[:n]))
	}
	r.end(t)
}

// An event's message fits what receivers take, whatever the format and the event.
func TestDatagramsAreBounded(t *testing.T) {
	long := line("USER_CMD", 1, "pid=1 uid=0 auid=1000 ses=1 msg='cwd=\"/\" cmd="+strings.Repeat("61", 12_000)+" terminal=x res=success'")
	for _, format := range []string{FormatEvent, FormatBSD, FormatCEF} {
		c := byUDP(1)
		c.Format = format
		messages, s := play(t, c.withDefaults(), journal.Cursor{}, []string{long})
		s.end()
		for _, m := range append(messages, frames(t, s)...) {
			if len(m) > maxDatagramEvent {
				t.Errorf("%s: a message of %d bytes, want %d at most", format, len(m), maxDatagramEvent)
			}
		}
	}
	d := &datagrams{}
	if got := d.Frame(nil, make([]byte, 100_000)); len(got) != maxDatagram || d.ends[0] != maxDatagram {
		t.Errorf("a datagram of %d bytes", len(got))
	}
}
