package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unsafe"

	"auditbridge/internal/deputy"
	"auditbridge/internal/forbid"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"

	"golang.org/x/sys/unix"
)

// TestRunCanDoNothingButItsWork tries, as root, in a process that is confined as
// run is: what it needs is granted, what it need not do is refused, to it, to its
// deputy, and to what it executes.
func TestRunCanDoNothingButItsWork(t *testing.T) {
	beside(t)
	port := listen(t)
	try := exec.Command("/proc/self/exe", port, fmt.Sprint(peertest.FreePort(t)))
	try.Args[0] = "confined-run"
	out, err := try.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	want := `open a Unix socket: done
open the audit socket: done
list the interfaces: done
begin a thread: done
execute itself: done
have its deputy listen on the loopback interface: done
have its deputy start ship: done
open a TCP socket: operation not permitted
open a UDP socket: operation not permitted
open an IPv6 socket: operation not permitted
open a raw socket: operation not permitted
open a packet socket: operation not permitted
open a socket of virtual machines: operation not permitted
open another netlink socket: operation not permitted
connect somewhere: operation not permitted
connect in another program: operation not permitted
become another network's: operation not permitted
enter another's namespace: operation not permitted
start a process in a namespace of its own: operation not permitted
mount: operation not permitted
look into another: operation not permitted
read another's memory: operation not permitted
load a module: operation not permitted
load another kernel: operation not permitted
load a program into the kernel: operation not permitted
watch the processor: operation not permitted
take a key of the kernel's: operation not permitted
go round by io_uring: operation not permitted
set the clock: operation not permitted
switch Ctrl-Alt-Del: operation not permitted
have its deputy run a program: run ["/bin/true"]: to run ["/bin/true"] is not run's business
have its deputy run a halt that is none: run ["/usr/bin/systemctl" "poweroff" "--help"]: to run ["/usr/bin/systemctl" "poweroff" "--help"] is not run's business
have its deputy start ship as root: ship is never root, nor of its group
have its deputy start another program: to run ["auditbridge" "version"] is not run's business
have its deputy listen to other hosts: 0.0.0.0 is not the loopback interface's: other hosts could reach it
`
	if string(out) != want {
		t.Errorf("got\n%swant\n%s", out, want)
	}
}

// tryConfinedRun is what the test's process does.
func tryConfinedRun() {
	port, free := os.Args[1], os.Args[2]
	log := slog.Default()
	d, unconfined, err := confineRun(inheritance{}, log)
	if err != nil || unconfined != nil {
		fmt.Println(err, unconfined)
		os.Exit(1)
	}
	defer d.Close()
	socket := func(domain, kind, protocol int) error { return second(unix.Socket(domain, kind, protocol)) }
	call := func(number, first uintptr) error { // with nonsense, where it gets so far
		if _, _, errno := unix.Syscall(number, first, 0, 0); errno != 0 {
			return errno
		}
		return nil
	}
	another := exec.Command("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/"+port)
	said, _ := another.CombinedOutput()
	if bytes.Contains(said, []byte("Operation not permitted")) {
		err = unix.EPERM
	} else {
		err = fmt.Errorf("it says %s", said)
	}
	inNamespace := exec.Command("/bin/true")
	inNamespace.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	itself := exec.Command("/proc/self/exe", "version")
	itself.Args[0] = "auditbridge"
	own, _ := os.Open("/proc/self/ns/net")
	program, _ := os.Open("/proc/self/exe")
	nowhere, _ := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	var byte1 [1]byte
	local := []unix.Iovec{{Base: &byte1[0], Len: 1}}
	ship := func(user *deputy.User, args ...string) error {
		p, err := d.Start(deputy.Order{Program: program, Args: args, User: user, Output: nowhere})
		if err == nil {
			p.Wait() // there is no run for it
		}
		return err
	}
	thread := make(chan error)
	go func() {
		runtime.LockOSThread()
		thread <- nil
	}()
	nobody := &deputy.User{UID: 65534, GID: 65534}
	attempts{
		{"open a Unix socket", socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)},
		{"open the audit socket", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_AUDIT)},
		{"list the interfaces", second(net.Interfaces())},
		{"begin a thread", <-thread},
		{"execute itself", itself.Run()},
		{"have its deputy listen on the loopback interface", second(d.Listen("127.0.0.1:" + free))},
		{"have its deputy start ship", ship(nobody, shipArgs...)},
		{"open a TCP socket", socket(unix.AF_INET, unix.SOCK_STREAM, 0)},
		{"open a UDP socket", socket(unix.AF_INET, unix.SOCK_DGRAM, 0)},
		{"open an IPv6 socket", socket(unix.AF_INET6, unix.SOCK_STREAM, 0)},
		{"open a raw socket", socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)},
		{"open a packet socket", socket(unix.AF_PACKET, unix.SOCK_RAW, 0)},
		{"open a socket of virtual machines", socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
		{"open another netlink socket", socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT)},
		{"connect somewhere", second(net.Dial("tcp", "127.0.0.1:"+port))},
		{"connect in another program", err},
		{"become another network's", unix.Unshare(unix.CLONE_NEWNET)},
		{"enter another's namespace", unix.Setns(int(own.Fd()), unix.CLONE_NEWNET)},
		{"start a process in a namespace of its own", inNamespace.Run()},
		{"mount", unix.Mount("none", "/nowhere", "tmpfs", 0, "")},
		{"look into another", unix.PtraceAttach(os.Getppid())},
		{"read another's memory", second(unix.ProcessVMReadv(os.Getppid(), local, []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&byte1)), Len: 1}}, 0))},
		{"load a module", unix.InitModule([]byte("none"), "")},
		{"load another kernel", call(unix.SYS_KEXEC_FILE_LOAD, 0)},
		{"load a program into the kernel", call(unix.SYS_BPF, 0)},
		{"watch the processor", call(unix.SYS_PERF_EVENT_OPEN, 0)},
		{"take a key of the kernel's", call(unix.SYS_KEYCTL, 0)},
		{"go round by io_uring", call(unix.SYS_IO_URING_SETUP, 0)},
		{"set the clock", call(unix.SYS_CLOCK_SETTIME, 1<<20)},              // there is no such clock
		{"switch Ctrl-Alt-Del", unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF)}, // does not restart anything
		{"have its deputy run a program", d.Run(context.Background(), []string{"/bin/true"})},
		{"have its deputy run a halt that is none", d.Run(context.Background(), []string{"/usr/bin/systemctl", "poweroff", "--help"})},
		{"have its deputy start ship as root", ship(nil, shipArgs...)},
		{"have its deputy start another program", ship(nobody, "auditbridge", "version")},
		{"have its deputy listen to other hosts", second(d.Listen("0.0.0.0:" + free))},
	}.print()
}

