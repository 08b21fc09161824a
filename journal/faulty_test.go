package journal

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/faultdisk"
)

// What a disk answers comes from the kernel here: each operation fails, once or
// until the disk is well again, with each error disks have, without effect, with
// half of it and with all. The journal goes on, and after the next start every
// record is there once or on record as lost.
func TestWhateverTheDiskAnswersNothingIsLostUncounted(t *testing.T) {
	disk := faultdisk.Mount(t)
	segment, anyFile := "*"+segmentSuffix, "*"
	errors := []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.EROFS}
	row := 0
	for _, f := range []faultdisk.Fault{
		{Op: "write", Name: segment},
		{Op: "write", Name: segment, Effect: faultdisk.Half},
		{Op: "write", Name: segment, Effect: faultdisk.Whole},
		{Op: "sync", Name: segment},
		{Op: "sync", Name: segment, Effect: faultdisk.Whole},
		{Op: "sync", Name: anyFile},
		{Op: "allocate", Name: anyFile},
		{Op: "allocate", Name: anyFile, Effect: faultdisk.Whole},
		{Op: "create", Name: anyFile},
		{Op: "create", Name: anyFile, Effect: faultdisk.Whole},
		{Op: "rename", Name: anyFile},
		{Op: "rename", Name: anyFile, Effect: faultdisk.Whole},
		{Op: "syncdir", Name: anyFile},
		{Op: "symlink", Name: anyFile},
		{Op: "truncate", Name: anyFile},
		{Name: anyFile}, // everything that would change something
	} {
		for _, errno := range errors {
			for _, when := range []struct{ times, after int }{{1, 0}, {1, 2}, {0, 1}} {
				f := f
				f.Errno, f.Times, f.After = errno, when.times, when.after
				row++
				base := filepath.Join(disk.Dir, fmt.Sprint(row))
				t.Run(rowName(f), func(t *testing.T) { failing(t, disk, base, f, false) })
				if when.times == 0 {
					t.Run(rowName(f)+", killed meanwhile", func(t *testing.T) { failing(t, disk, base+"k", f, true) })
				}
			}
		}
	}
	t.Run("writes are short", func(t *testing.T) {
		failing(t, disk, filepath.Join(disk.Dir, "short"), faultdisk.Fault{Op: "write", Name: segment, Effect: faultdisk.Half}, false)
	})
}

func rowName(f faultdisk.Fault) string {
	op := f.Op
	if op == "" {
		op = "all"
	}
	return fmt.Sprintf("%s %s, effect %d, after %d, %s", op, f.Errno, f.Effect, f.After, map[int]string{1: "once", 0: "until healed"}[f.Times])
}

func failing(t *testing.T, disk *faultdisk.Faulty, base string, f faultdisk.Fault, killed bool) {
	cfg := Config{Dir: base + "/journal", StateDir: base + "/state", Source: "kernel", GroupID: -1, SegmentSize: 100 << 10, reserve: 128 << 10}
	r := newMemRing()
	j := mustOpen(t, cfg, r)
	fed, now := 0, time.Now()
	disk.Break(t, f)
	for range 6 {
		r.feed(fed+1, 200)
		fed += 200
		r.turnUntilEmpty(t, j, &now)
		j.sync.flush()
		now = now.Add(400 * time.Millisecond)
		j.turn(now)
	}
	if killed {
		j.Close()
	}
	if hits := disk.Heal(t); hits == 0 && f.Times == 0 {
		t.Error("the fault never struck")
	}
	if killed {
		j = mustOpen(t, cfg, r)
	}
	for range 3 {
		now = now.Add(retryWait)
		j.turn(now)
		j.sync.flush()
	}
	if j.trouble.state != StateOK {
		t.Fatalf("state %s although the disk is well again: %v", j.trouble.state, j.trouble.err)
	}
	r.feed(fed+1, 10)
	r.turnUntilEmpty(t, j, &now)
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	j.Close()
	again := mustOpen(t, cfg, newMemRing())
	if err := again.finish(); err != nil {
		t.Fatal(err)
	}
	again.Close()
	balance(t, checkJournal(t, cfg), fed+10)
}
