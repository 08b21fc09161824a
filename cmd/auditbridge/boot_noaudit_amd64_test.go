package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAHostBootedWithoutAudit: a kernel of its own, Linux as a program (user-mode
// Linux), is booted with audit=0. Everybody on it is told so, and that run does not
// come, though the host has only just booted; run says why it cannot start.
func TestAHostBootedWithoutAudit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inside := func(name string) string { return filepath.Join(dir, name) }
	self, err := os.Executable()
	must(t, err)
	must(t, os.MkdirAll(inside("root"), 0o755))
	must(t, os.Symlink("/dev", inside("root/dev")))
	must(t, os.WriteFile(inside("auditbridge.toml"), fmt.Appendf(nil, "node = \"deaf\"\nrun-dir = \"/run/auditbridge\"\nstate-dir = %q\njournal-dir = %q\n", inside("state"), inside("journal")), 0o600))
	must(t, os.WriteFile(inside("init"), fmt.Appendf(nil, `#!/bin/bash
cd %[1]s
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /run
mkdir /dev/pts
mount -t devpts none /dev/pts
export %[3]s=%[1]s/root
script -qfc 'echo 1000 >/proc/self/loginuid; echo here; exec sleep 1000' shown >/dev/null &
until [ -s shown ]; do sleep 0.1; done
(exec -a auditbridge %[2]s watch --config %[1]s/auditbridge.toml) 2>watch &
for n in $(seq 600); do
	grep -q kernel-absent shown && grep -q run-absent shown && break
	sleep 0.1
done
(exec -a auditbridge %[2]s run --config %[1]s/auditbridge.toml) 2>run
echo "exit $?" >>run
(exec -a auditbridge %[2]s status --config %[1]s/auditbridge.toml) >status
cat /proc/cmdline >cmdline
echo o >/proc/sysrq-trigger
sleep 1000
`, dir, self, watchRootVariable), 0o700))
	bootKernel(t, dir, "audit=0")
	if line := read(t, inside("cmdline")); !strings.Contains(line, " audit=0 ") {
		t.Fatalf("it was booted with %q", line)
	}
	for _, row := range []struct{ file, want string }{
		{"shown", "- This kernel has no audit. [kernel-absent, since "},
		{"shown", "run-absent"},
		{"shown", "Nothing on this host is audited until it is booted with audit=1."},
		{"root/run/motd.d/00-auditbridge", "[kernel-absent, since "},
		{"run", "this kernel has no audit"},
		{"run", "exit 1"},
		{"status", "kernel-absent"},
	} {
		if text := read(t, inside(row.file)); !strings.Contains(text, row.want) {
			t.Errorf("%s: there is no %q in\n%s", row.file, row.want, text)
		}
	}
}

// bootKernel boots a kernel of its own, with this host's files and dir/init as its first
// process, and waits until that has switched it off. How its emulation ends after that
// says nothing: on a busy machine it was seen to abort.
func bootKernel(t *testing.T, dir string, options ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	host := exec.CommandContext(ctx, "linux.uml", append([]string{"mem=256M", "rootfstype=hostfs", "rw", "init=" + filepath.Join(dir, "init"), "uml_dir=" + dir, "con=null", "con0=fd:0,fd:1"}, options...)...)
	host.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	host.Cancel = func() error { return syscall.Kill(-host.Process.Pid, syscall.SIGKILL) }
	if said, err := host.CombinedOutput(); err != nil && !bytes.Contains(said, []byte("reboot: Power down")) {
		t.Fatalf("boot: %v\n%s", err, said)
	}
}
