package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/diskguard"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a tmpfs as the journal's directory.
func smallDisk(t *testing.T, d *instance, size string) {
	t.Helper()
	must(t, os.Mkdir(d.journal, 0o700))
	if err := unix.Mount("none", d.journal, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Unmount(d.journal, unix.MNT_DETACH) })
}

// ballast is another program's file, which takes all the room there is.
func ballast(t *testing.T, d *instance) (remove func()) {
	t.Helper()
	name := filepath.Join(d.journal, "ballast")
	f, err := os.Create(name)
	must(t, err)
	defer f.Close()
	for mib := make([]byte, 1<<20); ; {
		if _, err := f.Write(mib); err != nil {
			break // full
		}
	}
	return func() { must(t, os.Remove(name)) }
}

// numbered are records of about 4 KiB, from serial from on.
func numbered(from, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "type=USER msg=audit(1709742929.678:%d): pid=1 uid=0 auid=1000 ses=1 msg='op=%s res=success'\n", from+i, strings.Repeat("x", 4000))
	}
	return b.String()
}

// TestAFullDiskIsCountedAndEnds: another program fills the journal's disk; what
// cannot be stored is counted and status says that records are being lost; once
// there is room, recording goes on, the gap is on record, and the books balance.
func TestAFullDiskIsCountedAndEnds(t *testing.T) {
	beside(t)
	t.Run("T-STG-FULL suspend", aFullDiskIsCountedAndEnds)
}

func aFullDiskIsCountedAndEnds(t *testing.T) {
	d := newDaemon(t, fromStdin+"disk-full-action = \"suspend\"\n")
	smallDisk(t, d, "40m")
	d.start()
	d.feed(numbered(1, 100))
	d.until("the first are stored", func(s status.Status) bool { return s.Stored == 100 })
	remove := ballast(t, d)
	d.feed(numbered(101, 8000))
	d.until("what has no room is counted", func(s status.Status) bool {
		return s.Received == 8100 && s.InRing == 0 && s.Refused > 0 && s.Recording == status.RecordingFull
	})
	out, _, code := auditbridgeCommand(t, "status", "--config", d.config)
	if code != 4 || !strings.HasPrefix(out, "IMPAIRED since ") || !strings.Contains(out, "records are being lost now") || !strings.Contains(out, "disk is full") {
		t.Errorf("status exits %d and says\n%s", code, out)
	}
	remove()
	d.until("recording works again", func(s status.Status) bool { return s.Recording == status.RecordingOK })
	d.feed(numbered(9001, 100))
	d.until("the last are stored", func(s status.Status) bool { return s.Received == 8200 && s.InRing == 0 && s.Balanced })
	s, _ := d.status()
	d.stop()
	stored := foreignSerials(t, d)
	if uint64(len(stored)) != s.Stored || s.Stored+s.Refused != 8200 || stored[len(stored)-1] != 9100 {
		t.Errorf("%d records in the journal, the last %d; stored %d, refused %d", len(stored), stored[len(stored)-1], s.Stored, s.Refused)
	}
	if !strings.Contains(strings.Join(d.journalLines(), "\n"), fmt.Sprintf("op=refused auid=4294967295 pid=%d uid=0 ses=4294967295 n=%d ", d.cmd.Process.Pid, s.Refused)) {
		t.Error("the gap is not on record")
	}
	kind := regexp.MustCompile(`op=refused .* first-serial=\d+ last-serial=\d+ .* types=(\w+):(\d+) `).FindStringSubmatch(strings.Join(d.journalLines(), "\n"))
	if kind == nil || kind[2] != fmt.Sprint(s.Refused) || len(s.RefusedTypes) != 1 || s.RefusedTypes[kind[1]] != s.Refused {
		t.Errorf("refused %d, on record %q, status %v", s.Refused, kind, s.RefusedTypes)
	}
	d.verifies(d.journal)
}

// aHost makes run process 1 of a PID namespace, as if the host had booted with that
// id: a halt ends the namespace. What its console shows can be read.
func (d *instance) aHost(boot int) (console func() string) {
	d.t.Helper()
	screen, id := filepath.Join(d.dir, fmt.Sprint("console-", boot)), filepath.Join(d.dir, fmt.Sprint("boot-id-", boot))
	must(d.t, os.WriteFile(screen, nil, 0o600))
	must(d.t, os.WriteFile(id, fmt.Appendf(nil, "00000000-0000-0000-0000-%012d\n", boot), 0o600))
	own, err := os.Readlink("/proc/self/ns/pid")
	must(d.t, err)
	self, err := os.Executable()
	must(d.t, err)
	d.as = func(cmd *exec.Cmd) {
		script := `mount --make-rprivate / && mount --bind "$0" /dev/console && mount --bind "$1" /proc/sys/kernel/random/boot_id && exec -a auditbridge "${@:2}"`
		cmd.Path = "/bin/bash"
		cmd.Args = append([]string{"bash", "-c", script, screen, id, self}, cmd.Args[1:]...)
		cmd.Env = append(os.Environ(), diskguard.OutsideVariable+"="+own, watchRootVariable+"="+d.dir) // no terminal of the real host is told
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	}
	return func() string {
		text, err := os.ReadFile(screen)
		must(d.t, err)
		return string(text)
	}
}

