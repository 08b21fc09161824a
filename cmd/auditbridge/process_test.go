package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/diskguard"
	"auditbridge/internal/peertest"

	"golang.org/x/sys/unix"
)

// TestTheProcessRunIs: as root and as a plain user, run leaves no core file,
// lets nobody of the same user look into it, and still starts ship from its own
// program file, which inherits nothing that run was given.
func TestTheProcessRunIs(t *testing.T) {
	beside(t)
	for _, uid := range []uint32{0, 65534} {
		t.Run(fmt.Sprintf("uid %d", uid), func(t *testing.T) {
			d := newDaemon(t, fromStdin+siem)
			must(t, os.Chown(d.config, int(uid), -1))
			must(t, os.Chown(d.dir, int(uid), -1))
			stray, other, err := os.Pipe()
			must(t, err)
			defer stray.Close()
			defer other.Close()
			d.as = func(cmd *exec.Cmd) {
				cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
				cmd.ExtraFiles = []*os.File{stray}
				cmd.Env = append(os.Environ(), diskguard.OutsideVariable+"=pid:[1]")
			}
			d.launch()
			var ship int
			peertest.Until(t, "run has started ship", func() bool {
				for _, pid := range peertest.Descendants(d.cmd.Process.Pid) {
					command, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
					if bytes.Contains(command, []byte("\x00ship")) {
						ship = pid
					}
				}
				return ship != 0
			})
			peertest.Until(t, "ship leaves it to run when to end", func() bool { return ignores(t, ship, syscall.SIGHUP) && ignores(t, ship, syscall.SIGTERM) })
			limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", d.cmd.Process.Pid))
			must(t, err)
			if fields := strings.Fields(string(limits[bytes.Index(limits, []byte("Max core")):])); fields[4] != "0" || fields[5] != "0" {
				t.Errorf("core files of %v bytes", fields[4:6])
			}
			environ, err := os.Stat(fmt.Sprintf("/proc/%d/environ", d.cmd.Process.Pid))
			must(t, err)
			if owner := environ.Sys().(*syscall.Stat_t).Uid; owner != 0 {
				t.Errorf("uid %d may look into run", owner)
			}
			inherited := fmt.Sprint("pipe:[", inode(t, stray), "]")
			for pid, want := range map[int]bool{d.cmd.Process.Pid: true, ship: false} {
				if got := hasOpen(t, pid, inherited); got != want {
					t.Errorf("process %d has the stray descriptor: %v, want %v", pid, got, want)
				}
			}
			d.stdin.Close()
			if <-d.ended; d.err != nil {
				t.Fatal(d.err)
			}
			for _, want := range []string{"auditbridge runs", "version=", "source=plugin", "journal=" + d.journal, "destinations=[siem]",
				"auditbridge ends", `why="the source has ended"`, diskguard.OutsideVariable} {
				if !strings.Contains(d.said.String(), want) {
					t.Errorf("run does not say %q:\n%s", want, d.said)
				}
			}
			if all := strings.Join(d.journalLines(), "\n"); !strings.Contains(all, " never-halt=pid:[1] ") {
				t.Errorf("a variable that keeps the host from halting is not on record:\n%s", all)
			}
		})
	}
}

// TestOnlySIGTERMEndsRecording: what a closing terminal or `auditctl --signal`
// sends is answered with a word in the log.
func TestOnlySIGTERMEndsRecording(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	d.start()
	for _, row := range []struct {
		signal syscall.Signal
		says   string
	}{
		{syscall.SIGUSR1, "ignored SIGUSR1"},
		{syscall.SIGUSR2, "ignored SIGUSR2"},
	} {
		must(t, d.cmd.Process.Signal(row.signal))
		peertest.Until(t, fmt.Sprintf("run answers %v", row.signal), func() bool {
			select {
			case <-d.ended:
				t.Fatalf("%v ended run", row.signal)
			default:
			}
			return strings.Contains(d.said.String(), row.says)
		})
	}
	if s, ok := d.status(); !ok || !s.Running {
		t.Errorf("status: %+v", s)
	}
	d.stop()
	if !strings.Contains(d.said.String(), `why="stopped by signal"`) {
		t.Errorf("run said:\n%s", d.said)
	}
}

// TestCtrlCEndsWhatWaitsForInput: what has nothing to give back ends at once, as
// any filter does.
func TestCtrlCEndsWhatWaitsForInput(t *testing.T) {
	beside(t)
	for _, args := range [][]string{{"read"}, {"verify", "-"}, {"dump", "-"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			cmd := program(args...)
			stdin, feed, err := os.Pipe()
			must(t, err)
			defer feed.Close()
			cmd.Stdin = stdin
			must(t, peertest.StartChild(cmd))
			ended := make(chan error, 1)
			go func() { ended <- cmd.Wait() }()
			defer cmd.Process.Kill()
			_, err = feed.WriteString("type=USER msg=audit(1709742929.678:1): taken\n")
			must(t, err)
			peertest.Until(t, "the line is taken", func() bool {
				waiting, err := unix.IoctlGetInt(int(stdin.Fd()), unix.TIOCINQ)
				return err == nil && waiting == 0
			})
			must(t, cmd.Process.Signal(syscall.SIGINT))
			select {
			case <-ended:
			case <-time.After(peertest.Patience):
				t.Fatal("SIGINT does not end it")
			}
			if state := cmd.ProcessState.Sys().(syscall.WaitStatus); state.Signal() != syscall.SIGINT {
				t.Errorf("it ended with status %v, not by SIGINT", state)
			}
		})
	}
}

// TestRunOutlivesWhoReadsItsLog: `auditbridge run 2>&1 | less`, and less is gone.
func TestRunOutlivesWhoReadsItsLog(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	reader, writer, err := os.Pipe()
	must(t, err)
	d.as = func(cmd *exec.Cmd) { cmd.Stdout, cmd.Stderr = writer, writer }
	d.start()
	writer.Close()
	reader.Close()
	must(t, d.cmd.Process.Signal(syscall.SIGHUP)) // it has something to say now
	if _, err := d.stdin.WriteString("type=USER msg=audit(1709742929.678:1): still here\n"); err != nil {
		t.Fatal(err)
	}
	peertest.Until(t, "a record is stored", func() bool {
		return strings.Contains(strings.Join(d.journalLines(), "\n"), "still here")
	})
	d.stop()
}

func TestLogSaysNothingOfWhatIsEmpty(t *testing.T) {
	var b bytes.Buffer
	newLogger(&b).Warn("not connected", "err", errors.New("refused"), "hint", "", "n", 0)
	if _, got, _ := strings.Cut(b.String(), " "); got != "level=WARN msg=\"not connected\" err=refused n=0\n" {
		t.Errorf("%q", got)
	}
}

func inode(t *testing.T, f *os.File) uint64 {
	t.Helper()
	var st syscall.Stat_t
	must(t, syscall.Fstat(int(f.Fd()), &st))
	return st.Ino
}

// ignores reads the mask of ignored signals that the kernel keeps of a process.
func ignores(t *testing.T, pid int, signal syscall.Signal) bool {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	must(t, err)
	_, mask, _ := strings.Cut(string(text), "\nSigIgn:\t")
	bits, err := strconv.ParseUint(mask[:16], 16, 64)
	must(t, err)
	return bits>>(signal-1)&1 == 1
}

func hasOpen(t *testing.T, pid int, what string) bool {
	t.Helper()
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	must(t, err)
	for _, fd := range open {
		if to, _ := os.Readlink(fd); to == what {
			return true
		}
	}
	return false
}
