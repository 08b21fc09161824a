package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/journal"
	"auditbridge/journal/ring"
)

// record appends records to the journal in dir and ends it in order.
func record(t *testing.T, dir string, n int) {
	t.Helper()
	r, err := ring.Open(ring.Config{Size: 1 << 20})
	must(t, err)
	defer r.Unmap()
	j, err := journal.Open(journal.Config{Dir: dir + "/journal", StateDir: dir + "/state", Source: "kernel", GroupID: -1}, r)
	must(t, err)
	defer j.Close()
	for i := range n {
		line := fmt.Sprintf("type=SYSCALL msg=audit(%d.000:%d): arch=c000003e syscall=59 success=yes\n", 1709742929+i, i)
		r.Publish(copy(r.Room()[:len(line)], line), 1)
	}
	j.Note(auditbridge.OwnNote(auditbridge.TypeDaemonEnd, "stop"))
	r.Close()
	must(t, j.Run(context.Background()))
}

// newest reads the newest segment.
func newest(t *testing.T, dir string) (path string, data []byte) {
	t.Helper()
	in, err := openJournalDir(dir + "/journal")
	must(t, err)
	defer in.Close()
	path = in.files[len(in.files)-1].name
	data, err = os.ReadFile(path)
	must(t, err)
	return path, data
}

// TestAnHonestJournalAfterDamage is of the journal's own making: its disk loses
// or damages the end of the segment, it is started again and stopped. Whatever
// that leaves, no line counts as added by someone.
func TestAnHonestJournalAfterDamage(t *testing.T) {
	beside(t)
	for _, row := range []struct {
		name   string
		damage func(data []byte) []byte
		want   string // beginning of the first line
		code   int
	}{
		{"none", func(data []byte) []byte { return data }, "OK ", 0},
		{"the last checkpoint is gone", func(data []byte) []byte {
			return data[:bytes.LastIndexByte(data[:len(data)-1], '\n')+1]
		}, "PARTIAL ", 1},
		{"the last checkpoint is damaged", func(data []byte) []byte {
			return slices.Replace(data, len(data)-300, len(data)-299, 0)
		}, "PARTIAL ", 1},
		{"the end is zeros", func(data []byte) []byte {
			clear(data[len(data)-1200:])
			return data
		}, "PARTIAL ", 1},
		{"a sealed record is damaged", func(data []byte) []byte {
			return bytes.Replace(data, []byte("audit(1709742931"), []byte("audit(1709742932"), 1)
		}, "BAD record changed: ", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			record(t, dir, 10)
			path, data := newest(t, dir)
			must(t, os.WriteFile(path, row.damage(data), 0o600))
			record(t, dir, 5)
			out, errs, code := auditbridgeCommand(t, "verify", filepath.Join(dir, "journal"))
			if code != row.code || !strings.HasPrefix(out, row.want) || strings.Contains(out, "added") {
				t.Errorf("exit %d: %s%s", code, out, errs)
			}
			if tail := "0 at the end"; !strings.Contains(out, tail) {
				t.Errorf("stopped in order: %s", out)
			}
		})
	}
}

// TestAStrangeJournalDirectoryIsNotWaitedFor: what lies under a segment's name
// and is none is an answer, whatever it is.
func TestAStrangeJournalDirectoryIsNotWaitedFor(t *testing.T) {
	beside(t)
	for what, put := range map[string]func(path string) error{
		"a symbolic link": func(path string) error { return os.Symlink("/etc/shadow", path) },
		"a FIFO":          func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a directory":     func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		dir := t.TempDir()
		must(t, put(filepath.Join(dir, "00000000000000000001.log")))
		for _, command := range []string{"verify", "dump"} {
			out, errs, code := auditbridgeCommand(t, command, dir)
			if code != 2 || out != "" || !strings.Contains(errs, "0001.log is ") {
				t.Errorf("%s, %s: exit %d: %s%s", what, command, code, out, errs)
			}
		}
	}
}

func TestWhatCannotBeReadSaysWhatToDo(t *testing.T) {
	for _, row := range []struct {
		err  error
		want string
	}{
		{&fs.PathError{Op: "open", Path: "/var/log/audit/auditbridge", Err: fs.ErrPermission}, "sudo auditbridge verify"},
		{&fs.PathError{Op: "open", Path: "x", Err: fs.ErrNotExist}, "name a journal directory"},
		{withHint(errors.New("no configuration"), "name the directory"), "name the directory"},
	} {
		var said bytes.Buffer
		err := noAnswer("verify", row.err)
		report(&said, err)
		if exitCode(err) != 2 || !strings.Contains(said.String(), row.want) || !strings.HasPrefix(said.String(), "auditbridge: error: verify: ") {
			t.Errorf("exit %d: %s", exitCode(err), &said)
		}
	}
}
