package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"

	"golang.org/x/sys/unix"
)

// TestWhoCanReachWhatIsRecorded plays a user, an auditor and an administrator on a
// running daemon.
func TestWhoCanReachWhatIsRecorded(t *testing.T) {
	beside(t)
	t.Run("T-STG-ACL", func(t *testing.T) {
		t.Run("a user can neither read, change nor remove anything", func(t *testing.T) {
			d := guarded(t, "")
			for _, tried := range d.tryAs(nil) {
				if !refused(tried) {
					t.Error(tried)
				}
			}
			d.isUntouched()
		})
		t.Run("an auditor can read the journal and nothing else", func(t *testing.T) {
			group, gid := someGroup(t)
			d := guarded(t, fmt.Sprintf("log-group = %q\n", group))
			for _, tried := range d.tryAs([]uint32{gid}) {
				switch what, _, _ := strings.Cut(tried, ": "); what {
				case "list the journal", "read a segment", "read the mark", "verify the journal":
					if !strings.HasSuffix(tried, ": done") {
						t.Error(tried)
					}
				default:
					if !refused(tried) {
						t.Error(tried)
					}
				}
			}
			d.isUntouched()
		})
		t.Run("an administrator deletes by what is configured, the oldest first and on record", administratorDeletes)
	})
}

// guarded is a daemon that has stored something, and whose ship would be neither
// the user nor the auditor.
func guarded(t *testing.T, settings string) *instance {
	d := newDaemon(t, "")
	d.configure(settings + fromStdin)
	text, err := os.ReadFile(d.config)
	must(t, err)
	must(t, os.WriteFile(d.config, []byte(strings.Replace(string(text), `ship-user = "nobody"`, `ship-user = "daemon"`, 1)), 0o600))
	must(t, os.Mkdir(filepath.Join(d.dir, "conf.d"), 0o700))
	must(t, os.WriteFile(filepath.Join(d.dir, "conf.d", "more.toml"), nil, 0o600))
	d.start()
	d.feed(numbered(1, 100))
	d.until("all is stored", func(s status.Status) bool { return s.Stored == 100 })
	d.stop() // which seals it
	d.start()
	return d
}

// someGroup is one that this host has and nobody's own group is not.
func someGroup(t *testing.T) (name string, gid uint32) {
	t.Helper()
	groups, err := os.ReadFile("/etc/group")
	must(t, err)
	for line := range strings.Lines(string(groups)) {
		f := strings.Split(line, ":")
		if n, err := strconv.Atoi(f[2]); err == nil && n > 1 && n < 1000 {
			return f[0], uint32(n)
		}
	}
	t.Fatal("this host has no group for auditors")
	return "", 0
}

// tryAs has nobody, a member of groups, try everything.
func (d *instance) tryAs(groups []uint32) []string {
	d.t.Helper()
	cmd := exec.Command("/proc/self/exe", d.dir, fmt.Sprint(d.cmd.Process.Pid))
	cmd.Args[0] = "intruder"
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534, Groups: groups}}
	out, err := cmd.Output()
	must(d.t, err)
	tried := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(tried) < 25 {
		d.t.Fatalf("only this was tried:\n%s", out)
	}
	return tried
}

func refused(tried string) bool {
	return strings.HasSuffix(tried, ": permission denied") || strings.HasSuffix(tried, ": operation not permitted") || tried == "verify the journal: exit status 2" // it could not tell
}

