package auditbridge

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"auditbridge/journal/ring"
)

// TestMain lets a test open a source as somebody else: this binary, in another
// process, prints what that says.
func TestMain(m *testing.M) {
	source := os.Getenv("OPEN_SOURCE")
	if source == "" {
		os.Exit(m.Run())
	}
	r, err := ring.Open(ring.Config{Size: small.Size})
	if err == nil {
		switch source {
		case "kernel":
			_, err = OpenKernel(KernelConfig{}, r)
		case "multicast":
			_, err = OpenMulticast(MulticastConfig{Logger: slog.New(slog.NewTextHandler(os.Stdout, nil))}, r)
		}
	}
	for _, known := range []interface {
		error
		Hint() string
	}{NotRootError{}, NoAuditError{}, NotAllowedError{}, NotHeardError{}} {
		target := reflect.New(reflect.TypeOf(known))
		if errors.As(err, target.Interface()) {
			fmt.Printf("%T: %v hint: %s\n", known, err, known.Hint())
			return
		}
	}
	fmt.Println(err)
}

func TestKernelAuditOutOfReachIsSaidPolitely(t *testing.T) {
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	own := []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}}
	for _, row := range []struct {
		name, source string
		as           syscall.SysProcAttr
		want         []string
	}{
		{"not root", "kernel", syscall.SysProcAttr{Credential: nobody},
			[]string{"NotRootError: open kernel audit: ", "not allowed", "operation not permitted", "run as root"}},
		{"in another PID namespace", "kernel", syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID},
			[]string{"NotRootError: open kernel audit: ", "initial PID"}},
		{"in a user namespace", "kernel", syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: own},
			[]string{"NoAuditError: open kernel audit: this kernel has no audit", "connection refused", "container"}},
		{"not root", "multicast", syscall.SysProcAttr{Credential: nobody},
			[]string{"NotAllowedError: listen to kernel audit: not allowed", "operation not permitted", "CAP_AUDIT_READ"}},
		{"in a user namespace", "multicast", syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: own},
			[]string{"NotAllowedError: listen to kernel audit: not allowed", "initial user namespace"}},
		{"in another network namespace", "multicast", syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET},
			[]string{"NotHeardError: listen to kernel audit: this is not the host's own network namespace", `source = "plugin"`}},
		{"in another PID namespace", "multicast", syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}, []string{"<nil>"}},
		{"with no more than it takes", "multicast", syscall.SysProcAttr{Credential: nobody, AmbientCaps: []uintptr{unix.CAP_AUDIT_READ}},
			[]string{"the socket's buffer is smaller", "net.core.rmem_max", "<nil>"}},
	} {
		t.Run(row.source+" "+row.name, func(t *testing.T) {
			child := exec.Command("/proc/self/exe")
			child.Env = append(os.Environ(), "OPEN_SOURCE="+row.source)
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
