package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// A server that only another one reaches: what is sent goes through both tunnels, from
// a ship that may connect to the first alone; check, status and ssh say the whole way.
func TestAJumpHost(t *testing.T) {
	t.Parallel()
	bastion, far, collector := peertest.StartSSHD(t), peertest.StartSSHD(t), peertest.StartRsyslog(t)
	public, err := os.ReadFile(bastion.Identity + ".pub")
	must(t, err)
	must(t, os.WriteFile(far.AuthorizedKeys, public, 0o600))
	known, err := os.ReadFile(bastion.KnownHosts)
	must(t, err)
	must(t, os.WriteFile(far.KnownHosts, append(known, peertest.KnownHostsLine(t, far.Port, far.HostKey)...), 0o600))
	d := newDaemon(t, "")
	identity, hosts := d.identity(bastion.Identity), d.public(far.KnownHosts)
	forwarding := func(name string, s *peertest.SSHD, more string) string {
		return fmt.Sprintf("[[port-forwarding]]\nname = %q\nserver-address = \"127.0.0.1\"\nserver-port = %d\nuser = %q\nidentity-file = %q\nknown-hosts = %q\n%s",
			name, s.Port, s.User, identity, hosts, more)
	}
	d.configure(fromStdin + plain("siem", collector.Port, `format = "audit"`, `via = "inner"`) + forwarding("inner", far, "via = \"bastion\"\n") + forwarding("bastion", bastion, ""))
	if out, _, code := auditbridgeCommand(t, "check", "--config", d.config); code != 0 || !strings.Contains(out, " through inner via bastion, ") || strings.Contains(out, "goes through it") {
		t.Errorf("check ends with %d: %s", code, out)
	}
	if line, _, _ := auditbridgeCommand(t, "ssh", "key", "bastion", "--config", d.config); !strings.HasPrefix(line, fmt.Sprintf(`restrict,port-forwarding,permitopen="127.0.0.1:%d",permitlisten=`, far.Port)) {
		t.Errorf("the bastion's line is %s", line)
	}
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	d.until("the way is shown", func(s status.Status) bool { return strings.Join(s.Destinations[0].Jumps, " ") == "bastion" })
	if out, _, _ := auditbridgeCommand(t, "status", "--config", d.config); !strings.Contains(out, "to siem: connected via inner via bastion by tcp") {
		t.Errorf("status says %s", out)
	}
	d.stop()
	d.untilReceived(collector)
	requireSameLines(t, d.journalLines(), collector.Received())
	for name, s := range map[string]*peertest.SSHD{"bastion": bastion, "inner": far} {
		if n := strings.Count(s.Output(), "Accepted publickey"); n != 1 {
			t.Errorf("%d logins at %s", n, name)
		}
	}
}
