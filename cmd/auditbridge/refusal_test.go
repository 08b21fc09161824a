package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
)

// lines of the source "plugin" need no kernel.
const fromStdin = "[audit]\nsource = \"plugin\"\n"

// siem is a server that nobody needs to run: nothing is sent to it.
const siem = "[[remote-logging-server]]\nname = \"siem\"\naddress = \"127.0.0.1\"\nport = 9\nprotocol = \"tcp\"\n"

// TestRunRefusesPolitely: what an operator has got wrong ends run at once with
// what was attempted, on what, why not, and what to do; and leaves what is on
// the disk as it was.
func TestRunRefusesPolitely(t *testing.T) {
	beside(t)
	for _, row := range []struct {
		name    string
		as      syscall.SysProcAttr
		before  string // shell commands in a mount namespace of run's own
		prepare func(t *testing.T, d *instance)
		says    string
		hint    string
	}{
		{name: "not root",
			as:      syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}},
			prepare: func(t *testing.T, d *instance) { d.configure(""); must(t, os.Chmod(d.config, 0o644)) },
			says:    "permission denied", hint: "root"},
		{name: "not root, with directories of its own",
			as: syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}},
			prepare: func(t *testing.T, d *instance) {
				d.configure("")
				must(t, os.Chown(d.config, 65534, 65534))
				must(t, os.Chown(d.dir, 65534, 65534))
			},
			says: "not allowed to control kernel audit", hint: "run as root"},
		{name: "in a PID namespace, where kernel audit is out of reach",
			as:      syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID},
			prepare: func(t *testing.T, d *instance) { d.configure("") },
			says:    "not allowed to control kernel audit", hint: "initial PID"},
		{name: "in a container, where there is no kernel audit",
			as: syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER,
				UidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}}, GidMappings: []syscall.SysProcIDMap{{HostID: 0, Size: 1}}},
			prepare: func(t *testing.T, d *instance) { d.configure("") },
			says:    "this kernel has no audit", hint: "container"},
		{name: "a second instance",
			prepare: func(t *testing.T, d *instance) {
				d.start()
				standStill(t, d.cmd.Process.Pid) // or its journal would grow while we look
				d.ownConfiguration()
				d.replace(`"plugin"`, `"kernel"`) // which waits for nobody to end
			},
			says: "another process", hint: "another auditbridge"},
		{name: "a second instance on the journal alone",
			prepare: func(t *testing.T, d *instance) {
				d.start()
				standStill(t, d.cmd.Process.Pid) // or its journal would grow while we look
				d.ownConfiguration()
				d.replace(`/run"`, `/other-run"`)
				d.replace(`/state"`, `/other-state"`)
			},
			says: "journal/lock: another process holds it", hint: "another auditbridge"},
		{name: "a second instance on the state alone",
			prepare: func(t *testing.T, d *instance) {
				d.start()
				standStill(t, d.cmd.Process.Pid) // or its journal would grow while we look
				d.ownConfiguration()
				d.replace(`/run"`, `/other-run"`)
				d.replace(`/journal"`, `/other-journal"`)
			},
			says: "state/lock: another process holds it", hint: "another auditbridge"},
		{name: "a read-only journal",
			prepare: func(t *testing.T, d *instance) { d.record("type=USER msg=audit(1709742929.678:1): a\n") },
			before:  `mount --bind "$DIR/journal" "$DIR/journal" && mount -o remount,ro,bind "$DIR/journal" && `,
			says:    "read-only", hint: "mounted read-write"},
		{name: "a journal of a newer version",
			prepare: func(t *testing.T, d *instance) {
				d.record("type=USER msg=audit(1709742929.678:1): a\n")
				for _, s := range d.segments() {
					edit(t, s, " format=1 ", " format=7 ")
				}
			},
			says: "format version 7", hint: "later one"},
		{name: "no such ship-user",
			prepare: func(t *testing.T, d *instance) {
				d.configure(fromStdin + siem)
				d.replace(`"nobody"`, `"no-such-user"`)
			},
			says: "no-such-user", hint: "useradd"},
		{name: "root as ship-user",
			prepare: func(t *testing.T, d *instance) { d.configure(fromStdin + siem); d.replace(`"nobody"`, `"root"`) },
			says:    "ship-user", hint: "user of its own"},
		{name: "a private key that the group may read",
			prepare: func(t *testing.T, d *instance) {
				key := filepath.Join(d.dir, "key")
				peertest.Keygen(t, key, "ed25519")
				must(t, os.Chmod(key, 0o640))
				d.configure(fromStdin + fmt.Sprintf("[[port-forwarding]]\nserver-address = \"127.0.0.1\"\nidentity-file = %q\n", key))
			},
			says: "may be read by others (mode 0640)", hint: "chmod 0600"},
		{name: "a link as journal-dir", prepare: asLink("journal"), says: "journal is a symbolic link|journal: is a symbolic link", hint: "real path"},
		{name: "a link as state-dir", prepare: asLink("state"), says: "is a symbolic link", hint: "real path"},
		{name: "a link as run-dir", prepare: asLink("run"), says: "is a symbolic link", hint: "real path"},
		{name: "a link on the way to the configuration",
			prepare: func(t *testing.T, d *instance) {
				link := filepath.Join(d.dir, "link")
				must(t, os.Symlink(d.dir, link))
				d.config = filepath.Join(link, "auditbridge.toml")
			}, says: "link is a symbolic link", hint: "real path"},
		{name: "a stranger's journal-dir", prepare: asForeign("journal"), says: "belongs to uid 4711", hint: "chown"},
		{name: "a stranger's state-dir", prepare: asForeign("state"), says: "belongs to uid 4711", hint: "chown"},
		{name: "a stranger's run-dir", prepare: asForeign("run"), says: "belongs to uid 4711", hint: "chown"},
		{name: "a stranger's configuration",
			prepare: func(t *testing.T, d *instance) { must(t, os.Chown(d.config, 4711, -1)) },
			says:    "belongs to uid 4711", hint: "chown"},
		{name: "a run-dir that everybody may write to",
			prepare: func(t *testing.T, d *instance) {
				must(t, os.Mkdir(filepath.Join(d.dir, "run"), 0o700))
				must(t, os.Chmod(filepath.Join(d.dir, "run"), 0o777))
			}, says: "writable by group or others (mode 0777)", hint: "chmod go-w"},
		{name: "a run-dir below a directory that everybody may write to",
			prepare: func(t *testing.T, d *instance) {
				must(t, os.Mkdir(filepath.Join(d.dir, "open"), 0o700))
				must(t, os.Chmod(filepath.Join(d.dir, "open"), 0o777))
				d.replace(`/run"`, `/open/run"`)
			}, says: "open is writable by group or others (mode 0777)", hint: "chmod go-w"},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := newDaemon(t, fromStdin)
			row.prepare(t, d)
			before := contents(t, d)
			said := d.refused(&row.as, row.before)
			if !containsOneOf(said, row.says) {
				t.Errorf("does not say %q:\n%s", row.says, said)
			}
			if _, hint, _ := strings.Cut(said, "auditbridge: hint: "); !strings.Contains(hint, row.hint) && !strings.Contains(said, "hint: "+row.hint) {
				t.Errorf("no hint with %q:\n%s", row.hint, said)
			}
			if after := contents(t, d); after != before {
				t.Errorf("it left something behind:\n%s\nwas\n%s", after, before)
			}
		})
	}
}