// tryAsIntruder is what the test's process does.
func tryAsIntruder() {
	dir, run := os.Args[1], os.Args[2]
	pid, _ := strconv.Atoi(run)
	in := func(names ...string) string { return filepath.Join(append([]string{dir}, names...)...) }
	read := func(path string) error { return second(os.ReadFile(path)) }
	write := func(path string, how int) error { return second(os.OpenFile(path, os.O_WRONLY|how, 0)) }
	segment, ring := in("journal", "00000000000000000001.log"), in("run", "audit.ring")
	socket, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	verify := exec.Command("/proc/self/exe", "verify", in("journal"))
	verify.Args[0] = "auditbridge"
	attempts{
		{"list the journal", second(os.ReadDir(in("journal")))},
		{"read a segment", read(segment)},
		{"read the mark", read(in("journal", "mark"))},
		{"verify the journal", verify.Run()},
		{"append to a segment", write(segment, os.O_APPEND)},
		{"empty a segment", os.Truncate(segment, 0)},
		{"remove a segment", os.Remove(segment)},
		{"rename a segment", os.Rename(segment, segment+".old")},
		{"link a segment", os.Link(segment, "/tmp/auditbridge-intruder")},
		{"put something into the journal", write(in("journal", "00000000000000000002.log"), os.O_CREATE)},
		{"give a segment away", os.Chmod(segment, 0o666)},
		{"move the mark", write(in("journal", "mark"), 0)},
		{"remove the journal", os.Rename(in("journal"), in("journal.old"))},
		{"list the state", second(os.ReadDir(in("state")))},
		{"read the sealing key", read(in("state", "seal.key"))},
		{"change the sealing key", write(in("state", "seal.key"), 0)},
		{"remove the sealing key", os.Remove(in("state", "seal.key"))},
		{"read the configuration", read(in("auditbridge.toml"))},
		{"change the configuration", write(in("auditbridge.toml"), os.O_TRUNC)},
		{"remove the configuration", os.Remove(in("auditbridge.toml"))},
		{"add to the configuration", write(in("conf.d", "mine.toml"), os.O_CREATE)},
		{"read what is not stored yet", read(ring)},
		{"change what is not stored yet", write(ring, 0)},
		{"remove what is not stored yet", os.Remove(ring)},
		{"ask run", unix.Connect(socket, &unix.SockaddrUnix{Name: in("run", "control.sock")})},
		{"take run's place", os.Remove(in("run", "control.sock"))},
		{"stop run", syscall.Kill(pid, syscall.SIGTERM)},
		{"look into run", unix.PtraceAttach(pid)},
		{"read run's memory", second(os.Open(filepath.Join("/proc", run, "mem")))},
		{"read run's environment", read(filepath.Join("/proc", run, "environ"))},
		{"take run's descriptors", second(os.ReadDir(filepath.Join("/proc", run, "fd")))},
	}.print()
}

// isUntouched: it runs, and nothing is missing or was added.
func (d *instance) isUntouched() {
	d.t.Helper()
	d.stop()
	if serials := foreignSerials(d.t, d); len(serials) != 100 {
		d.t.Errorf("%d records are left of 100", len(serials))
	}
	d.verifies(d.journal)
}

// administratorDeletes: there is no command that deletes. He configures that less
// is kept, and whole segments go, the oldest, until that holds; both are on record,
// the first with who. Removing files instead is a gap on record.
func administratorDeletes(t *testing.T) {
	d := newDaemon(t, fromStdin+"max-size = \"16MiB\"\n")
	d.unseeing()
	d.start()
	for from := 1; from < 6000; from += 1000 {
		d.feed(numbered(from, 1000))
		d.until("all is stored", func(s status.Status) bool { return s.Stored == uint64(from+999) })
	}
	segments := func() []string {
		t.Helper()
		all, err := filepath.Glob(filepath.Join(d.journal, "0*.log"))
		must(t, err)
		return all
	}
	before := segments()
	if len(before) < 4 {
		t.Fatalf("only %d segments", len(before))
	}
	d.configure(fromStdin + "max-size = \"16MiB\"\nmax-files = 2 # closed ones\n")
	if out, errs, code := auditbridgeCommand(t, "reload", "--config", d.config); code != 0 {
		t.Fatalf("reload: exit %d: %s%s", code, out, errs)
	}
	peertest.Until(t, "three segments are left", func() bool { return len(segments()) == 3 })
	if left := segments(); !slices.Equal(left, before[len(before)-3:]) {
		t.Errorf("of %v\nthere are left %v", before, left)
	}
	d.onRecord(" key=audit.max-files ", fmt.Sprintf(" uid=%d ", os.Getuid()))
	d.onRecord("op=drop ", " why=max-files ")

	d.stop()
	must(t, os.Remove(segments()[1]))
	d.start()
	d.onRecord("op=gap ", " why=removed ")
	d.stop()
}
