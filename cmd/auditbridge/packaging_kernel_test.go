package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// confinedBy has a program started with no more capabilities, now or later, than a
// unit leaves it.
func confinedBy(t *testing.T, unit string) func(*exec.Cmd) {
	t.Helper()
	text := read(t, "../../packaging/"+unit)
	set := regexp.MustCompile(`(?m)^CapabilityBoundingSet=(.+)$`).FindStringSubmatch(text)
	if set == nil {
		t.Fatalf("%s leaves all capabilities", unit)
	}
	args := []string{"setpriv", "--bounding-set=-all,+" + strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(set[1]), "cap_", ""), " ", ",+")}
	if strings.Contains(text, "\nNoNewPrivileges=yes\n") {
		args = append(args, "--no-new-privs")
	}
	self, err := os.Executable()
	must(t, err)
	args = append(args, "bash", "-c", `exec -a auditbridge "$@"`, "bash", self)
	path, err := exec.LookPath("setpriv")
	must(t, err)
	return func(cmd *exec.Cmd) {
		cmd.Path, cmd.Args = path, append(args, cmd.Args[1:]...)
	}
}

// TestTheUnitsLeaveWhatTheJobNeeds: with the capabilities of its unit, run owns kernel
// audit, keeps records and has them sent; the watch sees that all is well, tells who
// is there when it is not, and finds which program has the kernel's audit.
func TestTheUnitsLeaveWhatTheJobNeeds(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999998", "-k", "confined") // that there is one
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, quickly+plain("siem", collector.Port, `include = ["all"]`))
	d.as = confinedBy(t, "auditbridge.service")
	w := newLookout(t, d)
	w.as = confinedBy(t, "auditbridge-watch.service")
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	d.start()
	w.start()
	kernel.Generate(100, 0, "confined")
	d.until("all is well, and sent", func(s status.Status) bool {
		return s.Watch != nil && s.Watch.State == status.OK && s.Ours && len(s.Destinations) == 1 && s.Destinations[0].Delivered > 100
	})
	auditctl(t, "-e", "0")
	ann.Sees(t, "[kernel-off,")
	d.stop()
}
