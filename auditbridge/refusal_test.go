package auditbridge

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"auditbridge/journal/ring"
)

// TestMain lets a test run OpenKernel as somebody else: this binary, in another
// process, prints what that says.
func TestMain(m *testing.M) {
	if os.Getenv("OPEN_KERNEL") == "" {
		os.Exit(m.Run())
	}
	r, err := ring.Open(ring.Config{Size: small.Size})
	if err == nil {
		_, err = OpenKernel(KernelConfig{}, r)
	}
	var notRoot NotRootError
	var noAudit NoAuditError
	switch {
	case errors.As(err, &notRoot):
		fmt.Println("NotRootError:", err, "hint:", notRoot.Hint())
	case errors.As(err, &noAudit):
		fmt.Println("NoAuditError:", err, "hint:", noAudit.Hint())
	default:
		fmt.Println(err)
	}
}

func TestKernelAuditOutOfReachIsSaidPolitely(t *testing.T) {
	for _, row := range []struct {
		name string
		as   syscall.SysProcAttr
		want []string
	}{
		{"not root", syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}},
			[]string{"NotRootError: open kernel audit: ", "not allowed", "operation not permitted", "run as root"}},
		{"in another PID namespace", syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID},
			[]string{"NotRootError: open kernel audit: ", "initial PID"}},
		{"in a user namespace", syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}},
		}, []string{"NoAuditError: open kernel audit: this kernel has no audit", "connection refused", "container"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			child := exec.Command("/proc/self/exe")
			child.Env = append(os.Environ(), "OPEN_KERNEL=1")
			child.SysProcAttr = &row.as
			out, err := child.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, want := range row.want {
				if !strings.Contains(string(out), want) {
					t.Errorf("said %q, want %q in it", out, want)
				}
			}
		})
	}
}

func TestKernelConfigNamesAllProblems(t *testing.T) {
	cfg := KernelConfig{ReceiveBuffer: 1, Failure: 3, Pressure: Pressure{Overload: "hope"}}
	_, err := OpenKernel(cfg, nil)
	for _, want := range []string{"receive buffer of 1 bytes", "failure mode 3", `overload "hope"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q in it", err, want)
		}
	}
}
