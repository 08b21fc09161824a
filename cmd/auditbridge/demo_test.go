package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/audittest"
)

// TestDemoOnTheLiveKernel: as root, with nobody else on kernel audit, the
// demonstration uses it and gives it back as found.
func TestDemoOnTheLiveKernel(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	before, rules := kernel.Status(), kernel.Rules()
	out := demonstrate(t, nil)
	wantAll(t, out, "Source: the live kernel", "SYSCALL CWD PATH PROCTITLE EOE", "fail (ESRCH)", "kernel lost 0")
	after := kernel.Status()
	after.Lost, after.Backlog = before.Lost, before.Backlog // counts of the past
	if after != before || kernel.Rules() != rules {
		t.Errorf("kernel audit was %+v with\n%s\nis %+v with\n%s", before, rules, after, kernel.Rules())
	}
}

// TestDemoWithoutTheKernel: whoever may not use the live kernel sees the bundled
// capture travel, and is told why; also where only what FIPS approves is allowed.
func TestDemoWithoutTheKernel(t *testing.T) {
	beside(t)
	out := demonstrate(t, &syscall.Credential{Uid: 65534, Gid: 65534}, "GODEBUG=fips140=only")
	wantAll(t, out, "Source: the bundled capture, because the live kernel is not free: not root.")
}

// demonstrate runs the demonstration to its end, which must be a good one and
// leave nothing behind, and returns what it printed, all blanks as one.
func demonstrate(t *testing.T, as *syscall.Credential, with ...string) string {
	t.Helper()
	place, err := os.MkdirTemp("", "demo") // not below t.TempDir: others may not enter that
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(place) })
	must(t, os.Chmod(place, 0o755))
	if as != nil {
		must(t, os.Chown(place, int(as.Uid), int(as.Gid)))
	}
	cmd := program("demo")
	cmd.Env = append(append(os.Environ(), "TMPDIR="+place), with...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as, Pdeathsig: syscall.SIGTERM}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	tooLong := time.AfterFunc(2*demoLimit, func() { cmd.Process.Kill() })
	defer tooLong.Stop()
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s\n%s", err, &out, &errs)
	}
	wantAll(t, out.String(), "Balance sheet:", "heard", "= stored", "read by the relay", "= delivered", "lines at the far end", "events by class: login ",
		"Seal of the far end's copy: ", "Every record arrived, the far end's copy verifies, the books balance.")
	if left, err := filepath.Glob(filepath.Join(place, "*")); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	return strings.Join(strings.Fields(out.String()), " ")
}

func wantAll(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}
