package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/peertest"
	"auditbridge/internal/wallclock"
)

// A step of the clock is on record with what it was and is, and with who did it
// where the kernel audited that: never with what a program claims.
func TestAStepOfTheClockIsOnRecord(t *testing.T) {
	old := time.Unix(1709742929, 678e6).UTC()
	const call = `type=SYSCALL msg=audit(1709742929.100:70): arch=c000003e syscall=227 success=yes exit=0 a0=0 a1=7ffc items=0 ppid=1 pid=400 auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=7 comm="date" exe="/usr/bin/date" key="time"`
	const step = `type=TIME_INJOFFSET msg=audit(1709742929.100:70): sec=86400 nsec=0`
	reading := strings.NewReplacer(":70)", ":71)", "syscall=227", "syscall=159", "auid=1000 uid=0", "auid=1001 uid=1001").Replace(call)
	for _, row := range []struct{ name, lines, want string }{
		{"audited", call, "op=clock-step auid=1000 pid=400 uid=0 ses=7 old=2024-03-06T16:35:29.678Z new=2024-03-07T16:35:29.678Z origin=syscall serial=70 exe=/usr/bin/date res=success"},
		{"by adjtimex", strings.Replace(call, "syscall=227", "syscall=159", 1) + "\n" + step, "auid=1000 pid=400 uid=0 ses=7"},
		{"read by anybody, by adjtimex", strings.Replace(call, "syscall=227", "syscall=159", 1), "origin=unaudited"},
		{"read by another after it was set", call + "\n" + reading, "auid=1000 pid=400 uid=0 ses=7"},
		{"read by another while it was set", reading + "\n" + step, "origin=unaudited"},
		{"by a 32-bit program", strings.Replace(call, "arch=c000003e syscall=227", "arch=40000003 syscall=264", 1), "auid=1000 pid=400 uid=0 ses=7"},
		{"refused", strings.Replace(call, "success=yes exit=0", "success=no exit=-1", 1), "origin=unaudited"},
		{"of another clock, such as a network card's", strings.Replace(call, "a0=0", "a0=ffffffcb", 1), "origin=unaudited"},
		{"another call", strings.Replace(call, "syscall=227", "syscall=1", 1), "origin=unaudited"},
		{"long before", strings.Replace(call, "1709742929", "1709742900", 1), "origin=unaudited"},
		{"claimed by a program", "type=USER msg=audit(1709742929.100:70): pid=9 uid=1 auid=2 ses=3 msg='" + strings.ReplaceAll(call, "'", "") + "'", "auid=4294967295 pid=0 uid=4294967295 ses=4294967295"},
		{"nothing", "", "origin=unaudited"},
	} {
		t.Run("T-STM-STEP/"+row.name, func(t *testing.T) {
			var got auditbridge.Note
			c := &clock{log: slog.New(slog.DiscardHandler), note: func(n auditbridge.Note) { got = n },
				lines: func(each func([]byte)) error {
					for line := range strings.Lines(row.lines) {
						each([]byte(strings.TrimSuffix(line, "\n")))
					}
					return nil
				}}
			c.tell(wallclock.Step{Old: old, New: old.AddDate(0, 0, 1)})
			line := string(auditbridge.AppendNote(nil, &got, old, auditbridge.FirstNoteSerial))
			if !strings.Contains(line, row.want) {
				t.Errorf("%q lacks %q", line, row.want)
			}
		})
	}
}

// Run waits for the clock to be set: the kernel shows the timer that such a step
// cancels (proc(5), fdinfo). No test sets the clock of the machine it runs on.
func TestRunWaitsForTheClockToBeSet(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "[audit]\nsource = \"plugin\"\n")
	d.start()
	peertest.Until(t, "run has a timer that a step of the clock cancels", func() bool {
		open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fdinfo/*", d.cmd.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range open {
			about, _ := os.ReadFile(name) // a descriptor may have been closed since
			if strings.Contains(string(about), "clockid: 0\n") && strings.Contains(string(about), "settime flags: 03\n") {
				return true
			}
		}
		return false
	})
}
