package journal

import (
	"fmt"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/faultdisk"
)

// Killed between a sync that failed and anything done about it, or while that is
// done: what looks as if it were on disk is not believed. The file system here
// drops what it could not write, and its next sync says yes.
func TestAKillAfterAFailedSyncLosesNothing(t *testing.T) {
	disk := faultdisk.Mount(t)
	for _, row := range []struct {
		name    string
		durable int // records that were durable before, in pieces of 100
		handled int // operations of what is done about it, before the kill
	}{
		{"nothing was durable", 0, 0}, {"within a block", 1, 0}, {"behind several blocks", 12, 0},
		{"while it is handled", 3, 1}, {"while it is handled, later", 3, 4}, {"while it is handled, later still", 3, 6},
	} {
		t.Run(row.name, func(t *testing.T) {
			base := filepath.Join(disk.Dir, fmt.Sprint(row.durable, row.handled))
			cfg := Config{Dir: base + "/journal", StateDir: base + "/state", Source: "kernel", GroupID: -1, SegmentSize: 1 << 20, reserve: 128 << 10}
			r, now, fed := newMemRing(), time.Now(), 0
			j := mustOpen(t, cfg, r)
			feed := func(n int) {
				r.feed(fed+1, n)
				fed += n
				r.turnUntilEmpty(t, j, &now)
			}
			for range row.durable {
				feed(100)
				if err := j.sync.flush(); err != nil {
					t.Fatal(err)
				}
			}
			feed(700) // beyond a block
			disk.Break(t, faultdisk.Fault{Op: "sync", Name: "*" + segmentSuffix, Errno: syscall.EIO, Times: 1})
			if j.sync.flush() == nil {
				t.Fatal("the sync did not fail")
			}
			if row.handled > 0 {
				disk.Break(t, faultdisk.Fault{Name: "*", Errno: syscall.EIO, After: row.handled})
				j.turn(now) // as far as it comes: then nothing has an effect any more
			}
			survivor := r.clone()
			j.Close()
			disk.Heal(t)
			j = mustOpen(t, cfg, survivor)
			r = survivor
			feed(10)
			if err := j.finish(); err != nil {
				t.Fatal(err)
			}
			j.Close()
			balance(t, checkJournal(t, cfg), fed)
			if row.handled == 0 {
				wantRecords(t, checkJournal(t, cfg), 1, fed)
			}
		})
	}
}

// The same on xfs over a device that fails: it keeps in memory what the device did
// not take, and drops it later.
func TestAKillAfterADeviceFailedASyncLosesNothing(t *testing.T) {
	disk := faultdisk.Make(t, faultdisk.Options{Kind: "xfs", Starved: 100})
	cfg := Config{Dir: disk.Dir + "/journal", StateDir: disk.Dir + "/state", Source: "kernel", GroupID: -1, SegmentSize: 8 << 20, reserve: 8 << 20}
	r, now, fed := newMemRing(), time.Now(), 0
	j := mustOpen(t, cfg, r)
	feed := func(n int) error {
		r.feed(fed+1, n)
		fed += n
		r.turnUntilEmpty(t, j, &now)
		return j.sync.flush()
	}
	if err := feed(3000); err != nil {
		t.Fatal(err)
	}
	disk.Starve(t)
	for i := 0; feed(2000) == nil; i++ {
		if i > 100 {
			t.Fatal("the device does not fail")
		}
	}
	r = r.clone()
	j.Close()
	disk.Feed(t)
	j = mustOpen(t, cfg, r)
	if err := feed(10); err != nil {
		t.Fatal(err)
	}
	if err := j.finish(); err != nil {
		t.Fatal(err)
	}
	j.Close()
	disk.Remount(t) // what is in memory only is gone
	wantRecords(t, checkJournal(t, cfg), 1, fed)
}
