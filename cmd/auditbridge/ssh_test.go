package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// From nothing to a tunnel that is known to work, by the commands of `auditbridge
// ssh` alone, with a stock sshd; and each step that can fail says so.
func TestATunnelIsSetUpAndTried(t *testing.T) {
	t.Parallel()
	server, collector := peertest.StartSSHD(t), peertest.StartRsyslog(t)
	must(t, os.Remove(server.AuthorizedKeys))
	d := newDaemon(t, "")
	identity, known := filepath.Join(d.dir, "ssh", "id"), filepath.Join(d.dir, "ssh", "known_hosts")
	d.configure(fmt.Sprintf("%s[[remote-logging-server]]\nname = \"siem\"\naddress = \"127.0.0.1\"\nport = %d\nvia = \"tunnel\"\n[[port-forwarding]]\nname = \"tunnel\"\nserver-address = \"127.0.0.1\"\nserver-port = %d\nuser = %q\nidentity-file = %q\nknown-hosts = %q\n",
		fromStdin, collector.Port, server.Port, server.User, identity, known))
	d.unseeing()
	d.start()
	ssh := func(args ...string) (stdout, stderr string, code int) {
		return auditbridgeCommand(t, append([]string{"ssh", "--config", d.config}, args...)...)
	}
	fails := func(step, why string) {
		t.Helper()
		out, _, code := ssh("test", "--json")
		var last triedStep
		for line := range strings.Lines(out) {
			if err := json.Unmarshal([]byte(line), &last); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		if code != 1 || last.OK || last.Step != step || !strings.Contains(last.Error, why) || last.Hint == "" {
			t.Errorf("it ends with %d and %+v, want that %q fails: %s", code, last, step, why)
		}
	}

	fails("our key", "no such file")
	line, stderr, code := ssh("keygen")
	if want := fmt.Sprintf(`restrict,port-forwarding,permitopen="127.0.0.1:%d",permitlisten="127.0.0.1:1" ssh-ed25519 `, collector.Port); code != 0 || !strings.HasPrefix(line, want) {
		t.Fatalf("keygen ends with %d and %q, want %q: %s", code, line, want, stderr)
	}
	d.onRecord("op=config ", fmt.Sprintf(" uid=%d ", os.Getuid()), " why=reload key=port-forwarding[tunnel].identity-file.holds ")
	if _, stderr, code := ssh("keygen"); code != 1 || !strings.Contains(stderr, "--replace") {
		t.Errorf("a second keygen ends with %d: %s", code, stderr)
	}
	if again, _, _ := ssh("key"); again != line {
		t.Errorf("key prints %q, keygen had printed %q", again, line)
	}

	fails("the server's key is known", "no such file")
	fingerprint := strings.Fields(command(t, "ssh-keygen", "-lf", server.HostKey))[1]
	if out, stderr, code := ssh("trust", "--fingerprint", "SHA256:somebodyElses"); code != 1 || !strings.Contains(stderr, "no key with the fingerprint") {
		t.Errorf("trust in another key ends with %d: %s %s", code, out, stderr)
	}
	if _, stderr, code := ssh("trust"); code != 1 || !strings.Contains(stderr, "nobody answers") {
		t.Errorf("trust without a person ends with %d: %s", code, stderr)
	}
	fails("the server's key is known", "no such file")
	for range 2 { // the second time it is known already
		if _, stderr, code := ssh("trust", "--fingerprint", fingerprint); code != 0 {
			t.Fatalf("trust ends with %d: %s", code, stderr)
		}
	}
	if n := len(lines(t, known)); n != 1 {
		t.Errorf("known-hosts has %d lines", n)
	}
	d.onRecord("op=config ", " why=reload key=port-forwarding[tunnel].known-hosts.holds ", fingerprint)

	fails("handshake and login", "does not accept the key")
	allow := func(options string) {
		t.Helper()
		must(t, os.WriteFile(server.AuthorizedKeys, []byte(options+line), 0o600))
	}
	allow("")
	fails("nothing else", "it may run commands") // the account of this test has a shell
	allow(`command="/usr/sbin/nologin",`)
	if out, stderr, code := ssh("test"); code != 0 || strings.Count(out, "ok ") != 6 {
		t.Errorf("test ends with %d: %s%s", code, out, stderr)
	}
	must(t, os.WriteFile(server.AuthorizedKeys, []byte(`command="/usr/sbin/nologin" `+strings.Fields(line)[1]+" "+strings.Fields(line)[2]+"\n"), 0o600))
	fails("nothing else", "it may forward to 127.0.0.1:")
	d.until("the link is up", func(s status.Status) bool { return s.Destinations[0].Connected })
}
