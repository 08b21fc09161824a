package main

import (
	"fmt"
	"strings"
	"testing"
)

// TestALifetimeIsOnRecord: FAU_GEN.1.1a, the start and the stop of auditing, and
// what neither says: that the process died.
func TestALifetimeIsOnRecord(t *testing.T) {
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
