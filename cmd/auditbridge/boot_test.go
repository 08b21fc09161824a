package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/internal/peertest"
)

// TestBoot: systemd boots a host with what `make install` installs, in a container
// of the test's: the watch comes first; what stops, cannot start or is missing is
// told to the next login, to the next who stands before a prompt, and by mail, which
// the host's own mailer takes to root's box; and no more when it is mended. That run
// waits for its turn is not told.
func TestBoot(t *testing.T) {
	beside(t)
	const booted, probe, configuration = "etc/systemd/system/booted.target", "etc/systemd/system/probe.service", "etc/auditbridge/auditbridge.toml"
	said := bootWith(t, map[string]string{
		"srv/audit.log": "",
		configuration: "node = \"booted\"\n[audit]\nsource = \"file:/srv/audit.log\"\n[banner]\nexec = \"/srv/hook\"\nmail = \"root\"\n" +
			"[[remote-logging-server]]\naddress = \"127.0.0.1\"\nport = 1\nprotocol = \"tcp\"\n", // nobody is there: run takes its time to stop
		"etc/systemd/system/turn.service":                    "[Unit]\nDefaultDependencies=no\n[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 3\n",
		"etc/systemd/system/auditbridge.service.d/turn.conf": "[Unit]\nWants=turn.service\nAfter=turn.service\n",
		"srv/hook": "#!/bin/sh\n{ head -c 20; echo; } >>/results/said\n",
		// What stands for auditd: the container has no kernel audit that it could own.
		"etc/systemd/system/auditd.service": "[Unit]\nDefaultDependencies=no\n[Service]\nExecStart=/bin/sleep infinity\n",
		booted:                              "[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\nWants=auditbridge-watch.service auditbridge.service probe.service\n",
		probe:                               "[Unit]\nAfter=auditbridge.service\n[Service]\nType=oneshot\nExecStart=/bin/sh /srv/probe.sh\nStandardOutput=append:/results/said\nStandardError=append:/results/said\n",
		"srv/probe.sh": `
motd=/run/motd.d/00-auditbridge
until_() {
	n=0
	until eval "$1"; do
		n=$((n + 1))
		[ $n -lt 600 ] || { echo "in vain: $1"; cat $motd; auditbridge status; systemctl poweroff --no-block; exit 1; }
		sleep 0.2
	done
	echo "holds: $1"
}
prompt() { script -qec "agetty --show-issue" /dev/null </dev/null; }
began() { systemctl show --value -p ActiveEnterTimestampMonotonic "$1"; }
until_ 'auditbridge status | grep -q "^watch:   ok since"'
[ "$(began auditbridge-watch)" -le "$(began auditbridge)" ] && echo the watch came first
echo told on the way: $(grep -h -c op=banner-raised /var/log/audit/auditbridge/0*.log)
systemctl start auditd
systemctl start auditbridge
echo in its place auditd is $(systemctl is-active auditd)
mkdir -p /etc/systemd/system/auditbridge.service.d
ln -s /dev/null /etc/systemd/system/auditbridge.service.d/kernel.conf
systemctl daemon-reload
systemctl start auditd
systemctl restart auditbridge
echo beside us auditd is $(systemctl is-active auditd)
systemctl stop auditbridge
until_ 'grep -q "\[run-gone," $motd'
until_ 'prompt | grep -q "\[run-gone,"'
until_ 'grep -q "^Subject: audit logging is impaired on booted: run-gone" /var/mail/root'
systemctl start auditbridge
until_ '[ ! -e $motd ] && [ ! -L /etc/issue.d/00-auditbridge.issue ]'
prompt | grep -q IMPAIRED || echo the prompt is as ever
until_ 'grep -q "^Subject: audit logging works again on booted" /var/mail/root'
cp /etc/auditbridge/auditbridge.toml /srv/good
echo nonsense >>/etc/auditbridge/auditbridge.toml
systemctl restart auditbridge
until_ 'grep -q "\[run-failed," $motd'
cp /srv/good /etc/auditbridge/auditbridge.toml
systemctl start auditbridge
until_ '[ ! -e $motd ]'
{ echo 'run-dir = "run/auditbridge"'; cat /srv/good; } >/etc/auditbridge/auditbridge.toml
systemctl restart auditbridge-watch auditbridge
until_ 'grep -q "\[run-absent," $motd && grep -q "also: configuration-invalid" $motd && tr -s " \n" " " <$motd | grep -q "auditbridge.service is failed"'
cp /srv/good /etc/auditbridge/auditbridge.toml
systemctl start auditbridge
until_ '[ ! -e $motd ]'
mv /usr/sbin/auditbridge /srv/away
systemctl kill --signal=KILL auditbridge-watch
until_ 'grep -q "the program /usr/sbin/auditbridge is missing" $motd'
mv /srv/away /usr/sbin/auditbridge
until_ '[ ! -e $motd ] && auditbridge status | grep -q "^watch:   ok since"'
cat /var/log/audit/auditbridge/0*.log
echo all done
systemctl poweroff --no-block
`,
	})
	for _, want := range []string{
		"the watch came first\n", "told on the way: 0\n", "in its place auditd is inactive\n", "beside us auditd is active\n", "the prompt is as ever\n", "all done\n", " because=run-gone ", " because=run-failed ", "op=banner-cleared ",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("there is no %q in\n%s", want, said)
		}
	}
	if _, after, _ := strings.Cut(said, "all done\n"); strings.Contains(after, "raised") {
		t.Errorf("it is an outage that the host goes down: %s", after)
	}
	if n := strings.Count(said, `{"event":"raised"`); n < 2 {
		t.Errorf("the hook was told %d times that something is wrong:\n%s", n, said)
	}
}

