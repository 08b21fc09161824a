package faultdisk

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"auditbridge/internal/peertest"
)

func TestMain(m *testing.M) {
	peertest.OwnMounts()
	Main()
	os.Exit(m.Run())
}

// A fault hits what it names, as often as it says, and the caller sees what a
// disk would answer.
func TestAFaultyDiskDoesAsItIsTold(t *testing.T) {
	disk := Mount(t)
	path := filepath.Join(disk.Dir, "1.log")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	write := func(text string, at int64) error { _, err := syscall.Pwrite(int(f.Fd()), []byte(text), at); return err }
	is := func(what, want string) {
		t.Helper()
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s: %q %v, want %q", what, got, err, want)
		}
	}
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	fails := func(want syscall.Errno, err error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	ok(write("abcd", 0))
	ok(f.Sync())

	disk.Break(t, Fault{Op: "write", Name: "*.log", Errno: syscall.ENOSPC, Times: 1})
	fails(syscall.ENOSPC, write("xxxx", 0))
	is("after a write without effect", "abcd")
	ok(write("ABcd", 0))

	disk.Break(t, Fault{Op: "write", Errno: syscall.EIO, Effect: Whole}, Fault{Op: "rename", Name: "other", Errno: syscall.EIO})
	fails(syscall.EIO, write("ABCD", 0))
	is("after a write with effect", "ABCD")
	ok(os.Rename(path, path))
	if hits := disk.Heal(t); hits != 1 {
		t.Errorf("%d faults hit", hits)
	}

	disk.Break(t, Fault{Op: "write", Effect: Half})
	if n, err := syscall.Pwrite(int(f.Fd()), []byte("efgh"), 4); n != 2 || err != nil {
		t.Errorf("a short write: %d %v", n, err)
	}

	disk.Break(t, Fault{Op: "sync", Errno: syscall.EIO, Times: 1})
	fails(syscall.EIO, f.Sync())
	ok(f.Sync()) // a lie, as Linux tells it
	is("after a failed sync", "abcd")

	disk.Break(t, Fault{Op: "syncdir", Errno: syscall.EIO})
	dir, err := os.Open(disk.Dir)
	ok(err)
	defer dir.Close()
	fails(syscall.EIO, dir.Sync())

	disk.Break(t, Fault{Errno: syscall.EROFS})
	fails(syscall.EROFS, os.Symlink("1.log", filepath.Join(disk.Dir, "link")))
	fails(syscall.EROFS, f.Truncate(0))
	fails(syscall.EROFS, os.Remove(path))
	disk.Heal(t)

	disk.Vanish()
	until(t, func() bool {
		return errors.Is(write("x", 0), syscall.ENOTCONN) || errors.Is(write("x", 0), syscall.ECONNABORTED)
	})
}
