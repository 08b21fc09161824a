package main

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"auditbridge/internal/audittest"
)

// TestALifetimeIsOnRecord: FAU_GEN.1.1a, the start and the stop of auditing, and
// what neither says: that the process died.
func TestALifetimeIsOnRecord(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	ops := func(from int) (all []string) {
		for _, line := range d.journalLines()[from:] {
			if _, rest, own := strings.Cut(line, ": op="); own {
				op, _, _ := strings.Cut(rest, " ")
				all = append(all, op)
			}
		}
		return all
	}
	d.start()
	d.stop()
	t.Run("T-GEN-START", func(t *testing.T) {
		if got := strings.Join(ops(0), " "); !strings.HasPrefix(got, "segment open block start ") {
			t.Errorf("on record: %s", got)
		}
	})
	t.Run("T-GEN-STOP", func(t *testing.T) {
		if got := strings.Join(ops(0), " "); !strings.HasSuffix(got, " stop block") {
			t.Errorf("on record: %s", got)
		}
	})
	t.Run("T-GEN-ABORT", func(t *testing.T) {
		d.start()
		pid := d.cmd.Process.Pid
		d.kill()
		before := len(d.journalLines())
		d.start()
		d.onRecord("op=abnormal-end ", fmt.Sprintf(" last=%d alive=", before), fmt.Sprintf(" was=%d res=failed", pid))
		d.stop()
		before = len(d.journalLines())
		d.start()
		d.stop()
		if got := strings.Join(ops(before), " "); strings.Contains(got, "abnormal-end") {
			t.Errorf("after an orderly end: %s", got)
		}
	})
}

// TestAnEndIsOnRecordWithWhoAskedForIt, as the kernel tells of its audit daemon. It
// remembers no SIGINT: who sent a signal before is not named for that.
func TestAnEndIsOnRecordWithWhoAskedForIt(t *testing.T) {
	t.Parallel()
	audittest.Kernel(t)
	for _, row := range []struct {
		by    syscall.Signal
		named bool
	}{{syscall.SIGTERM, true}, {syscall.SIGINT, false}} {
		d := newDaemon(t, "")
		d.start()
		must(t, d.cmd.Process.Signal(syscall.SIGHUP))
		must(t, d.cmd.Process.Signal(row.by))
		<-d.ended
		must(t, d.err)
		pid := d.cmd.Process.Pid
		if row.named {
			pid = os.Getpid()
		}
		d.onRecord("op=stop ", fmt.Sprintf(" pid=%d ", pid), ` why="stopped by signal" `)
		if row.named {
			login, err := os.ReadFile("/proc/self/loginuid")
			must(t, err)
			d.onRecord("op=stop ", fmt.Sprintf(" auid=%s pid=", login)) // nobody's, where nobody logged in to run this
		}
	}
}
