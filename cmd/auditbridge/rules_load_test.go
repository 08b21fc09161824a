package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/rules"
)

// The kernel looks up a rule's path as who loads it sees it: what another process, on a
// host the first, has at it must be the same file. That is so in a mount namespace that
// hides nothing of what the rules name.
func TestWhatIsHiddenFromUsIsFound(t *testing.T) {
	root := t.TempDir()
	hidden, plain := filepath.Join(root, "hidden"), filepath.Join(root, "plain")
	for _, dir := range []string{hidden, plain} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(root, "link")
	if err := os.Symlink(hidden, link); err != nil {
		t.Fatal(err)
	}
	inNamespace := exec.Command("unshare", "--mount", "sh", "-c", "mount -t tmpfs none "+hidden+" && echo && exec cat")
	inChroot := exec.Command("/auditbridge", "read", "-")
	copyOfOurselves(t, filepath.Join(root, "auditbridge"))
	inChroot.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	inChroot.Args[0], inChroot.Dir = "auditbridge", "/"

	file, gone := filepath.Join(plain, "file"), filepath.Join(plain, "nothing")
	for _, row := range []struct {
		name  string
		other string // in /proc
		paths []string
		want  string
	}{
		{"ourselves", "/proc/self", []string{hidden + "/file", file}, ""},
		{"hidden", standing(t, inNamespace, true), []string{file, hidden + "/file", hidden}, hidden + "/file"},
		{"hidden, and not there", standing(t, inNamespace, true), []string{file, hidden + "/nothing"}, hidden + "/nothing"},
		{"hidden behind a link", standing(t, inNamespace, true), []string{file, link + "/file"}, link + "/file"},
		{"nothing of ours is hidden", standing(t, inNamespace, true), []string{file, gone, file + "/nothing"}, ""},
		{"a chroot", standing(t, inChroot, false), []string{file, gone}, file},
	} {
		if got, err := rules.SeenOtherwise(row.other, row.paths); got != row.want || err != nil {
			t.Errorf("%s: %q, %v, want %q", row.name, got, err, row.want)
		}
	}
	if _, err := rules.SeenOtherwise("/proc/0", []string{file}); err == nil {
		t.Error("nothing is said of a process that cannot be looked at")
	}
}

func copyOfOurselves(t *testing.T, to string) {
	t.Helper()
	self, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(to, self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// standing starts a process that lives until its input ends, and returns its directory
// in /proc. One that speaks is awaited until it has.
func standing(t *testing.T, like *exec.Cmd, speaks bool) string {
	t.Helper()
	cmd := &exec.Cmd{Path: like.Path, Args: like.Args, Dir: like.Dir, SysProcAttr: like.SysProcAttr, Stderr: t.Output()}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = peertest.StartChild(cmd)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	if speaks {
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join("/proc", strconv.Itoa(cmd.Process.Pid))
}
