package journal

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/internal/durable"

	"golang.org/x/sys/unix"
)

// What an operator has got wrong is a clear error with a hint, and changes
// nothing.
func TestOpenRefusesPolitely(t *testing.T) {
	for _, row := range []struct {
		name    string
		prepare func(t *testing.T, cfg *Config)
		want    any
		says    string
	}{
		{"a directory in use", func(t *testing.T, cfg *Config) {
			j := mustOpen(t, *cfg, newMemRing())
			t.Cleanup(func() { j.Close() })
		}, new(*durable.LockedError), "another process holds it"},
		{"a state directory in use", func(t *testing.T, cfg *Config) {
			other := testConfig(t)
			other.StateDir = cfg.StateDir
			j := mustOpen(t, other, newMemRing())
			t.Cleanup(func() { j.Close() })
		}, new(*durable.LockedError), "state/lock"},
		{"a link as directory", func(t *testing.T, cfg *Config) {
			real := testConfig(t)
			os.Mkdir(real.Dir, 0o700)
			os.Symlink(real.Dir, cfg.Dir)
		}, new(*durable.PathError), "symbolic link"},
		{"a link in the path", func(t *testing.T, cfg *Config) {
			base := filepath.Dir(cfg.Dir)
			os.Mkdir(base+"/real", 0o700)
			os.Symlink(base+"/real", base+"/link")
			cfg.Dir = base + "/link/journal"
		}, new(*durable.PathError), "symbolic link"},
		{"a foreign owner", func(t *testing.T, cfg *Config) {
			os.Mkdir(cfg.Dir, 0o700)
			os.Chown(cfg.Dir, 4711, -1)
		}, new(*durable.PathError), "belongs to uid 4711"},
		{"a directory others may write to", func(t *testing.T, cfg *Config) {
			os.Mkdir(cfg.Dir, 0o700)
			os.Chmod(cfg.Dir, 0o777)
		}, new(*durable.PathError), "may be written by others"},
		{"a link as segment", func(t *testing.T, cfg *Config) {
			path, _ := smallJournal(t, *cfg, 3)
			os.Rename(path, path+".moved")
			os.Symlink(path+".moved", path)
		}, new(*durable.PathError), "symbolic link"},
		{"a newer segment", func(t *testing.T, cfg *Config) {
			path, data := smallJournal(t, *cfg, 3)
			os.WriteFile(path, []byte(strings.Replace(string(data), " format=1 ", " format=2 ", 1)), 0o600)
		}, new(*NewerError), "format version 2"},
		{"a newer mark", func(t *testing.T, cfg *Config) {
			smallJournal(t, *cfg, 3)
			f, _ := os.OpenFile(cfg.Dir+"/"+markName, os.O_RDWR, 0)
			f.WriteAt([]byte{9}, 8)
			f.Close()
		}, new(*NewerError), "format version 9"},
		{"one directory for all", func(_ *testing.T, cfg *Config) { cfg.StateDir = cfg.Dir }, nil, "must not be journal-dir"},
		{"a relative path", func(_ *testing.T, cfg *Config) { cfg.Dir = "journal" }, nil, "not an absolute path"},
		{"a read-only file system", func(t *testing.T, cfg *Config) {
			smallJournal(t, *cfg, 3)
			readOnly(t, filepath.Dir(cfg.Dir))
		}, new(*ReadOnlyError), "read-only"},
	} {
		t.Run(row.name, func(t *testing.T) {
			cfg := testConfig(t)
			row.prepare(t, &cfg)
			before := listing(filepath.Dir(cfg.Dir))
			j, err := openIn(cfg, newMemRing())
			if err == nil {
				j.Close()
				t.Fatal("opened")
			}
			if row.want != nil && !errors.As(err, row.want) {
				t.Errorf("%T: %v", err, err)
			}
			var hint interface{ Hint() string }
			if row.want != nil && (!errors.As(err, &hint) || hint.Hint() == "") {
				t.Errorf("no hint: %v", err)
			}
			if !strings.Contains(err.Error(), row.says) {
				t.Errorf("does not say %q: %v", row.says, err)
			}
			if row.name != "a link in the path" && !strings.Contains(row.name, "newer") && before != listing(filepath.Dir(cfg.Dir)) && strings.Contains(row.name, "segment") {
				t.Errorf("changed:\n%s\n%s", before, listing(filepath.Dir(cfg.Dir)))
			}
		})
	}
}

// readOnly binds a directory over itself, read-only, until the test ends.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Mount(dir, dir, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	if err := unix.Mount("", dir, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		t.Fatal(err)
	}
}

// The stock ausearch finds the records, all segments' of them, by the
// directory's name.
func TestAusearchReadsTheDirectory(t *testing.T) {
	cfg := testConfig(t)
	cfg.SegmentSize = 100 << 10
	smallJournal(t, cfg, 1500)
	out, err := exec.Command("ausearch", "-if", cfg.Dir, "-m", "SYSCALL", "--raw").Output()
	if err != nil {
		t.Fatalf("ausearch: %v\n%s", err, out)
	}
	if got := strings.Count(string(out), "type=SYSCALL"); got != 1500 {
		t.Errorf("ausearch finds %d records of 1500", got)
	}
	out, err = exec.Command("ausearch", "-if", cfg.Dir, "-m", "DAEMON_CONFIG", "--raw").Output()
	if err != nil || !strings.Contains(string(out), "op=block") || !strings.Contains(string(out), "op=segment") {
		t.Errorf("ausearch does not find our own records: %v\n%s", err, out)
	}
}

// Dropping is on record, durably, before the first file goes.
func TestDropIsOnRecord(t *testing.T) {
	cfg, r := testConfig(t), newMemRing()
	cfg.SegmentSize = 50 << 10
	d := &disk{}
	j, err := open(cfg, r, d.open)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	r.feed(1, 2000)
	stop := runFor(t, j)
	until(t, "all is written", func() bool { return len(r.Pending()) == 0 && len(j.Segments()) > 4 })
	list := j.Segments()
	if err := j.Drop(context.Background(), len(list), "test"); err == nil {
		t.Error("dropped the open segment")
	}
	if err := j.Drop(context.Background(), 2, "older than 180d"); err != nil {
		t.Fatal(err)
	}
	stop()
	c := checkJournal(t, cfg)
	if _, there := c.lines[list[2].First]; !there || len(c.lines) == 0 || c.lines[list[1].Last] != "" {
		t.Error("the wrong segments are gone")
	}
	if got := len(j.Segments()); got != len(list)-2 {
		t.Errorf("%d segments are listed, want %d", got, len(list)-2)
	}
	noted, synced, removed := -1, -1, -1
	for i, o := range d.ops {
		switch {
		case o.kind == "write" && strings.Contains(string(o.data), "op=drop "):
			noted = i
		case o.kind == "sync" && noted >= 0 && synced < 0:
			synced = i
		case o.kind == "remove" && strings.HasSuffix(o.name, segmentSuffix) && removed < 0:
			removed = i
		}
	}
	if noted < 0 || synced < noted || removed < synced {
		t.Errorf("noted at %d, synced at %d, removed at %d", noted, synced, removed)
	}
}
