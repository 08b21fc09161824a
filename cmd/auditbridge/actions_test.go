package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"auditbridge/auditbridge/interpret"
	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/rules"

	"golang.org/x/sys/unix"
)

// TestEveryRequiredEventIsFoundUnderItsProfile does each action of
// rules/actions.txt under each profile and asks the log for it: by the key of the
// rule of which `rules coverage` says that it audits the event, of the class and
// with the outcome of the table, and with the login user who did it; of what no
// rule audits there is nothing.
func TestEveryRequiredEventIsFoundUnderItsProfile(t *testing.T) {
	audittest.Kernel(t)
	host, err := rules.ThisHost()
	must(t, err)
	for i := range rules.Profiles() { // accounts that a test that was aborted has left
		exec.Command("userdel", accountOf(strconv.Itoa(40001+i))).Run()
	}
	d := newDaemon(t, "")
	d.start()
	byUser := map[string]*rules.Profile{}
	covered := map[string][]rules.Coverage{}
	for i := range rules.Profiles() {
		p := &rules.Profiles()[i]
		auid := strconv.Itoa(40001 + i)
		byUser[auid] = p
		covered[auid] = loadProfile(t, d, host, p)
		act(t, d.dir, auid)
	}
	peertest.Until(t, "all that was done is on record", func() bool {
		return strings.Count(strings.Join(d.journalLines(), "\n"), "op=actor-ends") == len(rules.Profiles())
	})
	d.stop()
	events := foundEvents(t, d)
	t.Run("T-OS-EVENTS", func(t *testing.T) {
		for auid, p := range byUser {
			for _, c := range covered[auid] {
				checkAction(t, host, p, auid, &c, events)
			}
		}
	})
}

// loadProfile loads it, with base where it goes with that, and says what it audits.
func loadProfile(t *testing.T, d *instance, host *rules.Host, p *rules.Profile) []rules.Coverage {
	t.Helper()
	dir := filepath.Join(d.dir, p.Name+".d")
	names := []string{"base", p.Name}
	if p.Name == "base" || p.Name == "quiet" {
		names = names[1:]
	}
	for _, name := range names {
		if out, err := program("rules", "add", name, "--path", dir).CombinedOutput(); err != nil {
			t.Fatalf("rules add %s: %v: %s", name, err, out)
		}
	}
	if out, err := program("rules", "load", "--config", d.config, dir).CombinedOutput(); err != nil {
		t.Fatalf("rules load: %v: %s", err, out)
	}
	f, err := rules.Read(host, dir)
	must(t, err)
	return f.Desire().Cover(rules.RequiredEvents(host))
}

// act has the actor do everything, with a login user.
func act(t *testing.T, dir, auid string) {
	t.Helper()
	self, err := os.Executable()
	must(t, err)
	actor := filepath.Join(dir, "actor")
	os.Symlink(self, actor)
	cmd := exec.Command("sh", "-c", `echo "$1" >/proc/self/loginuid && exec "$2" "$1" "$3"`, "sh", auid, actor, filepath.Join(dir, auid))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the actor: %v: %s", err, out)
	}
}

// foundEvent is what read -o json says of one event.
type foundEvent struct {
	Class, Result string
	Records       []struct {
		Type   string
		Fields map[string]any
	}
}

func (e *foundEvent) field(name string) string {
	for _, r := range e.Records {
		if v, ok := r.Fields[name].(string); ok {
			return v
		}
	}
	return ""
}

func foundEvents(t *testing.T, d *instance) (all []foundEvent) {
	t.Helper()
	cmd := program("read", "-o", "json", "-")
	cmd.Stdin = strings.NewReader(strings.Join(d.journalLines(), "\n") + "\n")
	out, err := cmd.Output()
	must(t, err)
	for line := range strings.Lines(string(out)) {
		var e foundEvent
		must(t, json.Unmarshal([]byte(line), &e))
		all = append(all, e)
	}
	return all
}

func checkAction(t *testing.T, host *rules.Host, p *rules.Profile, auid string, c *rules.Coverage, events []foundEvent) {
	t.Helper()
	var found *foundEvent
	for i := range events {
		if events[i].field("auid") == auid && isAction(host, c.Event, &events[i]) {
			found = &events[i]
			break
		}
	}
	switch {
	case found == nil && !c.Caught():
		return
	case found == nil:
		t.Errorf("%s: %s (%s) is not in the log", p.Name, c.Event.What, c.Event.Name)
		return
	case !c.Caught():
		t.Errorf("%s: %s is in the log, and no rule is said to audit it: %v", p.Name, c.Event.Name, found)
		return
	}
	if key := found.field("key"); c.Rule != nil && key != strings.Join(c.Rule.Rule.Keys(), ",") {
		t.Errorf("%s: %s has the key %q; the rule of which coverage speaks has %q", p.Name, c.Event.Name, key, c.Rule.Rule.Keys())
	}
	if found.Class != c.Event.Class.String() || found.Result != c.Event.Outcome {
		t.Errorf("%s: %s is %s %s, want %s %s: %v", p.Name, c.Event.Name, found.Class, found.Result, c.Event.Class, c.Event.Outcome, found)
	}
}

