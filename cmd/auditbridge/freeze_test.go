package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/internal/faultdisk"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"

	"golang.org/x/sys/unix"
)

// frozenFor is how long a snapshot freezes the journal's disk, at least.
const frozenFor = 5 * time.Second

// freezeJournal puts the journal on a disk of its own and returns what freezes that.
func freezeJournal(t *testing.T, d *instance) (freeze func() (thaw func())) {
	t.Helper()
	disk := faultdisk.Make(t, faultdisk.Options{Kind: "ext4"})
	must(t, os.Mkdir(d.journal, 0o700))
	must(t, unix.Mount(disk.Dir, d.journal, "", unix.MS_BIND, ""))
	t.Cleanup(func() { unix.Unmount(d.journal, unix.MNT_DETACH) })
	return func() func() { return disk.Freeze(t) }
}

// A snapshot freezes the journal's disk under load: recording waits, nobody else
// does. The program answers, receives, and stores all of it afterwards.
func TestAFrozenDiskHoldsUpNobody(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	freeze := freezeJournal(t, d)
	d.start()
	d.feed(numbered(1, 100))
	d.until("the first are stored", func(s status.Status) bool { return s.Stored == 100 })
	thaw, fed, answers, began := freeze(), 100, 0, time.Now()
	peertest.Until(t, "it has answered again and again while its disk was frozen", func() bool {
		if fed < 2000 { // some 8 MiB, half of what the ring holds
			d.feed(numbered(fed+1, 20))
			fed += 20
		}
		if s, ok := d.status(); ok && s.Answering && s.InRing > 0 {
			answers++
		}
		return answers >= 3 && time.Since(began) > frozenFor
	})
	thaw()
	d.until("all is stored", func(s status.Status) bool { return s.Stored == uint64(fed) && s.Balanced })
	d.stop()
	if serials := foreignSerials(t, d); len(serials) != fed {
		t.Errorf("%d of %d records are stored", len(serials), fed)
	}
	d.verifies(d.journal)
}

// The same under the live kernel: no audited process is held up for a second, and
// every event is stored or in a gap on record.
func TestAFrozenDiskHoldsUpNoAuditedProcess(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	kernel.OnlySystemCalls()
	d := newDaemon(t, "")
	freeze := freezeJournal(t, d)
	d.start()
	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999999", "-k", "frozen")
	calls := startCalls(t)
	d.until("the load is recorded", func(s status.Status) bool { return s.Stored > 1000 })
	thaw := freeze()
	time.Sleep(frozenFor) // nothing waits for it: it is how long it lasts
	thaw()
	made, longest := calls()
	d.until("all is stored or counted", func(s status.Status) bool { return s.InRing == 0 && s.Balanced })
	d.stop()
	s, err := lastStatus(d.dir + "/run")
	must(t, err)
	stored := 0
	for _, line := range d.journalLines() {
		if strings.HasPrefix(line, "type=SYSCALL ") && strings.Contains(line, `key="frozen"`) {
			stored++
		}
	}
	t.Logf("%d of %d calls are stored, refused %d, lost %d to %d; the longest call took %v", stored, made, s.Refused, s.KernelLost, s.KernelLostAtMost, longest)
	if missing := made - stored; missing < 0 || uint64(missing) > s.Refused+s.KernelLostAtMost {
		t.Errorf("%d calls made, %d stored, on record as missing: refused %d, lost at most %d", made, stored, s.Refused, s.KernelLostAtMost)
	}
	if longest > time.Second {
		t.Errorf("an audited process was held up for %v", longest)
	}
	d.verifies(d.journal)
}

// startCalls has another process make audited calls, 1000 a second. The returned
// function ends it and tells how many it made, and how long the longest took.
func startCalls(t *testing.T) (end func() (made int, longest time.Duration)) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args[0] = "makecalls"
	in, err := cmd.StdinPipe()
	must(t, err)
	var out strings.Builder
	cmd.Stdout = &out
	must(t, peertest.StartChild(cmd))
	t.Cleanup(func() { cmd.Process.Kill() })
	return func() (made int, longest time.Duration) {
		in.Close()
		must(t, cmd.Wait())
		if _, err := fmt.Sscan(out.String(), &made, (*int64)(&longest)); err != nil {
			t.Fatal(err, out.String())
		}
		return made, longest
	}
}

// hadOrWanted is how long this thread has run, or has waited for a processor that
// others had (Documentation/scheduler/sched-stats.rst): who holds it up is neither.
func hadOrWanted() time.Duration {
	text, _ := os.ReadFile("/proc/thread-self/schedstat")
	var had, wanted time.Duration
	fmt.Sscan(string(text), (*int64)(&had), (*int64)(&wanted))
	return had + wanted
}

// makeCalls is that process.
func makeCalls() {
	var ended atomic.Bool
	go func() {
		io.Copy(io.Discard, os.Stdin)
		ended.Store(true)
	}()
	runtime.LockOSThread()
	made, longest := 0, time.Duration(0)
	for began := time.Now(); !ended.Load(); {
		before, ran := time.Now(), hadOrWanted()
		unix.RawSyscall(unix.SYS_GETPGID, 999999, 0, 0)
		longest = max(longest, time.Since(before)-(hadOrWanted()-ran))
		made++
		time.Sleep(time.Until(began.Add(time.Duration(made) * time.Millisecond)))
	}
	fmt.Println(made, int64(longest))
}
