package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"

	"auditbridge/internal/peertest"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestWhatIsRecordedArrivesByItself: nobody logs in and nothing is typed between a
// record and its arrival, and of what passes between the hosts nothing is readable.
// The capture also takes the far host's own leg, from its SSH server to its log
// server, which is clear: there it sees each marker, so it would have between the
// hosts.
func TestWhatIsRecordedArrivesByItself(t *testing.T) {
	beside(t)
	t.Run("T-STG-AUTO", func(t *testing.T) {
		far, collector := peertest.StartSSHD(t), peertest.StartRsyslog(t)
		between, beyond := capturePort(t, far.Port), capturePort(t, collector.Port)
		d := newDaemon(t, "")
		d.configure(fromStdin + tunnelled(d, far, collector, "audit"))
		d.start()
		const records = 500
		var fed strings.Builder
		for i := range records {
			fmt.Fprintf(&fed, "type=USER_LOGIN msg=audit(%d.100:%d): pid=1 uid=0 auid=1000 ses=5 msg='op=login acct=\"marker-%d-of-this-test\" exe=\"/usr/sbin/sshd\" res=success'\n", 1709742929+i, i+1, i)
		}
		d.feed(fed.String())
		d.untilDelivered()
		d.stop()
		d.untilReceived(collector)
		requireSameLines(t, d.journalLines(), collector.Received())

		clear := regexp.MustCompile(`marker-[0-9]+-of-this-test`)
		peertest.Until(t, "the far host's clear leg shows each marker", func() bool {
			seen := map[string]bool{}
			for _, marker := range clear.FindAllString(beyond.payload(t), -1) {
				seen[marker] = true
			}
			return len(seen) == records
		})
		encrypted := between.payload(t)
		if !strings.Contains(encrypted, "SSH-2.0-") || len(encrypted) < records {
			t.Errorf("%d bytes between the hosts, and no SSH", len(encrypted))
		}
		for _, word := range []string{"marker-", "of-this-test", "USER_LOGIN", "type=", "auditbridge@", "op=block"} {
			if strings.Contains(encrypted, word) {
				t.Errorf("%q is readable between the hosts", word)
			}
		}
	})
}

// capture keeps what TCP carries from and to one port of the loopback interface, in
// the order in which it arrives.
type capture struct {
	socket int
	port   uint16
	bytes  [2]strings.Builder // to the port, from it
}

// capturePort begins to capture; the socket holds what comes until payload takes it.
func capturePort(t *testing.T, port int) *capture {
	t.Helper()
	lo, err := net.InterfaceByName("lo")
	must(t, err)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	must(t, err)
	t.Cleanup(func() { unix.Close(fd) })
	must(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 32<<20))
	must(t, unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, ofPort(t, uint32(port))))
	protocol := binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, unix.ETH_P_IP))
	must(t, unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: protocol, Ifindex: lo.Index}))
	return &capture{socket: fd, port: uint16(port)}
}

// ofPort is the filter program that passes TCP over IPv4 from or to port.
func ofPort(t *testing.T, port uint32) *unix.SockFprog {
	t.Helper()
	raw, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: 9, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.IPPROTO_TCP, SkipTrue: 5},
		bpf.LoadMemShift{Off: 0},
		bpf.LoadIndirect{Off: 0, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipTrue: 3},
		bpf.LoadIndirect{Off: 2, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: port, SkipTrue: 1},
		bpf.RetConstant{Val: 0},
		bpf.RetConstant{Val: 1 << 18},
	})
	must(t, err)
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return &unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
}

// payload is everything that was carried up to now, both ways. A packet that the
// capture itself lost fails the test: it might have been the one.
func (c *capture) payload(t *testing.T) string {
	t.Helper()
	for packet := make([]byte, 1<<18); ; {
		n, _, err := unix.Recvfrom(c.socket, packet, 0)
		if err == unix.EAGAIN {
			break
		}
		must(t, err)
		ip := packet[:n]
		tcp := ip[4*(ip[0]&15) : binary.BigEndian.Uint16(ip[2:])]
		way := 1
		if binary.BigEndian.Uint16(tcp[2:]) == c.port {
			way = 0
		}
		c.bytes[way].Write(tcp[4*(tcp[12]>>4):])
	}
	lost, err := unix.GetsockoptTpacketStats(c.socket, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	must(t, err)
	if lost.Drops > 0 {
		t.Fatalf("the capture lost %d packets", lost.Drops)
	}
	return c.bytes[0].String() + "\n" + c.bytes[1].String()
}
