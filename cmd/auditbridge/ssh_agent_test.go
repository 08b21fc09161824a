package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"auditbridge/internal/peertest"
)

// The sender, confined, logs in by a certificate for a key that an agent of its own user
// holds; no file of the host has that key.
func TestAnAgentSignsForTheSender(t *testing.T) {
	t.Parallel()
	ca := filepath.Join(t.TempDir(), "ca")
	peertest.Keygen(t, ca, "ed25519")
	far, collector := peertest.StartSSHD(t, "TrustedUserCAKeys "+ca+".pub"), peertest.StartRsyslog(t)
	must(t, os.Remove(far.AuthorizedKeys))
	command(t, "ssh-keygen", "-q", "-s", ca, "-I", "this host", "-n", far.User, "-V", "+1w", far.Identity+".pub")
	d := newDaemon(t, "")
	private, agentDir := d.identity(far.Identity), filepath.Join(d.dir, "agent")
	must(t, os.Mkdir(agentDir, 0o755))
	must(t, os.Chown(agentDir, 65534, 65534))
	socket := filepath.Join(agentDir, "agent.sock")
	asSender := &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	agent.SysProcAttr = asSender
	must(t, peertest.StartChild(agent))
	t.Cleanup(func() { agent.Process.Kill(); agent.Wait() })
	peertest.Until(t, "the agent is there", func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	add := exec.Command("ssh-add", "-q", private)
	add.SysProcAttr, add.Env = asSender, append(os.Environ(), "SSH_AUTH_SOCK="+socket)
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("ssh-add: %v: %s", err, out)
	}
	must(t, os.Remove(private))
	d.configure(fromStdin + plain("siem", collector.Port, `via = "tunnel"`, `format = "audit"`) + fmt.Sprintf(
		"[[port-forwarding]]\nname = \"tunnel\"\nserver-address = \"127.0.0.1\"\nserver-port = %d\nuser = %q\nidentity-file = %q\nidentity-agent = %q\ncertificate-file = %q\nknown-hosts = %q\n",
		far.Port, far.User, d.public(far.Identity+".pub"), socket, d.public(far.Identity+"-cert.pub"), d.public(far.KnownHosts)))
	if out, _, code := auditbridgeCommand(t, "check", "--config", d.config); code != 0 || !strings.Contains(out, "our certificate in ") {
		t.Errorf("check ends with %d: %s", code, out)
	}
	if out, _, code := auditbridgeCommand(t, "ssh", "keygen", "--config", d.config); code != 1 {
		t.Errorf("keygen ends with %d: %s", code, out)
	}
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	d.onRecord("op=link-warning ", " relay=siem ", "our certificate in ", " expires at ")
	d.stop()
	d.untilReceived(collector)
	requireSameLines(t, d.journalLines(), collector.Received())
}
