package faultdisk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Disk is a small file system of its own, on a loop device where it needs one.
type Disk struct {
	Dir    string // where it is mounted, of root's alone
	kind   string
	image  string
	under  string // the tmpfs that holds the image, when it can be starved
	mounts bool
}

// Options say what kind of disk Make makes.
type Options struct {
	Kind    string // ext4, xfs or tmpfs
	MiB     int    // its size; 0 is as small as it may be
	Inodes  int    // how many it has; 0 is as many as are usual
	Starved int    // MiB that its device really has; the file system believes in the whole size. 0 is all
}

// Make makes and mounts a disk for the rest of the test.
func Make(t testing.TB, o Options) *Disk {
	t.Helper()
	base := t.TempDir()
	d := &Disk{Dir: filepath.Join(base, "mounted"), kind: o.Kind}
	must(t, os.Mkdir(d.Dir, 0o700))
	if o.MiB == 0 {
		o.MiB = map[string]int{"ext4": 96, "xfs": 320, "tmpfs": 64}[o.Kind] // xfs wants 300
	}
	if o.Kind == "tmpfs" {
		must(t, unix.Mount("tmpfs", d.Dir, "tmpfs", 0, fmt.Sprintf("size=%dm,nr_inodes=%d,mode=0700", o.MiB, o.Inodes)))
		t.Cleanup(func() { unix.Unmount(d.Dir, unix.MNT_DETACH) })
		return d
	}
	d.image = filepath.Join(base, "image")
	if o.Starved > 0 {
		d.under = filepath.Join(base, "under")
		must(t, os.Mkdir(d.under, 0o700))
		must(t, unix.Mount("tmpfs", d.under, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", o.Starved)))
		t.Cleanup(func() { unix.Unmount(d.under, unix.MNT_DETACH) })
		d.image = filepath.Join(d.under, "image")
	}
	must(t, os.WriteFile(d.image, nil, 0o600))
	must(t, os.Truncate(d.image, int64(o.MiB)<<20)) // sparse
	args := []string{"-q"}
	if o.Inodes > 0 {
		args = append(args, "-N", fmt.Sprint(o.Inodes))
	}
	command(t, "mkfs."+o.Kind, append(args, d.image)...)
	t.Cleanup(func() {
		for d.mounts && unix.Unmount(d.Dir, unix.MNT_DETACH) == nil {
		}
	})
	d.mount(t)
	return d
}

func (d *Disk) mount(t testing.TB) {
	t.Helper()
	options := "loop"
	if d.kind == "ext4" {
		options = "loop,errors=remount-ro"
	}
	command(t, "mount", "-o", options, d.image, d.Dir)
	d.mounts = true
	must(t, os.Chmod(d.Dir, 0o700))
}

// Remount unmounts the disk and mounts it anew, after what repairs it when it
// needs that. Nothing may have a file on it open.
func (d *Disk) Remount(t testing.TB) {
	t.Helper()
	command(t, "umount", d.Dir)
	d.mounts = false
	for waited := time.Now(); d.inUse(t); time.Sleep(10 * time.Millisecond) {
		if time.Since(waited) > 2*time.Minute {
			t.Fatal("somebody has a mount namespace in which ", d.image, " is still mounted")
		}
	}
	if d.kind == "ext4" {
		// 1 is "errors corrected".
		if out, err := exec.Command("fsck.ext4", "-p", d.image).CombinedOutput(); err != nil {
			var ended *exec.ExitError
			if !errors.As(err, &ended) || ended.ExitCode() != 1 {
				t.Fatalf("fsck: %v\n%s", err, out)
			}
		}
	}
	d.mount(t)
}

// inUse reports whether the kernel still has the file system: a mount namespace that
// was made meanwhile, of whomever, keeps it, and another mount would be of the same.
func (d *Disk) inUse(t testing.TB) bool {
	t.Helper()
	devices, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	must(t, err)
	for _, name := range devices {
		if file, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(file)) == d.image {
			return true
		}
	}
	return false
}

// CutPower stops the disk as a power failure does: what has not reached the
// device never will. Remount shows what has.
func (d *Disk) CutPower(t testing.TB) {
	t.Helper()
	const goingDown, withoutFlush = 0x8004587d, 2 // EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN
	how := uint32(withoutFlush)
	dir, err := os.Open(d.Dir)
	must(t, err)
	defer dir.Close()
	if _, _, no := unix.Syscall(unix.SYS_IOCTL, dir.Fd(), goingDown, uintptr(unsafe.Pointer(&how))); no != 0 {
		t.Fatal("cut the disk's power:", no)
	}
}

// TurnReadOnly has an ext4 find an error, upon which it takes no more writes.
func (d *Disk) TurnReadOnly(t testing.TB) {
	t.Helper()
	device, err := exec.Command("findmnt", "-no", "SOURCE", d.Dir).Output()
	must(t, err)
	must(t, os.WriteFile("/sys/fs/ext4/"+filepath.Base(string(device[:len(device)-1]))+"/trigger_fs_error", []byte("1"), 0))
}

// Starve takes all that is left of the device: what the file system writes to
// blocks it had not written before fails. Feed gives it back.
func (d *Disk) Starve(t testing.TB) {
	t.Helper()
	f, err := os.Create(filepath.Join(d.under, "others"))
	must(t, err)
	defer f.Close()
	for block := make([]byte, 1<<20); ; {
		if _, err := f.Write(block); err != nil {
			return
		}
	}
}

// Feed ends what Starve began.
func (d *Disk) Feed(t testing.TB) {
	t.Helper()
	must(t, os.Remove(filepath.Join(d.under, "others")))
}

// Freeze holds all writing, as a snapshot does, until the returned function is
// called, from any goroutine, or this process has died: what is still frozen when it
// is unmounted stays so until the next boot.
func (d *Disk) Freeze(t testing.TB) (thaw func()) {
	t.Helper()
	snapshot := exec.Command("sh", "-c", `fsfreeze -f "$0" || exit; echo frozen; read -r _; fsfreeze -u "$0"`, d.Dir)
	snapshot.Stderr = os.Stderr
	held, err := snapshot.StdinPipe()
	must(t, err)
	said, err := snapshot.StdoutPipe()
	must(t, err)
	must(t, snapshot.Start()) // it outlives us
	thaw = sync.OnceFunc(func() {
		held.Close()
		if err := snapshot.Wait(); err != nil {
			t.Errorf("freeze, thaw: %v", err)
		}
	})
	t.Cleanup(thaw)
	if _, err := said.Read(make([]byte, 16)); err != nil {
		t.Fatal("freeze: ", err)
	}
	return thaw
}

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func until(t testing.TB, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it does not come true")
		}
	}
}