// TestAuditdKeepsTheKernel: where stock auditd works, run says how to live
// beside it and goes; auditd goes on recording.
func TestAuditdKeepsTheKernel(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	auditd := peertest.StartAuditd(t)
	untilOwner(t, kernel, auditd)
	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999999", "-k", "theirs")
	before, rules := kernel.Status(), kernel.Rules()
	d := newDaemon(t, "")
	said := d.refused(&syscall.SysProcAttr{}, "")
	for _, want := range []string{
		fmt.Sprintf("kernel audit is owned by process %d (\"auditd\")", auditd.PID()),
		`source = "plugin"`, `source = "multicast"`,
	} {
		if !strings.Contains(said, want) {
			t.Errorf("does not say %q:\n%s", want, said)
		}
	}
	if left := contents(t, d); left != "" {
		t.Errorf("it left behind:\n%s", left)
	}
	after := kernel.Status()
	before.Backlog, after.Backlog = 0, 0
	if after != before || kernel.Rules() != rules {
		t.Errorf("kernel audit was %+v, is %+v", before, after)
	}
	kernel.SendUserMessage(1112, `op=login acct="after-the-refusal" res=success`)
	peertest.Until(t, "auditd records what comes then", func() bool {
		log, _ := os.ReadFile(auditd.Log)
		return bytes.Contains(log, []byte("after-the-refusal"))
	})
}