// isAction tells whether an event is that of an action: of its system call, made
// by a thread with the action's name or by the program that was started.
func isAction(host *rules.Host, want *rules.RequiredEvent, e *foundEvent) bool {
	for _, r := range e.Records {
		if want.Sample.Call == "" {
			if r.Type == want.Sample.Type.String() {
				return true
			}
			continue
		}
		nr, _ := interpret.SyscallNumber(host.Arch, want.Sample.Call)
		comm := threadName(want.Name)
		if want.Sample.Exe != "" {
			comm = filepath.Base(want.Sample.Exe)
		}
		byRoot := r.Fields["uid"] == "0"
		if r.Type == "SYSCALL" && r.Fields["syscall"] == strconv.Itoa(nr) && r.Fields["comm"] == comm && byRoot == (want.Sample.UID == 0) {
			return true
		}
	}
	return false
}

// threadName is what the thread is called that does an action.
func threadName(action string) string { return ("do:" + action)[:min(15, 3+len(action))] }

// doActions does each action once: actor AUID DIRECTORY.
func doActions() {
	auid, _ := strconv.Atoi(os.Args[1])
	dir := os.Args[2]
	closed, own := dir+"/closed", dir+"/own"
	check := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	check(os.Mkdir(dir, 0o755))
	check(os.Mkdir(closed, 0o755))
	check(os.WriteFile(closed+"/secret", nil, 0o600))
	check(os.Mkdir(own, 0o755))
	check(os.Chown(own, auid, auid))
	for _, name := range []string{"file", "goes", "moves"} {
		check(os.WriteFile(own+"/"+name, nil, 0o644))
		check(os.Chown(own+"/"+name, auid, auid))
	}
	host, err := rules.ThisHost()
	check(err)
	deeds := deedsOf(dir)
	for _, e := range rules.RequiredEvents(host) {
		deed, ok := deeds[e.Name]
		if !ok {
			check(fmt.Errorf("nobody knows how to do %s", e.Name))
		}
		if deed == nil {
			continue
		}
		user := 0
		if e.Sample.UID != 0 {
			user = auid
		}
		if err := inThread(threadName(e.Name), user, deed); (err == nil) != (e.Outcome == "success") {
			check(fmt.Errorf("%s: %v, want %s", e.Name, err, e.Outcome))
		}
	}
	check(audittest.SendUserMessage(1112, "op=actor-ends res=success"))
}

// inThread runs f in a thread of its own, with that name and user.
func inThread(name string, user int, f func() error) error {
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with what it became
		os.WriteFile("/proc/thread-self/comm", []byte(name), 0)
		if user != 0 {
			unix.RawSyscall(unix.SYS_SETRESGID, uintptr(user), uintptr(user), uintptr(user))
			unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
			unix.RawSyscall(unix.SYS_SETRESUID, uintptr(user), uintptr(user), uintptr(user))
		}
		result <- f()
	}()
	return <-result
}

// accountOf is the account that is made, and removed, by the actor with that login user.
func accountOf(auid string) string { return "ab" + auid }

