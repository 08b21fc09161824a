package auditbridge

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"auditbridge/internal/audittest"
)

// An observer sees what auditctl sees, and changes nothing.
func TestObserve(t *testing.T) {
	kernel := audittest.Kernel(t)
	o, err := OpenObserver()
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	kernel.Set("-r", "17")
	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999999", "-k", "observed")
	s, err := o.Status()
	if want := kernel.Status(); err != nil || s.RateLimit != 17 || s.Enabled != want.Enabled || s.BacklogLimit != want.BacklogLimit || s.PID != 0 {
		t.Errorf("%+v, %v; want %+v", s, err, want)
	}
	for _, r := range exceptions(os.Getpid()) {
		if err := o.control.request(auditAddRule, r.bytes()); err != nil {
			t.Fatal(err)
		}
	}
	n, print, err := o.RulesBeside(os.Getpid())
	if n != 1 || err != nil {
		t.Errorf("%d rules, %v", n, err)
	}
	if n, other, err := o.RulesBeside(1); n != 3 || other == print || err != nil {
		t.Errorf("%d rules for somebody else, %v", n, err)
	}
	if _, again, err := o.RulesBeside(os.Getpid()); again != print || err != nil {
		t.Errorf("the same rules are not known again: %v", err)
	}
	if _, err := o.Features(); err != nil {
		t.Error(err)
	}
	if err := o.Say("op=test"); err != nil { // to nobody: audit is off
		t.Error(err)
	}
	if _, err := o.control.ask(65000, 0); err == nil {
		t.Error("the kernel answers what it does not know")
	}
}

// TestObserveWithoutRights: without the right to ask, the error says so.
func TestObserveWithoutRights(t *testing.T) {
	if os.Getenv("AUDITBRIDGE_TEST_OBSERVE") != "" {
		o, err := OpenObserver()
		if err == nil {
			_, err = o.Status()
		}
		if none := new(NotRootError); !errors.As(err, none) {
			t.Errorf("error: %v", err)
		}
		return
	}
	cmd := exec.Command("setpriv", "--bounding-set=-audit_control", "--inh-caps=-audit_control", "/proc/self/exe", "-test.run=^TestObserveWithoutRights$")
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Args[3] = exe
	cmd.Env = append(os.Environ(), "AUDITBRIDGE_TEST_OBSERVE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
