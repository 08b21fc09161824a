package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// TestStatusKnowsTheKernel: whether run is up, gone, or has left the kernel to
// another daemon, status says what that means for what the kernel audits.
func TestStatusKnowsTheKernel(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	d := newDaemon(t, "")
	d.start()
	until := func(what string, holds func(status.Status) bool) {
		t.Helper()
		peertest.Until(t, what, func() bool { s, ok := d.status(); return ok && holds(s) })
	}
	until("all is well", func(s status.Status) bool {
		return s.State == status.OK && s.Kernel != nil && s.Ours && s.Enabled == 1 && s.Rules == 0
	})
	kernel.Set("-e", "0")
	until("somebody has switched kernel audit off", func(s status.Status) bool {
		return s.State == status.Impaired && s.Losing == status.LosingYes && s.Causes[0].Command == "auditctl -e 1"
	})
	kernel.Set("-e", "1")
	until("it is on again", func(s status.Status) bool { return s.State == status.OK })
	d.recordsWhoMayNotAsk(kernel)
	d.stop()
	d.tells(t, nil, "auditbridge run is not running", "nobody records what the kernel audits")

	auditd := peertest.StartAuditd(t)
	untilOwner(t, kernel, auditd)
	d.tells(t, nil, fmt.Sprintf("auditbridge run is not running; its last sign of life was .*; kernel audit is owned by auditd (pid %d)", auditd.PID()))

	must(t, os.Chmod(filepath.Join(d.dir, "journal"), 0o700))
	must(t, filepath.Walk(d.dir, func(path string, _ os.FileInfo, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, 65534, 65534)
	}))
	d.tells(t, &syscall.Credential{Uid: 65534, Gid: 65534}, "whether records are being lost now is not known", "ask again as root")
}

// recordsWhoMayNotAsk: the kernel keeps a user from the control socket and from the
// configuration, and the rules in configuration.md have it say so.
func (d *instance) recordsWhoMayNotAsk(kernel *audittest.Audit) {
	d.t.Helper()
	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "connect", "-F", "path="+filepath.Join(d.dir, "run", "control.sock"), "-F", "success=0", "-k", "auditbridge-refused")
	kernel.AddRule("-a", "always,exit", "-F", "dir="+d.dir, "-F", "perm=wa", "-F", "uid=65534", "-k", "audit-config") // -w, of nobody's alone
	must(d.t, os.Chmod(d.config, 0o644))
	for key, args := range map[string][]string{
		"auditbridge-refused": {"reload", "--config", d.config},
		"audit-config":        {"remote", "--config", d.config, "set", "siem", "--server-name", "192.0.2.1"},
	} {
		cmd := program(args...)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "permission denied") {
			d.t.Errorf("%q as a user: %v\n%s", args, err, out)
		}
		d.onRecord("type=SYSCALL ", " success=no exit=-13 ", " uid=65534 ", fmt.Sprintf(" key=%q", key))
	}
}

// tells is status as a person reads it, by run's end: exit 3, and what it says
// in that order.
func (d *instance) tells(t *testing.T, as *syscall.Credential, wants ...string) {
	t.Helper()
	cmd := program("status", "--config", d.config)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	out, _ := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 3 {
		t.Errorf("status: exit %d", cmd.ProcessState.ExitCode())
	}
	for _, want := range wants {
		rest := string(out)
		for part := range strings.SplitSeq(want, ".*") {
			var found bool
			if _, rest, found = strings.Cut(rest, part); !found {
				t.Errorf("status does not say %q:\n%s", want, out)
			}
		}
	}
}