// untilOwner waits until an auditd owns kernel audit and has enabled it.
func untilOwner(t *testing.T, kernel *audittest.Audit, auditd *peertest.Auditd) {
	t.Helper()
	peertest.Until(t, "auditd owns kernel audit", func() bool {
		s := kernel.Status()
		return s.PID == auditd.PID() && s.Enabled == 1
	})
}

// TestTheKernelIsGivenBackAsFound: run takes only what it needs, and after its
// end the kernel's audit is what it was, rules included, whatever ended run.
func TestTheKernelIsGivenBackAsFound(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	kernel.Set("-b", "777")
	kernel.AddRule("-a", "always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999999", "-k", "theirs")
	before, rules := kernel.Status(), kernel.Rules()
	same := func(t *testing.T) {
		t.Helper()
		after := kernel.Status()
		after.Lost, after.Backlog = before.Lost, before.Backlog // counts of the past
		if after != before || kernel.Rules() != rules {
			t.Errorf("kernel audit was %+v with\n%s\nis %+v with\n%s", before, rules, after, kernel.Rules())
		}
	}
	t.Run("after SIGTERM", func(t *testing.T) {
		d := newDaemon(t, "")
		d.start()
		peertest.Until(t, "run owns kernel audit", func() bool {
			s := kernel.Status()
			return s.PID == d.cmd.Process.Pid && s.Enabled == 1
		})
		if kernel.Rules() != rules {
			t.Errorf("run changed the rules:\n%s", kernel.Rules())
		}
		d.stop()
		same(t)
	})
	t.Run("after an error at the start", func(t *testing.T) {
		d := newDaemon(t, "")
		d.refused(&syscall.SysProcAttr{}, `mkdir "$DIR/journal" && mount -t tmpfs -o ro none "$DIR/journal" && `)
		same(t)
	})
	t.Run("after SIGKILL its owner is forgotten", func(t *testing.T) {
		d := newDaemon(t, "")
		d.start()
		d.kill()
		d.start() // takes over what the killed one left
		d.stop()
		if s := kernel.Status(); s.PID != 0 || kernel.Rules() != rules {
			t.Errorf("kernel audit is %+v with\n%s", s, kernel.Rules())
		}
	})
}

// refused runs `auditbridge run`, which must end by itself with an error, and
// returns what it said. before are shell commands, each followed by "&&", for
// which run gets a mount namespace.
func (d *instance) refused(as *syscall.SysProcAttr, before string) string {
	d.t.Helper()
	cmd := program("run", "--config", d.config)
	if before != "" {
		self, err := os.Executable()
		if err != nil {
			d.t.Fatal(err)
		}
		cmd = exec.Command("unshare", "--mount", "--propagation", "private", "bash", "-c",
			before+`exec -a auditbridge "$0" run --config "$1"`, self, d.config)
		cmd.Env = append(os.Environ(), "DIR="+d.dir)
	}
	cmd.SysProcAttr = as
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	tooLong := time.AfterFunc(peertest.Patience, func() { cmd.Process.Kill() })
	defer tooLong.Stop()
	err := cmd.Run()
	if code := cmd.ProcessState.ExitCode(); code != 1 && code != 2 {
		d.t.Fatalf("not refused: %v\n%s", err, &said)
	}
	if !strings.Contains(said.String(), "auditbridge: error: ") {
		d.t.Errorf("it does not say why:\n%s", &said)
	}
	return said.String()
}