// TestRunIsConfined: every thread of it, and of ship, gains no privileges and has
// a filter, neither can be dumped; none of its sockets is of a network; and still all is delivered.
func TestRunIsConfined(t *testing.T) {
	beside(t)
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, fromStdin+plain("siem", collector.Port, `format = "audit"`))
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	run := d.cmd.Process.Pid
	ship, helper := shipOf(t, run), roleOf(run, "deputy")
	for pid, want := range map[int][]string{
		run:    {"NoNewPrivs:\t1\n", "Seccomp:\t2\n"},
		ship:   {"NoNewPrivs:\t1\n", "Seccomp:\t2\n"},
		helper: {"NoNewPrivs:\t1\n", "Seccomp:\t0\n"},
	} {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
		must(t, err)
		if len(threads) < 2 {
			t.Errorf("process %d has %d threads", pid, len(threads))
		}
		for _, path := range threads {
			text, err := os.ReadFile(path)
			must(t, err)
			for _, line := range want {
				if !strings.Contains(string(text), line) {
					t.Errorf("%s lacks %q", path, line)
				}
			}
		}
		limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
		must(t, err)
		if _, core, _ := strings.Cut(string(limits), "Max core file size"); !slices.Equal(strings.Fields(core)[:2], []string{"0", "0"}) {
			t.Errorf("process %d may leave core files", pid)
		}
		memory, err := os.Stat(fmt.Sprintf("/proc/%d/mem", pid))
		must(t, err)
		if owner := memory.Sys().(*syscall.Stat_t).Uid; owner != 0 {
			t.Errorf("the memory of process %d belongs to %d: it can be dumped", pid, owner)
		}
	}
	if s := networkSockets(t, run); len(s) > 0 {
		t.Errorf("run has network sockets: %v", s)
	}
	if s := networkSockets(t, ship); len(s) == 0 {
		t.Error("ship has no network socket: this test does not find any")
	}
	d.stop()
	for _, pid := range []int{ship, helper} {
		if syscall.Kill(pid, 0) == nil {
			t.Errorf("process %d has outlived run", pid)
		}
	}
}

// networkSockets lists the sockets of a process that the kernel's tables of
// network sockets have.
func networkSockets(t *testing.T, pid int) (found []string) {
	t.Helper()
	var tables strings.Builder
	for _, name := range []string{"tcp", "tcp6", "udp", "udp6", "udplite", "raw", "raw6", "packet", "icmp"} {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, name))
		tables.Write(text)
	}
	words := strings.Fields(tables.String())
	open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	must(t, err)
	for _, fd := range open {
		target, _ := os.Readlink(fd)
		if inode, is := strings.CutPrefix(target, "socket:["); is && slices.Contains(words, strings.TrimSuffix(inode, "]")) {
			found = append(found, fd)
		}
	}
	return found
}

