package main

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// TestFarEndThatClosesInTheMiddle: a log server that reads a little and hangs up
// gets nothing counted as delivered; one that works, in its place, gets it all.
func TestFarEndThatClosesInTheMiddle(t *testing.T) {
	beside(t)
	l := peertest.Listen(t, func(conn net.Conn) {
		conn.Read(make([]byte, 100))
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	})
	port := peertest.PortOf(l)
	d := newDaemon(t, fromStdin+plain("siem", port, `format = "audit"`))
	d.start()
	d.feed(mixed)
	peertest.Until(t, "the break is told", func() bool {
		s, ok := d.status()
		return ok && s.State == status.Degraded && s.Destinations[0].LastError != "" && s.Destinations[0].Delivered == 0 && s.Stored == 11
	})
	l.Close()
	collector := peertest.StartRsyslogOn(t, port)
	d.untilDelivered()
	d.stop()
	d.untilReceived(collector)
	requireSameLines(t, d.journalLines(), collector.Received())
}

// TestTheTunnelHidesAndListensNowhere: with the users' own seven statements the
// server at the forwarding's local address goes through it; no port is opened
// for that, and nothing readable passes the wire.
func TestTheTunnelHidesAndListensNowhere(t *testing.T) {
	beside(t)
	far, collector := peertest.StartSSHD(t), peertest.StartRsyslog(t)
	wire := peertest.StartProxy(t, fmt.Sprint("127.0.0.1:", far.Port))
	d := newDaemon(t, "")
	local := peertest.FreePort(t)
	settings := strings.Replace(tunnelled(d, far, collector, "audit"), "local-port     = 7777", "local-port     = 7777\nlocal-interface = \"lo\"", 1)
	settings = strings.ReplaceAll(settings, "7777", fmt.Sprint(local))
	settings = strings.Replace(settings, fmt.Sprintf("server-port    = %d", far.Port), fmt.Sprintf("server-port    = %d", wire.Port), 1)
	d.configure(fromStdin + settings)
	rewrite(t, far.KnownHosts+".ours", peertest.KnownHostsLine(t, wire.Port, far.HostKey))
	edit(t, d.config, d.public(far.KnownHosts), d.public(far.KnownHosts+".ours"))
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	s, _ := d.status()
	if to := s.Destinations[0]; to.Via != "siem-tunnel" || !to.Connected {
		t.Errorf("the destination does not go through the tunnel: %+v", to)
	}
	if conn, err := net.Dial("tcp", fmt.Sprint("127.0.0.1:", local)); err == nil {
		conn.Close()
		t.Error("something listens on the forwarding's local port")
	}
	d.stop()
	d.untilReceived(collector)
	requireSameLines(t, d.journalLines(), collector.Received())
	for _, word := range []string{"mallory", "type=USER_LOGIN", "auditbridge@"} {
		if seen := wire.Seen(); len(seen) == 0 || strings.Contains(seen, word) {
			t.Errorf("%d bytes passed the wire, %q among them: %v", len(seen), word, len(seen) > 0)
		}
	}
}