// halted waits until the host is.
func (d *instance) halted() {
	d.t.Helper()
	<-d.ended
	state, _ := d.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !state.Signaled() || state.Signal() != syscall.SIGINT {
		d.t.Fatalf("the namespace ended with %v, not by its power-off:\n%s", d.err, d.said)
	}
}

// TestHaltOnAFullDisk: where the host shall rather go down than go on without
// audit, it does; what was recorded before is sealed, the remote server has it, and
// the console says why. A host that starts with its disk still full does not go
// down once more, and says what to do.
func TestHaltOnAFullDisk(t *testing.T) {
	beside(t)
	t.Run("T-STG-FULL halt", haltOnAFullDisk)
}

func haltOnAFullDisk(t *testing.T) {
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, fromStdin+"disk-full-action = \"halt\"\n"+plain("siem", collector.Port))
	smallDisk(t, d, "40m")
	console := d.aHost(1)
	d.start()
	d.feed(numbered(1, 100))
	d.until("the first are stored", func(s status.Status) bool { return s.Stored == 100 && s.Destinations[0].Connected })
	ballast(t, d)
	go func() {
		for i := 101; ; i += 100 {
			if _, err := d.stdin.WriteString(numbered(i, 100)); err != nil {
				return
			}
		}
	}()
	d.halted()
	serials := foreignSerials(t, d)
	for i, s := range serials {
		if s != i+1 {
			t.Fatalf("record %d has serial %d", i+1, s)
		}
	}
	at, passed := 0, []string{" level=space-left ", " level=admin-space-left ", " level=disk-full ", "op=space-action ", "op=halt ", "op=block "}
	for _, line := range d.journalLines() {
		if at < len(passed) && strings.Contains(line, passed[at]) {
			at++
		}
	}
	if len(serials) <= 100 || at < len(passed) {
		t.Errorf("%d records; not on record in its place: %v", len(serials), passed[at:])
	}
	if text := console(); !strings.Contains(text, "auditbridge: disk-full: ") || !strings.Contains(text, "will power this host off") {
		t.Errorf("the console shows %q", text)
	}
	peertest.Until(t, "the remote server knows of the halt", func() bool {
		text := strings.Join(collector.Received(), "\n")
		return strings.Contains(text, "halted the host") || strings.Contains(text, "op=halt")
	})
	d.verifies(d.journal)

	console = d.aHost(2)
	d.start()
	d.until("the disk is seen to be full", func(s status.Status) bool { return s.Disk.Level == "disk-full" })
	peertest.Until(t, "the console says what to do", func() bool {
		return strings.Contains(console(), "still-full: ") && strings.Contains(console(), "make room")
	})
	d.onRecord("op=halt-withheld ", " why=still-full ", " action=single ")
}

// TestRetentionGoesByTheConfiguration: beyond max-size the oldest segments go,
// on record; of what a relay had not delivered its record says how much, or it
// stays when that is asked for.
func TestRetentionGoesByTheConfiguration(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		overrun string
		drops   bool
	}{{"drop-oldest", true}, {"keep", false}} {
		t.Run(row.overrun, func(t *testing.T) {
			beside(t)
			d := newDaemon(t, fmt.Sprintf("%smax-size = \"16MiB\"\noverrun = %q\n", fromStdin, row.overrun)+plain("away", peertest.FreePort(t)))
			d.start()
			for from := 1; from < 8000; from += 1000 { // twice as much, as fast as this disk is
				d.feed(numbered(from, 1000))
				d.until("all is stored", func(s status.Status) bool { return s.Stored == uint64(from+999) })
			}
			if !row.drops {
				d.until("there is no room left by max-size", func(s status.Status) bool { return s.Disk.FreeBytes == 0 && s.Destinations[0].Pending > 8000 })
				d.stop()
				if serials := foreignSerials(t, d); len(serials) != 8000 {
					t.Errorf("%d of 8000 undelivered records are left", len(serials))
				}
				d.verifies(d.journal)
				return
			}
			peertest.Until(t, "the oldest go", func() bool {
				_, err := os.Stat(filepath.Join(d.journal, "00000000000000000001.log"))
				return os.IsNotExist(err)
			})
			d.until("what never got away is told, though nobody is connected", func(s status.Status) bool {
				away := s.Destinations[0]
				return away.Missed > 0 && away.Pending < 8000 && s.Balanced &&
					slices.ContainsFunc(s.Alarms, func(a status.Alarm) bool { return a.ID == "undelivered-dropped" && a.Object == "away" })
			})
			d.stop()
			serials := foreignSerials(t, d)
			if serials[0] == 1 || serials[len(serials)-1] != 8000 {
				t.Errorf("left are %d to %d", serials[0], serials[len(serials)-1])
			}
			text := strings.Join(d.journalLines(), "\n")
			if !strings.Contains(text, "op=drop ") || !strings.Contains(text, " relay0=away undelivered0=") {
				t.Error("what went undelivered is not on record")
			}
			d.verifies(d.journal)
		})
	}
}

