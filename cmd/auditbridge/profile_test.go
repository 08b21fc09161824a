package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
)

// Under a Common Criteria profile run needs the FIPS 140-3 module, and offers what
// the profile lists.
func TestUnderAProfile(t *testing.T) {
	far, collector := peertest.StartSSHD(t), peertest.StartRsyslog(t)
	log := filepath.Join(t.TempDir(), "audit.log")
	const line = "type=USER_LOGIN msg=audit(1709742864.269:2320): pid=3110 uid=0 auid=1000 ses=1 msg='op=login acct=\"centos\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.1 terminal=ssh res=success'\n"
	if err := os.WriteFile(log, []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	d := newDaemon(t, "")
	d.configure(fmt.Sprintf(`cc-profile = "ndcpp30"
[audit]
source = "file:%s"
disk-full-action = "halt"
audit-failure-action = "single"
[[remote-logging-server]]
name = "siem"
address = "127.0.0.1"
port = %d
via = "tunnel"
start = "oldest"
[[port-forwarding]]
name = "tunnel"
server-address = "127.0.0.1"
server-port = %d
user = %q
identity-file = %q
known-hosts = %q
`, log, collector.Port, far.Port, far.User, d.identity(far.Identity), d.public(far.KnownHosts)))

	t.Run("T-FIPS-GUARD", func(t *testing.T) {
		t.Setenv("GODEBUG", "fips140=off")
		d.launch()
		<-d.ended
		if code := d.cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(d.said.String(), "FIPS 140-3 module is not in force") {
			t.Errorf("run ended with %d:\n%s", code, d.said)
		}
		if out, _, code := auditbridgeCommand(t, "check", "--config", d.config); code != 2 || !strings.Contains(out, "FCS_COP.1") {
			t.Errorf("check ended with %d:\n%s", code, out)
		}
	})
	t.Setenv("GODEBUG", "fips140=on")
	d.start()
	peertest.Until(t, "the login arrives", func() bool { return strings.Contains(strings.Join(collector.Received(), "\n"), "USER_LOGIN") })
	d.stop()
	if said := d.said.String(); !strings.Contains(said, "ecdh-sha2-nistp384, aes256-gcm@openssh.com, ") {
		t.Errorf("the profile's lists are not what was agreed from:\n%s", said)
	}
	if all := strings.Join(d.journalLines(), "\n"); !strings.Contains(all, " fips=true ") || !strings.Contains(all, " module=") {
		t.Error("the start record does not say which module is in force")
	}
}

// The program that `make fips` builds has a validated module, in force by itself.
func TestMakeFIPS(t *testing.T) {
	t.Parallel()
	bin := filepath.Join(t.TempDir(), "auditbridge")
	command(t, "make", "-C", "../..", "fips", "BIN="+bin)
	if out := command(t, bin, "version"); !strings.Contains(out, "FIPS 140-3 mode on, module v1.0.0") {
		t.Error(out)
	}
}

// TestWhereOnlyFIPSIsAllowed: GODEBUG=fips140=only has Go's library panic about whatever
// is not approved. All works with the files that people have, a PKCS#12 of stock openssl
// and names of hosts that ssh-keygen hid: by run, and by the commands that try it.
func TestWhereOnlyFIPSIsAllowed(t *testing.T) {
	beside(t)
	only := func(cmd *exec.Cmd) { cmd.Env = append(os.Environ(), "GODEBUG=fips140=only") }
	ca := peertest.NewCA(t, "Root", nil)
	sshd, behind := peertest.StartSSHD(t), peertest.StartRsyslog(t)
	central := peertest.StartRsyslogTLS(t, ca, ca.Server(nil, "127.0.0.1"), "audited.example.org")
	d := newDaemon(t, "")
	pfx, password := inPKCS12(t, d.dir, "own", "s3cret", ca.Client("audited.example.org", nil))
	must(t, os.Chown(pfx, 65534, 65534))
	must(t, os.Chown(password, 65534, 65534))
	own := fmt.Sprintf("pkcs12-file = %q\npkcs12-password-file = %q\n", pfx, password)
	d.configure(fromStdin + inTLS("central", central.Port, `format = "audit"`, d.tlsFiles(ca, nil), own) + tunnelled(d, sshd, behind, "audit"))
	known := filepath.Join(d.dir, "public-"+filepath.Base(sshd.KnownHosts))
	command(t, "ssh-keygen", "-q", "-H", "-f", known)
	must(t, os.Chmod(known, 0o644))
	d.as = only
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	for _, args := range [][]string{{"check"}, {"remote", "test", "central"}, {"remote", "test", "siem"}, {"remote", "get"}} {
		cmd := program(append(args, "--config", d.config)...)
		only(cmd)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%q: %v: %s", args, err, out)
		}
	}
	d.stop()
	d.untilReceived(central)
	d.untilReceived(behind)
}
