package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
)

// TestLoggedTrafficIsASessionEvent: a packet that a firewall rule of stock nft
// logs to audit, in a network of its own, is an event of class session.
func TestLoggedTrafficIsASessionEvent(t *testing.T) {
	t.Parallel()
	audittest.Kernel(t)
	d := newDaemon(t, "")
	d.start()
	packet := exec.Command("unshare", "--net", "bash", "-euc", `
		ip link set lo up
		nft add table inet audited
		nft 'add chain inet audited in { type filter hook input priority 0; }'
		nft add rule inet audited in udp dport 9 log level audit
		echo packet >/dev/udp/127.0.0.1/9`)
	if out, err := packet.CombinedOutput(); err != nil {
		t.Fatalf("send a packet that is logged: %v: %s", err, out)
	}
	peertest.Until(t, "the packet is in the journal", func() bool {
		return strings.Contains(strings.Join(d.journalLines(), "\n"), "type=NETFILTER_PKT ")
	})
	d.stop()
	requireEvent(t, readEvents(t, d, "session"), "a packet", func(e listedEvent) bool { return slices.Contains(e.types, "NETFILTER_PKT") })
}
