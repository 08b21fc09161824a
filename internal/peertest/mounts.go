package peertest

import (
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// mounted, in the environment, says that OwnMounts has done its work.
const mounted = "AUDITBRIDGE_TEST_MOUNTS"

// OwnMounts has a test program begin anew in a mount namespace of its own, with a
// /dev/shm of its own: what its tests mount, and what they keep in memory there, goes
// with its last process, however they end, and nobody else's namespace holds on to it.
// TestMain calls it first. A test program that does something else, and who is not
// root, goes on as it was.
func OwnMounts() {
	isTest := func(arg string) bool { return strings.HasPrefix(arg, "-test.") }
	if os.Getenv(mounted) != "" || os.Geteuid() != 0 || !slices.ContainsFunc(os.Args, isTest) {
		return
	}
	runtime.LockOSThread() // the namespace is this thread's, which the program becomes
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, "")
	}
	if err == nil {
		err = unix.Mount("tmpfs", "/dev/shm", "tmpfs", 0, "mode=1777")
	}
	if err == nil {
		err = unix.Exec("/proc/self/exe", os.Args, append(os.Environ(), mounted+"=1"))
	}
	panic("internal error: begin with mounts of our own: " + err.Error())
}