// TestSingleUserModeIsRecorded: on a host where both units are enabled, run is ended,
// and the watch has systemd go into single-user mode. There run is at work again, and
// the watch has nothing more to do: whoever mends the host is left in peace.
func TestSingleUserModeIsRecorded(t *testing.T) {
	beside(t)
	said := bootWith(t, map[string]string{
		"srv/audit.log":                    "",
		"etc/auditbridge/auditbridge.toml": "[audit]\nsource = \"file:/srv/audit.log\"\naudit-failure-action = \"single\"\naudit-failure-wait = \"1s\"\n",
		"etc/systemd/system/booted.target": "[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\nWants=auditbridge.service auditbridge-watch.service probe.service\n",
		"etc/systemd/system/probe.service": "[Unit]\nAfter=auditbridge.service\nIgnoreOnIsolate=yes\n[Service]\nType=oneshot\nExecStart=/bin/sh /srv/probe.sh\nStandardOutput=append:/results/said\nStandardError=append:/results/said\n",
		"srv/probe.sh": `
until_() {
	n=0
	until eval "$1"; do
		n=$((n + 1))
		[ $n -lt 600 ] || { echo "in vain: $1"; auditbridge status; systemctl status auditbridge auditbridge-watch; systemctl poweroff --no-block; exit 1; }
		sleep 0.2
	done
	echo "holds: $1"
}
systemctl enable auditbridge-watch auditbridge
until_ 'auditbridge status | grep -q "^watch:   ok since"'
systemctl stop auditbridge
until_ '[ "$(systemctl is-active rescue.target)" = active ]'
until_ 'auditbridge status | grep -q "^watch:   ok since"'
until_ 'grep -h "op=failure-action .* action=single because=run-gone" /var/log/audit/auditbridge/0*.log'
systemctl is-active rescue.target
systemctl poweroff --no-block
`,
	})
	if !strings.Contains(said, "\nactive\n") || strings.Contains(said, "in vain") {
		t.Error(said)
	}
}

// bootWith boots systemd on a copy of this host's files (what is written to them is
// in memory, and gone afterwards) with those of make install and these, up to
// booted.target, until it powers itself off. It has a network and process numbers of
// its own, and no right to touch kernel audit. What it left in /results/said is
// returned.
func bootWith(t *testing.T, files map[string]string) string {
	t.Helper()
	results := filepath.Join(t.TempDir(), "results")
	must(t, os.Mkdir(results, 0o755))
	return bootOn(t, results, files)
}

// hosts counts those that this process boots: two at a time may have no name in common.
var hosts atomic.Int32

// bootOn is bootWith where /results outlives the host: a disk that the next boot
// finds as this one leaves it.
func bootOn(t *testing.T, results string, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	memory, root := filepath.Join(dir, "memory"), filepath.Join(dir, "root")
	for _, d := range []string{memory, root} {
		must(t, os.Mkdir(d, 0o755))
	}
	run := func(args ...string) {
		t.Helper()
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	run("mount", "-t", "tmpfs", "auditbridge-test", memory)
	t.Cleanup(func() { run("umount", "--lazy", memory) })
	ours := filepath.Join(memory, "ours")
	run("cp", "-a", installed(t), ours)
	run("mkdir", filepath.Join(memory, "changed"), filepath.Join(memory, "work"))
	must(t, os.Chmod(ours, 0o755))
	for name, text := range files {
		must(t, os.MkdirAll(filepath.Dir(filepath.Join(ours, name)), 0o755))
		must(t, os.WriteFile(filepath.Join(ours, name), []byte(text), 0o700))
	}
	run("mount", "-t", "overlay", "auditbridge-test", root,
		"-o", fmt.Sprintf("lowerdir=%s:/,upperdir=%s/changed,workdir=%s/work", ours, memory, memory))
	t.Cleanup(func() { run("umount", "--lazy", root) })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	nspawn := exec.CommandContext(ctx, "systemd-nspawn", "--quiet", "--directory="+root, fmt.Sprintf("--machine=auditbridge-%d-%d", os.Getpid(), hosts.Add(1)),
		"--register=no", "--keep-unit", "--private-network", "--link-journal=no", "--drop-capability=CAP_AUDIT_CONTROL,CAP_AUDIT_WRITE,CAP_AUDIT_READ",
		"--bind="+results+":/results", "--console=pipe", "--boot", "systemd.unit=booted.target")
	var out bytes.Buffer
	nspawn.Stdout, nspawn.Stderr = &out, &out
	must(t, peertest.StartChild(nspawn))
	err := nspawn.Wait()
	said, _ := os.ReadFile(filepath.Join(results, "said"))
	if err != nil {
		t.Fatalf("boot: %v\n%s\n%s", err, &out, said)
	}
	return string(said)
}
