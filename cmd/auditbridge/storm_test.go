package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// TestLossAccount: a storm of records past a tiny queue of the kernel's, which makes
// nobody wait. What was made less what was stored lies in the range that status says
// and the journal has on record, whether run reads all the while or stands still.
//
// Each event is one record here: of an event whose first record finds no room the
// kernel does not begin the others, so only then is it known how many were made.
func TestLossAccount(t *testing.T) {
	t.Parallel()
	t.Run("T-LOSS-ACCOUNT", func(t *testing.T) {
		for _, row := range []struct {
			name    string
			stopped bool
			pace    int  // events a second; 0 is a storm
			holes   bool // some were given up behind the queue, which the kernel may not count
		}{{"a live reader", false, 0, false}, {"a stopped reader", true, 0, false}, {"a stopped reader whose socket is full", true, 40_000, true}} {
			t.Run(row.name, func(t *testing.T) { storm(t, row.stopped, row.pace, row.holes) })
		}
	})
}

func storm(t *testing.T, stopped bool, pace int, holes bool) {
	kernel := audittest.Kernel(t)
	kernel.OnlySystemCalls()
	for _, kind := range []string{"PROCTITLE", "EOE"} {
		kernel.AddRule("-a", "always,exclude", "-F", "msgtype="+kind)
	}
	d := newDaemon(t, "")
	d.start()
	d.until("run owns kernel audit", func(s status.Status) bool { return s.Kernel != nil && s.Ours && s.Enabled == 1 })
	before := kernel.Status()
	kernel.Set("-b", "16") // run has made it longer
	kernel.Set("--backlog_wait_time", "0")
	if stopped {
		must(t, d.cmd.Process.Signal(syscall.SIGSTOP))
	}
	const made = 100_000 // more than its socket holds
	kernel.Generate(made, pace, "storm")
	if stopped {
		must(t, d.cmd.Process.Signal(syscall.SIGCONT))
	}
	kernel.Set("-b", "8192")
	kernel.Generate(1, 0, "after") // behind it nothing of the storm is left anywhere
	peertest.Until(t, "what came after the storm is stored", func() bool {
		return strings.Contains(strings.Join(d.journalLines(), "\n"), `key="after"`)
	})
	counted := uint64(kernel.Status().Lost - before.Lost)
	d.stop()

	s, _ := d.status()
	stored, lost, missing := uint64(0), uint64(0), uint64(0)
	for _, line := range d.journalLines() {
		if strings.HasSuffix(line, `key="storm"`) {
			stored++
		}
		lost += noted(line, "kernel-lost", "n")
		missing += noted(line, "serials-missing", "missing")
		missing -= noted(line, "serials-late", "n")
	}
	least, most := lossRange(lost, missing)
	account := fmt.Sprintf("made %d, stored %d, so lost %d; on record %d counted, %d serials missing: %d to %d; status %d to %d",
		made, stored, made-stored, lost, missing, least, most, s.KernelLost, s.KernelLostAtMost)
	t.Log(account)
	if stored == 0 || stored == made || holes && missing == 0 {
		t.Fatalf("that was no storm: %s", account)
	}
	if made-stored < least || made-stored > most || s.KernelLost != least || s.KernelLostAtMost != most {
		t.Error(account)
	}
	if lost != counted || !s.Balanced {
		t.Errorf("the kernel counted %d, on record are %d; balanced %v", counted, lost, s.Balanced)
	}
}

// noted is a field of one of our own records, if line is one of that op.
func noted(line, op, key string) uint64 {
	m := regexp.MustCompile(`: op=` + op + ` .* ` + key + `=(\d+) `).FindStringSubmatch(line)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseUint(m[1], 10, 64)
	return n
}
