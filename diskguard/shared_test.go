package diskguard

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"auditbridge/journal"
)

// Another user fills the file system that the journal shares, to the last block he
// gets. The journal's levels are measured against its own max-size, and what it
// still writes it owns already, or root's reserve (mke2fs -m) has it: no level
// changes, and not a record is refused.
func TestAnotherUserFillingTheFileSystemChangesNoLevel(t *testing.T) {
	dir := smallDisk(t, "ext4") // 48 MiB
	device, err := exec.Command("findmnt", "-n", "-o", "SOURCE", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	command(t, "tune2fs", "-m", "50", strings.TrimSpace(string(device)))
	cfg := config(Halt)
	cfg.MaxSize = 24 << 20
	cfg.SpaceLeft, cfg.AdminSpaceLeft = Threshold{Percent: 25}, Threshold{Percent: 5}
	cfg.Halter = func(context.Context) error { t.Error("halted"); return nil }
	r, err := record(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.feed(1000)
	theirs := filepath.Join(dir, "theirs")
	if err := os.Mkdir(theirs, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(theirs, 0o777); err != nil {
		t.Fatal(err)
	}
	for way := dir; way != os.TempDir() && way != "/"; way = filepath.Dir(way) {
		if err := os.Chmod(way, 0o711); err != nil {
			t.Fatal(err)
		}
	}
	nobody := exec.Command("sh", "-c", "cat /dev/zero >filler")
	nobody.Dir = theirs
	nobody.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := nobody.CombinedOutput(); err == nil || !strings.Contains(string(out), "No space left") {
		t.Fatalf("the other user did not fill the file system: %v: %s", err, out)
	}
	if free := RoomAt(dir, 0).Available; free > 1<<20 {
		t.Fatalf("%d bytes are left", free)
	}
	r.feed(6000) // about 6 MiB
	if err := r.until("all is stored", func() bool { return r.journal.Stats().Records >= 7000 }); err != nil {
		t.Fatal(err)
	}
	fed := int(r.serial)
	if s := r.guard.Space(); s.Level != LevelOK || s.State != journal.StateOK {
		t.Errorf("%+v", s)
	}
	if refused, err := r.stop(); err != nil || refused > 0 {
		t.Errorf("%d records refused, %v", refused, err)
	}
	all := lines(t, dir)
	if n, _ := records(t, all); n != fed || noted(all, "op=disk-level") {
		t.Errorf("%d of %d records; a level changed: %v", n, fed, noted(all, "op=disk-level"))
	}
}