// record lets run store lines and ends it.
func (d *instance) record(text string) {
	d.t.Helper()
	d.launch()
	if _, err := d.stdin.WriteString(text); err != nil {
		d.t.Fatal(err)
	}
	d.stdin.Close()
	if <-d.ended; d.err != nil {
		d.t.Fatalf("auditbridge run: %v\n%s", d.err, d.said)
	}
}

// replace changes the configuration.
func (d *instance) replace(old, new string) {
	d.t.Helper()
	edit(d.t, d.config, old, new)
}

func (d *instance) segments() []string {
	d.t.Helper()
	segments, err := filepath.Glob(filepath.Join(d.journal, "0*.log"))
	if err != nil || len(segments) == 0 {
		d.t.Fatalf("no segments in %s: %v", d.journal, err)
	}
	return segments
}

// ownConfiguration goes on with a copy of the file: what runs follows the one it began
// with, and puts on record what changes there.
func (d *instance) ownConfiguration() {
	d.t.Helper()
	text, err := os.ReadFile(d.config)
	must(d.t, err)
	d.config = filepath.Join(d.dir, "second.toml")
	must(d.t, os.WriteFile(d.config, text, 0o600))
}

// standStill stops a process, and returns when none of its threads is doing anything
// any more.
func standStill(t *testing.T, pid int) {
	t.Helper()
	must(t, syscall.Kill(pid, syscall.SIGSTOP))
	peertest.Until(t, "all of its threads stand still", func() bool {
		return !slices.ContainsFunc(glob(t, fmt.Sprintf("/proc/%d/task/*/stat", pid)), func(thread string) bool {
			stat, err := os.ReadFile(thread)
			return err == nil && !bytes.HasPrefix(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" T"))
		})
	})
}

// contents lists what evidence and state there is, each file with its hash. The
// lock files and the ring, which run makes before anything else, are none, nor is
// the mark, in which a living instance's heart beats.
func contents(t *testing.T, d *instance) string {
	t.Helper()
	var all strings.Builder
	for _, name := range []string{"journal", "state", "other-journal", "other-state", "run/control.sock"} {
		root := filepath.Join(d.dir, name)
		err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
			switch {
			case os.IsNotExist(err):
				return nil
			case err != nil:
				return err
			case e.Type().IsRegular() && e.Name() != "lock" && e.Name() != "mark":
				data, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				fmt.Fprintf(&all, "%s %x\n", path, sha256.Sum256(data))
			}
			return nil
		})
		must(t, err)
	}
	return all.String()
}

func asLink(name string) func(*testing.T, *instance) {
	return func(t *testing.T, d *instance) {
		must(t, os.Mkdir(filepath.Join(d.dir, "elsewhere"), 0o700))
		must(t, os.Symlink(filepath.Join(d.dir, "elsewhere"), filepath.Join(d.dir, name)))
	}
}

func asForeign(name string) func(*testing.T, *instance) {
	return func(t *testing.T, d *instance) {
		must(t, os.Mkdir(filepath.Join(d.dir, name), 0o700))
		must(t, os.Chown(filepath.Join(d.dir, name), 4711, -1))
	}
}

// edit replaces text in a file, which must have it.
func edit(t *testing.T, path, old, new string) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	if !bytes.Contains(data, []byte(old)) {
		t.Fatalf("%s has no %q", path, old)
	}
	must(t, os.WriteFile(path, bytes.ReplaceAll(data, []byte(old), []byte(new)), 0o600))
}

func containsOneOf(text, alternatives string) bool {
	for want := range strings.SplitSeq(alternatives, "|") {
		if strings.Contains(text, want) {
			return true
		}
	}
	return false
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
