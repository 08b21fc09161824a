package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// TestKernelRecordsOnADiskThatOthersFill: another process fills the journal's disk
// while the kernel audits. The levels come in their order, each on record with its
// alarm; nothing is lost before recording stops; from then on every record is
// counted; and once there is room recording goes on. What was made is what was
// stored and what was counted.
func TestKernelRecordsOnADiskThatOthersFill(t *testing.T) {
	t.Parallel()
	t.Run("T-STG-WARN", kernelRecordsOnADiskThatOthersFill)
}

func kernelRecordsOnADiskThatOthersFill(t *testing.T) {
	kernel := audittest.Kernel(t)
	kernel.Patient()
	kernel.OnlySystemCalls()
	for _, kind := range []string{"PROCTITLE", "EOE"} {
		kernel.AddRule("-a", "always,exclude", "-F", "msgtype="+kind)
	}
	d := newDaemon(t, "")
	smallDisk(t, d, "64m")
	d.start()
	d.until("run owns kernel audit", func(s status.Status) bool { return s.Kernel != nil && s.Ours && s.Enabled == 1 })
	const after = 1000
	load := kernel.StartGenerate(10_000_000, 1000, "load") // the disk has room for that for minutes
	ballast := filepath.Join(d.journal, "ballast")
	others, err := os.Create(ballast)
	must(t, err)
	for mib := make([]byte, 1<<20); err == nil; time.Sleep(50 * time.Millisecond) { // their pace
		_, err = others.Write(mib)
	}
	others.Close()
	d.until("what comes is counted", func(s status.Status) bool { return s.Disk.Level == "disk-full" && s.Refused > 0 })
	d.onRecord("op=alarm-raised ", " alarm=disk-full ", " of=no-space ") // in the reserve: nobody has made room
	must(t, os.Remove(ballast))
	d.until("recording goes on", func(s status.Status) bool { return s.Recording == status.RecordingOK && s.Disk.Level == "ok" })
	d.onRecord("op=alarm-raised ", " alarm=flood ", "exe=", "key=load") // who filled the journal, as the kernel says
	made := uint64(load.Stop())
	kernel.Generate(after, 0, "after")
	peertest.Until(t, "what came last is stored", func() bool {
		return strings.Count(strings.Join(d.journalLines(), "\n"), `key="after"`) == after
	})
	d.stop()

	s, _ := d.status()
	text := strings.Join(d.journalLines(), "\n")
	stored := uint64(strings.Count(text, `key="load"`))
	counted := uint64(0)
	for _, line := range d.journalLines() {
		counted += noted(line, "refused", "n")
	}
	t.Logf("made %d, stored %d, refused %d, lost by the kernel %d", made, stored, s.Refused, s.KernelLost)
	if stored+s.Refused != made || s.KernelLostAtMost != 0 || counted != s.Refused || !s.Balanced {
		t.Errorf("made %d: stored %d, refused %d, on record %d, lost by the kernel %d to %d, balanced %v",
			made, stored, s.Refused, counted, s.KernelLost, s.KernelLostAtMost, s.Balanced)
	}
	inOrder(t, text, "op=disk-level ", []string{"level=space-left was=ok", "level=admin-space-left was=space-left", "level=disk-full was=admin-space-left cause=no-space",
		"level=admin-space-left was=disk-full", "level=space-left was=admin-space-left", "level=ok was=space-left"})
	inOrder(t, text, "op=alarm-raised ", []string{"alarm=space-left", "alarm=admin-space-left", "alarm=disk-full"})
	d.verifies(d.journal)
}

// inOrder holds the lines of one op to what they say, in that order.
func inOrder(t *testing.T, text, op string, want []string) {
	t.Helper()
	at := 0
	for line := range strings.Lines(text) {
		if at < len(want) && strings.Contains(line, op) && strings.Contains(line, want[at]) {
			at++
		}
	}
	if at < len(want) {
		t.Errorf("%s: there is no %q after %v", op, want[at], want[:at])
	}
}