// deedsOf says how each action is done: nil is done by another's deed.
func deedsOf(dir string) map[string]func() error {
	closed, own := dir+"/closed", dir+"/own"
	call := func(nr uintptr, args ...uintptr) error {
		args = append(args, make([]uintptr, 6-len(args))...)
		_, _, err := unix.Syscall6(nr, args[0], args[1], args[2], args[3], args[4], args[5])
		if err != 0 {
			return err
		}
		return nil
	}
	const here = ^uintptr(99) // AT_FDCWD
	text := func(s string) uintptr {
		b, err := unix.BytePtrFromString(s)
		if err != nil {
			panic(err)
		}
		kept = append(kept, b)
		return uintptr(unsafe.Pointer(b))
	}
	open := func(path string, flags int) func() error {
		return func() error {
			fd, _, err := unix.Syscall6(unix.SYS_OPENAT, here, text(path), uintptr(flags), 0o600, 0, 0)
			if err != 0 {
				return err
			}
			return unix.Close(int(fd))
		}
	}
	run := func(name string, args ...string) error {
		if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", name, err, out)
		}
		return nil
	}
	account := accountOf(filepath.Base(dir))
	return map[string]func() error{
		"audit-config": open("/etc/audit/auditd.conf", unix.O_WRONLY),
		"rules-changed": func() error {
			rule := []string{"always,exit", "-F", "arch=b64", "-S", "getpgid", "-F", "a0=999999", "-k", "actor"}
			if err := run("auditctl", append([]string{"-a"}, rule...)...); err != nil {
				return err
			}
			return run("auditctl", append([]string{"-d"}, rule...)...)
		},
		"account-made": func() error { return run("useradd", "-M", "-N", account) },
		"password-changed": func() error {
			cmd := exec.Command("chpasswd")
			cmd.Stdin = strings.NewReader(account + ":not-for-long\n")
			return cmd.Run()
		},
		"account-removed": func() error { return run("userdel", account) },
		"accounts-file":   open("/etc/passwd", unix.O_WRONLY),
		"passwords-file":  open("/etc/shadow", unix.O_WRONLY),
		"login-config":    open("/etc/pam.d/su", unix.O_WRONLY),
		"login-started":   func() error { return run("su", "-s", "/bin/true", "nobody") },
		"login-ended":     nil,
		"authenticated":   nil,
		"login-refused": func() error {
			audittest.SendUserMessage(1112, `op=login acct="mallory" exe="/usr/sbin/sshd" hostname=? addr=192.0.2.7 terminal=ssh res=failed`)
			return unix.EACCES
		},
		"login-uid":     nil, // by whoever started the actor
		"session-files": open("/var/log/wtmp", unix.O_WRONLY|unix.O_APPEND),

		"clock-set": func() error {
			return call(unix.SYS_CLOCK_SETTIME, 0, uintptr(unsafe.Pointer(&unix.Timespec{Nsec: -1})))
		},
		"clock-set-old":  func() error { return call(unix.SYS_SETTIMEOFDAY, uintptr(unsafe.Pointer(&unix.Timeval{Usec: -1}))) },
		"module-loaded":  func() error { return loadModule(own + "/file") },
		"module-removed": func() error { return call(unix.SYS_DELETE_MODULE, text("no_such_module"), unix.O_NONBLOCK) },
		"other-kernel":   func() error { return call(unix.SYS_KEXEC_LOAD, 0, 0, 0, 0xFFFF) },
		"host-name":      func() error { return call(unix.SYS_SETHOSTNAME, text("x"), 4096) },
		"hosts-file":     open("/etc/hosts", unix.O_WRONLY),
		"packet-filter": func() error {
			if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
				return err
			}
			return run("nft", "add", "table", "ip", "actor")
		},
		"mount":   func() error { return call(unix.SYS_MOUNT, text("none"), text(own), text("no-such-fs"), 0, 0) },
		"unmount": func() error { return call(unix.SYS_UMOUNT2, text(own), 0) },

		"mode-changed":     func() error { return call(unix.SYS_FCHMODAT, here, text(own+"/file"), 0o600) },
		"mode-refused":     func() error { return call(unix.SYS_FCHMODAT, here, text(closed+"/secret"), 0o777) },
		"owner-changed":    func() error { return call(unix.SYS_FCHOWNAT, here, text(own+"/goes"), 1, 1, 0) },
		"owner-refused":    func() error { return call(unix.SYS_FCHOWNAT, here, text(own+"/file"), 0, 0, 0) },
		"attribute-set":    func() error { return call(unix.SYS_SETXATTR, text(own+"/file"), text("nonsense"), text("x"), 1, 0) },
		"read-refused":     open(closed+"/secret", unix.O_RDONLY),
		"write-refused":    open(closed+"/secret", unix.O_WRONLY),
		"create-refused":   open(closed+"/new", unix.O_WRONLY|unix.O_CREAT),
		"truncate-refused": func() error { return call(unix.SYS_TRUNCATE, text(closed+"/secret"), 0) },
		"mkdir-refused":    func() error { return call(unix.SYS_MKDIRAT, here, text(closed+"/new"), 0o755) },
		"deleted":          func() error { return call(unix.SYS_UNLINKAT, here, text(own+"/goes"), 0) },
		"renamed":          func() error { return call(unix.SYS_RENAMEAT, here, text(own+"/moves"), here, text(own+"/moved")) },
		"delete-refused":   func() error { return call(unix.SYS_UNLINKAT, here, text(closed+"/secret"), 0) },

		"privileges-got": func() error { return run("/usr/bin/su", "--version") },
		"root-command":   func() error { return run("/usr/bin/mount", "--version") },
		"system-program": func() error {
			info, err := os.Stat("/usr/bin/mount")
			if err != nil {
				return err
			}
			return call(unix.SYS_FCHMODAT, here, text("/usr/bin/mount"), uintptr(info.Sys().(*syscall.Stat_t).Mode&0o7777))
		},
		"process-killed": func() error {
			sleeper := exec.Command("sleep", "100")
			if err := sleeper.Start(); err != nil {
				return err
			}
			defer sleeper.Wait()
			return call(unix.SYS_KILL, uintptr(sleeper.Process.Pid), 9)
		},
		"trail-read":  open("/var/log/audit", unix.O_RDONLY),
		"traced":      func() error { return call(unix.SYS_PTRACE, unix.PTRACE_ATTACH, 1<<30, 0, 0) },
		"ids-changed": func() error { return call(unix.SYS_SETRESUID, 0, 1, 0) },
	}
}

// kept are the strings that system calls were given: nobody moves or frees them.
var kept []*byte

func loadModule(file string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}
