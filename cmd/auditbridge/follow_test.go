package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// TestFollowsStockAuditdThroughRotation: auditd writes at its full rate and rotates
// by size; we are killed, ended and started again meanwhile. The journal holds what
// auditd's logs hold, each line once, in order.
func TestFollowsStockAuditdThroughRotation(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	auditd := peertest.NewAuditd(t, "max_log_file = 1\nnum_logs = 99\nmax_log_file_action = rotate\n")
	d := newDaemon(t, "[audit]\nsource = \"file:"+auditd.Log+"\"\n")
	d.start()
	auditd.Start(t)
	untilOwner(t, kernel, auditd)
	for round, end := range []func(){d.kill, d.stop, d.kill, d.kill} {
		load := kernel.StartGenerate(6000, 0, fmt.Sprint("round", round))
		d.until("some is stored", func(s status.Status) bool { return s.Stored > 500 })
		end()
		kernel.Generate(1000, 0, "while-down")
		d.start()
		load.Wait()
	}
	auditd.Tell(syscall.SIGUSR1) // one more rotation, and nothing behind it
	auditd.Stop()
	want := auditdLogs(t, auditd.Log)
	peertest.Until(t, "the last line is stored", func() bool {
		return slices.Contains(d.journalLines(), want[len(want)-1])
	})
	d.until("the books balance, without a gap", func(s status.Status) bool { return s.Balanced && s.InRing == 0 && s.Refused == 0 && s.Gaps == 0 })
	d.stop()
	got := foreign(d.journalLines())
	t.Logf("auditd wrote %d records into %d logs", len(want), len(glob(t, auditd.Log+"*")))
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d of %d differs from line %d of %d that auditd wrote:\n%s\n%s", i, len(got), i, len(want), at(got, i), at(want, i))
		}
	}
	d.verifies(d.journal)
}

// auditdLogs are the lines of auditd's logs, oldest first.
func auditdLogs(t *testing.T, log string) (all []string) {
	t.Helper()
	for n := len(glob(t, log+".*")); n > 0; n-- {
		all = append(all, lines(t, fmt.Sprintf("%s.%d", log, n))...)
	}
	if text := read(t, log); text != "" {
		all = append(all, strings.Split(strings.TrimSuffix(text, "\n"), "\n")...)
	}
	return all
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(pattern)
	must(t, err)
	return found
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(nothing)"
}

// TestFollowedFileThatIsNone: what cannot be followed is said in status, with what
// is wrong, and followed once it can be.
func TestFollowedFileThatIsNone(t *testing.T) {
	beside(t)
	for _, row := range []struct {
		name, says string
		make       func(log string) error
	}{
		{"missing", "no such file", func(string) error { return nil }},
		{"its directory is missing", "no such file", func(log string) error { return os.Remove(filepath.Dir(log)) }},
		{"a FIFO", "is not a regular file", func(log string) error { return syscall.Mkfifo(log, 0o600) }},
		{"a directory", "is not a regular file", func(log string) error { return os.Mkdir(log, 0o700) }},
		{"a symbolic link", "too many levels of symbolic links|is a symbolic link", func(log string) error { return os.Symlink("/etc/passwd", log) }},
		{"a stranger's file", "belongs to uid 4711", func(log string) error {
			return errors.Join(os.WriteFile(log, []byte("forged\n"), 0o644), os.Chown(log, 4711, -1))
		}},
		{"in a stranger's directory", "belongs to uid 4711", func(log string) error { return os.Chown(filepath.Dir(log), 4711, -1) }},
		{"in a directory that everybody may write to", "may be written by others", func(log string) error { return os.Chmod(filepath.Dir(log), 0o777) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "audit")
			must(t, os.Mkdir(dir, 0o700))
			log := filepath.Join(dir, "audit.log")
			must(t, row.make(log))
			d := newDaemon(t, "[audit]\nsource = \"file:"+log+"\"\n")
			d.start()
			d.until("status says what is wrong", func(s status.Status) bool {
				return s.State == status.Impaired && containsOneOf(s.DeafBecause, row.says)
			})
			must(t, os.RemoveAll(dir))
			must(t, os.Mkdir(dir, 0o700))
			must(t, os.WriteFile(log, []byte("type=USER msg=audit(1.000:1): here\n"), 0o600))
			d.until("it is followed", func(s status.Status) bool { return s.Stored == 1 && s.DeafBecause == "" && s.State == status.OK })
			d.stop()
		})
	}
}
