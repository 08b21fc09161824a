package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/journal/ring"

	"golang.org/x/sys/unix"
)

// fileSystem mounts a small file system for one test and returns a directory
// on it.
func fileSystem(t *testing.T, kind string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), kind)
	if err := os.Mkdir(at, 0o700); err != nil {
		t.Fatal(err)
	}
	if kind == "tmpfs" {
		if err := unix.Mount("tmpfs", at, "tmpfs", 0, "size=64m,mode=0700"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
		return at
	}
	image := at + ".img"
	// xfs wants 300 MiB; the file is sparse.
	command(t, "truncate", "-s", map[string]string{"ext4": "96M", "xfs": "320M"}[kind], image)
	command(t, "mkfs."+kind, "-q", image)
	command(t, "mount", "-o", "loop", image, at)
	t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
	if err := os.Chmod(at, 0o700); err != nil {
		t.Fatal(err)
	}
	return at
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
}

// fillUp is the other process: it writes until nothing more fits.
func fillUp(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "others")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 512; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			if !errors.Is(err, unix.ENOSPC) {
				t.Fatal(err)
			}
			size /= 2
		}
	}
	f.Sync()
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// When others fill the disk the journal takes what it has reserved, says so,
// signs, and counts what comes then; it goes on by itself when there is space,
// with the gap on record. The books balance at the end.
func TestAFullDiskLosesNothingUncounted(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs", "tmpfs"} {
		t.Run(kind, func(t *testing.T) { fullDisk(t, fileSystem(t, kind)) })
	}
}

func fullDisk(t *testing.T, at string) {
	cfg := Config{Dir: at + "/journal", StateDir: at + "/state", Source: "kernel", GroupID: -1, SegmentSize: 4 << 20}
	var states []State
	cfg.OnState = func(s State) { states = append(states, s) }
	r := newRing(t)
	j := mustOpen(t, cfg, r)
	done := make(chan error, 1)
	go func() { done <- j.Run(context.Background()) }()
	fed := 0
	feedMore := func(n int) { feed(t, r, fed+1, n); fed += n }

	feedMore(1000)
	until(t, "the first are durable", func() bool { return r.Stats().Bytes == 0 })
	free := fillUp(t, at)
	for j.Stats().State != StateFull && fed < 200000 {
		feedMore(1000)
		until(t, "the ring is empty", func() bool { return r.Stats().Bytes == 0 })
	}
	if j.Stats().State != StateFull {
		t.Fatalf("state %s on a full disk", j.Stats().State)
	}
	feedMore(2000)
	until(t, "what does not fit is counted", func() bool { return r.Stats().Bytes == 0 && r.Stats().Discarded >= 2000 })
	checkJournal(t, cfg) // sound while the disk is full
	free()
	until(t, "recording goes on", func() bool { return j.Stats().State == StateOK })
	feedMore(500)
	r.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	j.Close()

	c := checkJournal(t, cfg)
	balance(t, c, fed)
	all := strings.Join(c.ours, "\n")
	for _, want := range []string{"op=disk-full ", "op=resumed ", "op=refused ", "why=disk-full "} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not on record", want)
		}
	}
	s := r.Stats()
	if s.Received != s.Written+s.Discarded || s.Received != uint64(fed) {
		t.Errorf("the books do not balance: %+v", s)
	}
	if got := fmt.Sprint(states); got != "[full ok]" {
		t.Errorf("states %s", got)
	}
	t.Logf("%d of %d records stored", len(c.records), fed)
}

// A process that is killed while the disk is full leaves the count of what was
// refused to the next one.
func TestTheCountOfWhatWasRefusedOutlivesTheProcess(t *testing.T) {
	at := fileSystem(t, "tmpfs")
	cfg := Config{Dir: at + "/journal", StateDir: at + "/state", Source: "kernel", GroupID: -1, SegmentSize: 4 << 20}
	path := filepath.Join(memoryDir(t), "ring")
	r, err := ring.Open(ring.Config{Path: path, Size: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	j := mustOpen(t, cfg, r)
	free := fillUp(t, at)
	fed := 0
	for r.Stats().Discarded == 0 {
		feed(t, r, fed+1, 5000)
		fed += 5000
		drain(t, j, r)
	}
	// The process dies here: nothing is finished, files and mapping stay.
	j.Close()
	r.Unmap()

	free()
	if r, err = ring.Open(ring.Config{Path: path, Size: 4 << 20}); err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	j = mustOpen(t, cfg, r)
	defer j.Close()
	feed(t, r, fed+1, 10)
	drain(t, j, r)
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	balance(t, checkJournal(t, cfg), fed+10)
}
