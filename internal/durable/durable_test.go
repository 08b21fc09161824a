package durable

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var testMagic = [8]byte{'t', 'e', 's', 't', '\r', '\n', 0, 1}

func openTestDir(t testing.TB) Dir {
	t.Helper()
	d, err := OpenDir(t.TempDir(), 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func mustSlots(t testing.TB, d Dir) *Slots {
	t.Helper()
	s, err := OpenSlots(d, "state", testMagic, 1, 0o600, -1)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// However many bytes of a Store reach the disk, the state is the old one or
// the new one.
func TestAStoreTornAtAnyByteLeavesOldOrNew(t *testing.T) {
	d := openTestDir(t)
	s := mustSlots(t, d)
	for _, state := range []string{"first", "second"} {
		if err := s.Store([]byte(state)); err != nil {
			t.Fatal(err)
		}
	}
	before, err := os.ReadFile(d.Path() + "/state")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Store([]byte("third")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	after, err := os.ReadFile(d.Path() + "/state")
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(before) {
		if before[n] == after[n] && n%512 != 0 {
			continue
		}
		torn := append(append([]byte{}, after[:n]...), before[n:]...)
		if err := os.WriteFile(d.Path()+"/state", torn, 0o600); err != nil {
			t.Fatal(err)
		}
		s := mustSlots(t, d)
		if got := string(s.State()); got != "second" && got != "third" {
			t.Fatalf("torn at %d: state %q", n, got)
		}
		if err := s.Store([]byte("fourth")); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if got, err := ReadSlots(d, "state", testMagic, 1); err != nil || string(got) != "fourth" {
			t.Fatalf("torn at %d, then stored: %q %v", n, got, err)
		}
	}
}

func TestAStateFileIsOpened(t *testing.T) {
	for _, row := range []struct {
		name   string
		file   func(whole []byte) []byte
		state  string
		failed func(error) bool
	}{
		{"new", func([]byte) []byte { return nil }, "", nil},
		{"as it was made", func(b []byte) []byte { return make([]byte, len(b)) }, "", nil},
		{"whole", func(b []byte) []byte { return b }, "old", nil},
		{"with one slot damaged", func(b []byte) []byte { b[slotSize+30] ^= 1; return b }, "", func(err error) bool { return errors.As(err, new(*StateError)) }},
		{"cut to the slot in force", func(b []byte) []byte { return b[:slotSize] }, "old", nil},
		{"cut within it", func(b []byte) []byte { return b[:30] }, "", func(err error) bool { return errors.As(err, new(*StateError)) }},
		{"of a later version", func([]byte) []byte {
			b := make([]byte, 2*slotSize)
			encodeSlot(b, testMagic, 2, 7, []byte("later"))
			return b
		}, "", func(err error) bool { return errors.Is(err, ErrNewer) }},
		{"of something else", func(b []byte) []byte { copy(b, "SQLite format 3"); return b }, "", func(err error) bool { return errors.As(err, new(*StateError)) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := openTestDir(t)
			s := mustSlots(t, d)
			if err := s.Store([]byte("old")); err != nil {
				t.Fatal(err)
			}
			s.Close()
			whole, err := os.ReadFile(d.Path() + "/state")
			if err != nil {
				t.Fatal(err)
			}
			if row.name == "with one slot damaged" {
				whole[30] ^= 1 // the only one ever written
			}
			if err := os.WriteFile(d.Path()+"/state", row.file(whole), 0o600); err != nil {
				t.Fatal(err)
			}
			s, err = OpenSlots(d, "state", testMagic, 1, 0o600, -1)
			if row.failed != nil {
				if err == nil || !row.failed(err) {
					t.Fatalf("%v", err)
				}
				return
			}
			if err != nil || string(s.State()) != row.state {
				t.Fatalf("%q %v", s.State(), err)
			}
			s.Close()
		})
	}
}

func TestPathsOthersCouldTurnAreRefused(t *testing.T) {
	for _, row := range []struct {
		name    string
		prepare func(base string) (path string)
		refused bool
	}{
		{"a directory of our own", func(base string) string { return base }, false},
		{"below a sticky one", func(base string) string { os.Chmod(base, 0o777|os.ModeSticky); return base + "/new" }, false},
		{"below one others may write to", func(base string) string { os.Chmod(base, 0o777); return base + "/new" }, true},
		{"a link", func(base string) string { os.Symlink("/tmp", base+"/link"); return base + "/link" }, true},
		{"below a link", func(base string) string { os.Symlink("/tmp", base+"/link"); return base + "/link/new" }, true},
		{"a file", func(base string) string { os.WriteFile(base+"/file", nil, 0o600); return base + "/file" }, true},
		{"a foreign directory", func(base string) string {
			os.Mkdir(base+"/foreign", 0o700)
			os.Chown(base+"/foreign", 4711, 4711)
			return base + "/foreign"
		}, true},
		{"a relative path", func(string) string { return "tmp" }, true},
		{"below directories that are missing", func(base string) string { return base + "/var/log/new" }, false},
		{"below missing ones that others could put there", func(base string) string { os.Chmod(base, 0o777); return base + "/var/log/new" }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := row.prepare(t.TempDir())
			d, err := OpenDir(path, 0o700, -1)
			if row.refused {
				if !errors.As(err, new(*PathError)) {
					t.Fatalf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			d.Close()
			if st, err := os.Stat(path); err != nil || !st.IsDir() {
				t.Error(err)
			}
		})
	}
}

// Only the directory asked for is narrow; others share those on the way to it.
func TestMissingDirectoriesAreMade(t *testing.T) {
	defer unix.Umask(unix.Umask(0o077))
	base := t.TempDir()
	if _, err := OpenDir(base+"/a/b", 0, -1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("made although nothing was to be: %v", err)
	}
	d, err := OpenDir(base+"/a/b/c", 0o750, 4712)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	for path, want := range map[string]os.FileMode{"/a": 0o755, "/a/b": 0o755, "/a/b/c": 0o750} {
		if st, err := os.Stat(base + path); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v %v, want %v", path, st.Mode(), err, want)
		}
	}
}

func TestFilesThatAreNoneAreRefused(t *testing.T) {
	d := openTestDir(t)
	os.Symlink("/etc/passwd", filepath.Join(d.Path(), "link"))
	unix.Mkfifo(filepath.Join(d.Path(), "fifo"), 0o600)
	for _, name := range []string{"link", "fifo"} {
		if _, err := d.Open(name, os.O_RDONLY, 0); !errors.As(err, new(*PathError)) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := OpenRegular(filepath.Join(d.Path(), name)); !errors.As(err, new(*PathError)) {
			t.Errorf("OpenRegular %s: %v", name, err)
		}
	}
}

// A program that somebody else could have put there is not started as root.
func TestWhatIsNoProgramToStartAsRoot(t *testing.T) {
	dir := t.TempDir()
	copyTo := func(name string, change func(path string) error) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := change(path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := copyTo("good", func(string) error { return nil })
	if err := CheckProgram(good); err != nil {
		t.Fatal(err)
	}
	for path, why := range map[string]string{
		"program":                  "not an absolute path",
		filepath.Join(dir, "none"): "no such file",
		dir:                        "not a regular file",
		copyTo("a", func(p string) error { return os.Chmod(p, 0o720) }):                          "may be written by others",
		copyTo("b", func(p string) error { return os.Chmod(p, 0o600) }):                          "cannot be executed",
		copyTo("c", func(p string) error { return os.Chown(p, 46234, -1) }):                      "belongs to uid 46234",
		copyTo("open/d", func(p string) error { return os.Chmod(filepath.Dir(p), 0o777) }):       "may be written by others",
		copyTo("theirs/e", func(p string) error { return os.Chown(filepath.Dir(p), 46234, -1) }): "belongs to uid 46234",
		copyTo("f", func(p string) error { return os.Rename(p, p+"2") }):                         "no such file",
		copyTo("g", func(p string) error { os.Remove(p); return os.Symlink(good, p) }):           "is a symbolic link",
	} {
		err := CheckProgram(path)
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", path, err, why)
		}
	}
}

func TestALockIsHeldOnce(t *testing.T) {
	d := openTestDir(t)
	held, err := Lock(d, "lock")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(d, "lock"); !errors.As(err, new(*LockedError)) {
		t.Errorf("%v", err)
	}
	child, err := unix.Dup(int(held.(interface{ Fd() uintptr }).Fd())) // as a fork makes one, until it executes
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(child)
	if err := held.Close(); err != nil {
		t.Error(err)
	}
	again, err := Lock(d, "lock")
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestAllocateKeepsTheSizeAndTruncateGivesBack(t *testing.T) {
	d := openTestDir(t)
	f, err := d.Open("file", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	blocks := func() int64 {
		var st unix.Stat_t
		if err := unix.Fstat(int(f.Fd()), &st); err != nil {
			t.Fatal(err)
		}
		return st.Blocks * 512
	}
	if err := f.Allocate(0, 1<<20); err != nil {
		t.Fatal(err)
	}
	if size, _ := f.Size(); size != 0 || blocks() < 1<<20 {
		t.Errorf("size %d, %d bytes on disk", size, blocks())
	}
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if got := blocks(); got != 0 {
		t.Errorf("%d bytes are still allocated", got)
	}
}

func FuzzSlots(f *testing.F) {
	whole := make([]byte, 2*slotSize)
	encodeSlot(whole, testMagic, 1, 1, []byte("state"))
	f.Add(whole)
	f.Add(whole[:40])
	f.Fuzz(func(t *testing.T, file []byte) {
		d := openTestDir(t)
		if err := os.WriteFile(d.Path()+"/state", file, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := OpenSlots(d, "state", testMagic, 1, 0o600, -1)
		if err != nil {
			return
		}
		defer s.Close()
		if err := s.Store([]byte("new")); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadSlots(d, "state", testMagic, 1); err != nil || string(got) != "new" {
			t.Fatalf("%q %v", got, err)
		}
	})
}