// TestARestartInPlaceStaysConfined: by one filter however often, with the deputy
// that began unconfined; so what ship needs is still granted to it.
func TestARestartInPlaceStaysConfined(t *testing.T) {
	beside(t)
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, fromStdin+plain("siem", collector.Port, `format = "audit"`))
	d.start()
	run := d.cmd.Process.Pid
	helper := roleOf(run, "deputy")
	for i := range 2 {
		if _, errs, code := auditbridgeCommand(t, "restart", "--config", d.config); code != 0 {
			t.Fatalf("restart: exit %d: %s", code, errs)
		}
		d.feed(numbered(1+100*i, 100))
		d.untilDelivered()
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", run))
	must(t, err)
	if !strings.Contains(string(text), "Seccomp:\t2\nSeccomp_filters:\t1\n") {
		t.Errorf("it is not confined by one filter:\n%s", text)
	}
	if now := roleOf(run, "deputy"); now != helper || len(peertest.Descendants(run)) != 2 {
		t.Errorf("the deputy was %d and is %d; processes of run: %v", helper, now, peertest.Descendants(run))
	}
	d.stop()
	d.untilReceived(collector)
	requireSameLines(t, d.journalLines(), collector.Received())
}

// TestAKernelWithoutSeccomp: recording goes on, and nobody can overlook it; ship
// does not face the network.
func TestAKernelWithoutSeccomp(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin+siem)
	d.as = func(cmd *exec.Cmd) { cmd.Args[0] = "no-seccomp" }
	d.start()
	d.feed(numbered(1, 10))
	d.until("it is stored, and said", func(s status.Status) bool {
		return s.Stored == 10 && s.State == status.Degraded && slices.ContainsFunc(s.Alarms, func(a status.Alarm) bool { return a.ID == "unconfined" })
	})
	out, _, code := auditbridgeCommand(t, "status", "--config", d.config)
	if code != 1 || !strings.Contains(out, "run is not confined: this kernel has no seccomp filters: function not implemented") {
		t.Errorf("status exits %d and says\n%s", code, out)
	}
	peertest.Until(t, "ship refuses", func() bool {
		return strings.Contains(d.said.String(), "forbid ship the system calls it does not need: this kernel has no seccomp filters")
	})
	d.stop()
	if !strings.Contains(strings.Join(d.journalLines(), "\n"), " alarm=unconfined ") {
		t.Error("it is not on record")
	}
}

// withoutSeccomp is the program on such a kernel.
func withoutSeccomp() {
	if err := (forbid.Calls{Absent: []string{"seccomp"}}).Apply(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	os.Args[0] = "auditbridge"
	fmt.Println(unix.Exec("/proc/self/exe", os.Args, os.Environ()))
	os.Exit(1)
}

// TestTheDeputyIsKilled: recording goes on, what ship does too, and who has to do
// something about it is told what.
func TestTheDeputyIsKilled(t *testing.T) {
	beside(t)
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, fromStdin+plain("siem", collector.Port, `format = "audit"`))
	d.start()
	run := d.cmd.Process.Pid
	ship := shipOf(t, run)
	must(t, syscall.Kill(roleOf(run, "deputy"), syscall.SIGKILL))
	d.onRecord("op=alarm-raised ", " alarm=deputy-lost ", `title="run's deputy has died"`)
	d.feed(mixed)
	d.untilDelivered()
	must(t, syscall.Kill(ship, syscall.SIGKILL))
	peertest.Until(t, "run says that no other can be started", func() bool { return strings.Contains(d.said.String(), "systemctl restart auditbridge") })
	d.feed(mixed)
	d.until("it is stored", func(s status.Status) bool { return s.Stored >= 22 && s.State == status.Degraded })
	d.stop()
}

// TestWhatTheDeputyMayDoAtAHalt: what it may is refused here for another reason.
func TestWhatTheDeputyMayDoAtAHalt(t *testing.T) {
	const not, business = "not asked for anything under test", "is not run's business"
	for _, row := range []struct {
		order deputy.Order
		why   string
	}{
		{deputy.Order{Path: "/usr/bin/systemctl", Args: []string{"/usr/bin/systemctl", "--no-block", "poweroff"}}, not},
		{deputy.Order{Path: "/sbin/init", Args: []string{"/sbin/init", "0"}}, not},
		{deputy.Order{Path: "/tmp/init", Args: []string{"/sbin/init", "0"}}, business},
		{deputy.Order{Path: "/sbin/init", Args: []string{"/sbin/init", "6"}}, business},
		{deputy.Order{Path: "/sbin/init", Args: []string{"/sbin/init", "0"}, Env: []string{"LD_PRELOAD=/tmp/mine"}}, business},
	} {
		if err := mayBeDone(row.order); err == nil || !strings.Contains(err.Error(), row.why) {
			t.Errorf("%q: %v, not %q", row.order.Args, err, row.why)
		}
	}
}