// until waits for a status.
func (d *instance) until(what string, is func(status.Status) bool) {
	d.t.Helper()
	var last status.Status
	defer func() {
		if d.t.Failed() {
			d.t.Logf("%s: last status: %+v", what, last)
		}
	}()
	peertest.Until(d.t, what, func() bool {
		s, ok := d.status()
		last = s
		return ok && is(s)
	})
}

// foreignSerials lists the serials of the journal's records that are not ours.
func foreignSerials(t *testing.T, d *instance) (all []int) {
	t.Helper()
	for _, line := range d.journalLines() {
		if h, ok := auditbridge.ParseHeader([]byte(line)); ok && h.ID.Serial < auditbridge.FirstNoteSerial {
			all = append(all, int(h.ID.Serial))
		}
	}
	return all
}

// TestRecordingIsSuspendedAndResumed: at a level whose action is suspend nothing
// more is stored, though there is room; root resumes it, on record, and every
// record that came is stored or counted.
func TestRecordingIsSuspendedAndResumed(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin+"max-size = \"16MiB\"\nspace-left-action = \"suspend\"\n")
	d.start()
	if out, errs, code := auditbridgeCommand(t, "resume", "--config", d.config); code != 1 || !strings.Contains(errs, "there is nothing to resume") {
		t.Errorf("resume while recording: %d, %s%s", code, out, errs)
	}
	d.feed(numbered(1, 3200))
	d.until("recording is suspended", func(s status.Status) bool {
		return s.Recording == status.RecordingSuspended && s.Disk.Level == "space-left" && s.Disk.Action == "suspend" && s.InRing == 0
	})
	d.onRecord("op=disk-level ", " level=space-left was=ok ")
	d.onRecord("op=suspend ", "")
	d.onRecord("op=alarm-raised ", " alarm=recording-suspended ")
	d.feed(numbered(3201, 10))
	d.until("what comes is counted", func(s status.Status) bool { return s.Received == 3210 && s.Refused >= 10 && s.InRing == 0 })
	if out, errs, code := auditbridgeCommand(t, "resume", "--config", d.config); code != 0 {
		t.Fatalf("resume: %d, %s%s", code, out, errs)
	}
	d.feed(numbered(3211, 10))
	d.until("recording goes on", func(s status.Status) bool {
		return s.Received == 3220 && s.InRing == 0 && s.Recording == status.RecordingOK && s.Balanced
	})
	s, _ := d.status()
	d.stop()
	stored := foreignSerials(t, d)
	if uint64(len(stored)) != s.Stored || s.Stored+s.Refused != 3220 || stored[len(stored)-1] != 3220 {
		t.Errorf("%d records in the journal, the last %d; stored %d, refused %d", len(stored), stored[len(stored)-1], s.Stored, s.Refused)
	}
	d.onRecord("op=resume ", " uid=0 ")
	d.verifies(d.journal)
}

// TestTheOldestGoWhenTheDiskIsFull: with disk-full-action = "rotate" a small disk
// is no end: the oldest segments make room, on record, and what came last is kept.
func TestTheOldestGoWhenTheDiskIsFull(t *testing.T) {
	beside(t)
	t.Run("T-STG-FULL overwrite", theOldestGoWhenTheDiskIsFull)
}

func theOldestGoWhenTheDiskIsFull(t *testing.T) {
	d := newDaemon(t, fromStdin+"max-size = \"64MiB\"\ndisk-full-action = \"rotate\"\n")
	smallDisk(t, d, "48m")
	d.start()
	for from := 1; from < 20000; from += 1000 {
		d.feed(numbered(from, 1000))
		d.until("it is dealt with", func(s status.Status) bool { return s.Received == uint64(from+999) && s.InRing == 0 })
	}
	d.until("recording goes on", func(s status.Status) bool { return s.Recording == status.RecordingOK && s.Balanced })
	d.feed(numbered(20001, 10))
	d.until("the last are stored", func(s status.Status) bool { return s.Received == 20010 && s.InRing == 0 })
	d.stop()
	stored := foreignSerials(t, d)
	if stored[0] == 1 || stored[len(stored)-1] != 20010 {
		t.Errorf("kept are %d to %d", stored[0], stored[len(stored)-1])
	}
	d.onRecord("op=drop ", " why=rotate ")
	d.verifies(d.journal)
}
