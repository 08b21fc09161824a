package rules

import (
	"os/exec"
	"testing"

	"auditbridge/internal/audittest"

	"github.com/google/go-cmp/cmp"
)

// thisKernel reserves kernel audit and opens it.
func thisKernel(t *testing.T) (*audittest.Audit, *Netlink, *Host) {
	t.Helper()
	a := audittest.Kernel(t)
	host, err := ThisHost()
	if err != nil {
		t.Fatal(err)
	}
	return a, openNetlink(t), host
}

func openNetlink(t *testing.T) *Netlink {
	t.Helper()
	k, err := OpenNetlink()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	return k
}

func list(t *testing.T, k Kernel) []Rule {
	t.Helper()
	all, err := k.List()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestAFileLoadsAsWithAuditctl: the kernel then lists the same rules, byte for
// byte, and shows and text are the same again.
func TestAFileLoadsAsWithAuditctl(t *testing.T) {
	_, k, host := thisKernel(t)
	for _, file := range []string{"testdata/lines-3.0.9.rules", "testdata/host.rules"} {
		// Some ask for what is not here: both pass over that.
		if out, err := exec.Command("sh", "-c", `auditctl -D; (echo -i; cat "$0") >"$1" && auditctl -R "$1"`, file, t.TempDir()+"/i.rules").CombinedOutput(); err != nil {
			t.Logf("auditctl: %v: %.300s", err, out)
		}
		byAuditctl := list(t, k)
		if len(byAuditctl) < 5 {
			t.Fatalf("auditctl loaded %d rules of %s", len(byAuditctl), file)
		}
		if out, err := exec.Command("auditctl", "-D").CombinedOutput(); err != nil {
			t.Fatalf("auditctl -D: %v: %s", err, out)
		}
		f, err := Read(host, file)
		if err != nil {
			t.Fatal(err)
		}
		d := f.Desire()
		d.Lenient = true
		if _, err := Load(k, d, false); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(byAuditctl, list(t, k), sameCalls); diff != "" {
			t.Errorf("%s: -auditctl +we: %s", file, diff)
		}
		for _, r := range byAuditctl {
			showsAndReadsBack(t, host, r)
		}
	}
}
