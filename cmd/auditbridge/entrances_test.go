package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// beGuest is another program: what stands on its standard input it sends to a socket,
// and writes what comes from there.
func beGuest() {
	c, err := net.Dial(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go func() {
		io.Copy(c, os.Stdin)
		c.(interface{ CloseWrite() error }).CloseWrite()
	}()
	if _, err := io.Copy(os.Stdout, c); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// guest runs one as that user and returns what it heard, and what it complained of.
func guest(t *testing.T, uid uint32, network, place, says string) (heard, complaint string) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", network, place)
	cmd.Args[0], cmd.Dir = "guest", "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(says), &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String()
}

// echo answers with what it heard, when it has heard all.
func echo(t *testing.T) net.Listener {
	return peertest.Listen(t, func(c net.Conn) {
		defer c.Close()
		text, _ := io.ReadAll(c)
		c.Write(append([]byte("heard: "), text...))
	})
}

// forwarding is a [[port-forwarding]] through s to a port there.
func (d *instance) forwarding(name string, s *peertest.SSHD, port int, more ...string) string {
	d.t.Helper()
	return fmt.Sprintf("[[port-forwarding]]\nname = %q\nserver-address = \"127.0.0.1\"\nserver-port = %d\nremote-port = %d\nuser = %q\nidentity-file = %q\nknown-hosts = %q\n%s\n",
		name, s.Port, port, s.User, d.identity(s.Identity), d.public(s.KnownHosts), strings.Join(more, "\n"))
}

// entranceIn is what status says of one.
func entranceIn(s status.Status, name string) status.Entrance {
	for _, e := range s.Entrances {
		if e.Name == name {
			return e
		}
	}
	return status.Entrance{}
}

const daemonUID, nobodyUID = 1, 65534

// Several forwardings at once, two of them through one server: records go their way
// through the first, other programs through both, one by a Unix socket for those who are
// named, one by a TCP port. Who came, who was refused and how much passed is on record
// and in status.
func TestOtherProgramsGoThroughForwardings(t *testing.T) {
	beside(t)
	sshd, collector, far := peertest.StartSSHD(t), peertest.StartRsyslog(t), echo(t)
	port := peertest.FreePort(t)
	d := newDaemon(t, "")
	socket := filepath.Join(d.dir, "run", "echo.sock")
	must(t, os.Mkdir(filepath.Dir(socket), 0o700)) // as the unit's umask would have it made
	byUnix := func(more ...string) string {
		return d.forwarding("echo", sshd, peertest.PortOf(far), append(more, `listen = true`, `listen-socket = "echo.sock"`, `listen-uids = ["daemon", 4242]`)...)
	}
	byTCP := d.forwarding("siem", sshd, collector.Port, fmt.Sprintf("local-port = %d", port), `listen = true`)
	server := plain("siem", collector.Port, `format = "audit"`, `via = "siem"`)
	d.configure(fromStdin + server + byUnix() + byTCP)
	if out, _, code := auditbridgeCommand(t, "check", "--config", d.config); code != 0 || !strings.Contains(out, "every user of this host may send to 127.0.0.1:") || !strings.Contains(out, "open-entrance: Every user may send through a forwarding") {
		t.Errorf("check ends with %d: %s", code, out)
	}
	d.start()
	d.until("both are open", func(s status.Status) bool { return entranceIn(s, "echo").Connected && entranceIn(s, "siem").Connected })
	for _, line := range []string{"op=entrance-open ", "op=link-up "} {
		d.onRecord(line, " entrance=echo ")
		d.onRecord(line, " entrance=siem ")
	}
	d.onRecord("op=warning ", "warning=open-entrance ")

	if heard, complaint := guest(t, daemonUID, "unix", socket, "who is there"); heard != "heard: who is there" || complaint != "" {
		t.Errorf("the right user heard %q: %s", heard, complaint)
	}
	d.onRecord("op=guests-came ", " entrance=echo ", "at=unix:"+socket, " guest-uid=1 guest-pid=", " res=success")
	d.onRecord("op=guests-gone ", " entrance=echo ", " n=1 cut=0 sent=12 received=19 ")
	for _, uid := range []uint32{nobodyUID, 0} {
		if heard, _ := guest(t, uid, "unix", socket, "who is there"); heard != "" {
			t.Errorf("uid %d heard %q", uid, heard)
		}
		d.onRecord("op=guest-refused ", " entrance=echo ", " n=1 ", fmt.Sprintf(" guest-uid=%d guest-pid=", uid), "is not in listen-uids", " res=failed")
	}

	// rsyslog is another program: what it is told goes through the port.
	file := filepath.Join(t.TempDir(), "unused")
	in := peertest.FreePort(t)
	peertest.StartRsyslogWith(t, in, file, fmt.Sprintf(`module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="%d")
*.* action(type="omfwd" target="127.0.0.1" port="%d" protocol="tcp" tcp_framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format" queue.type="direct" action.resumeRetryCount="-1" action.resumeInterval="1")
`, in, port))
	c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", in))
	must(t, err)
	defer c.Close()
	fmt.Fprint(c, "<38>1 2026-03-06T12:00:00Z host another 1 - - said by another program\n")
	d.feed(mixed)
	d.untilDelivered()
	peertest.Until(t, "both have arrived", func() bool {
		all := strings.Join(collector.Received(), "\n")
		return strings.Contains(all, "said by another program") && strings.Contains(all, "type=USER_LOGIN")
	})
	d.until("it is in the books", func(s status.Status) bool {
		e := entranceIn(s, "siem")
		return e.Open > 0 && e.Carried > 0 && e.Sent > 0 && e.For == "everybody" && entranceIn(s, "echo").Refused == 2 && entranceIn(s, "echo").Received == 19
	})
	out, _, _ := auditbridgeCommand(t, "status", "--config", d.config)
	for _, want := range []string{"through echo: at unix:" + socket + " for daemon, 4242, connected, open 0 of 32, carried 1, refused 2, cut 0, sent 12 B, received 19 B",
		fmt.Sprintf("through siem: at 127.0.0.1:%d for everybody, connected, open ", port), "warning: open-entrance"} {
		if !strings.Contains(out, want) {
			t.Errorf("status does not say %q:\n%s", want, out)
		}
	}
	// The records' own way has a connection to itself, and each forwarding has: what one
	// program sends is not before another's in one and the same.
	if n := strings.Count(sshd.Output(), "Accepted publickey"); n != 3 {
		t.Errorf("%d logins, want 3", n)
	}
	if out, _, code := auditbridgeCommand(t, "ssh", "key", "echo", "--config", d.config); code != 0 || !strings.Contains(out, fmt.Sprintf(`permitopen="127.0.0.1:%d"`, peertest.PortOf(far))) {
		t.Errorf("ssh key ends with %d: %s", code, out)
	}
	if out, _, _ := auditbridgeCommand(t, "ssh", "test", "echo", "--config", d.config); !strings.Contains(out, "ok      reach 127.0.0.1:") {
		t.Errorf("ssh test says %s", out)
	}
	d.stop()
	if all := d.journalLines(); !strings.Contains(all[len(all)-2], "op=stop ") {
		t.Errorf("the farewell is not the last: %s", all[len(all)-2])
	}
	d.onRecord("op=guests-gone ", " entrance=siem ", " cut=1 ") // rsyslog's, which was still there
	d.onRecord("op=entrance-closed ", " entrance=siem ")
	if _, err := os.Lstat(socket); err == nil {
		t.Error("the socket's file is left")
	}
}

// A guest stays where its forwarding stays, whatever else is reloaded, and has to go
// when it goes.
func TestGuestsThroughAReload(t *testing.T) {
	beside(t)
	sshd, far := peertest.StartSSHD(t), echo(t)
	d := newDaemon(t, "")
	entrance1 := d.forwarding("first", sshd, peertest.PortOf(far), `listen = true`, `listen-socket = "first.sock"`)
	entrance2 := d.forwarding("second", sshd, peertest.PortOf(far), `listen = true`, `listen-socket = "second.sock"`)
	d.configure(fromStdin + entrance1 + entrance2)
	d.start()
	both := func(s status.Status) bool {
		return entranceIn(s, "first").Connected && entranceIn(s, "second").Connected
	}
	d.until("both are open", both)
	come := func(name string) *net.UnixConn {
		c, err := net.Dial("unix", filepath.Join(d.dir, "run", name+".sock"))
		must(t, err)
		t.Cleanup(func() { c.Close() })
		return c.(*net.UnixConn)
	}
	first, second := come("first"), come("second")
	d.until("both are carried", func(s status.Status) bool {
		return entranceIn(s, "first").Carried == 1 && entranceIn(s, "second").Carried == 1
	})

	d.configure(fromStdin + "retention = \"90d\"\n" + entrance1 + strings.Replace(entrance2, "listen-socket", "listen-connections = 5\nlisten-socket", 1))
	_, err := second.Read(make([]byte, 1)) // half a second later the files are read
	if err == nil {
		t.Error("the guest of the one that changed is still there")
	}
	d.until("it is open again", func(s status.Status) bool { return both(s) && entranceIn(s, "second").Most == 5 })
	d.configure(fromStdin + entrance1)
	d.until("it is gone", func(s status.Status) bool { return len(s.Entrances) == 1 })
	d.onRecord("op=entrance-closed ", " entrance=second ")
	peertest.Until(t, "its socket is, too", func() bool {
		_, err := os.Lstat(filepath.Join(d.dir, "run", "second.sock"))
		return os.IsNotExist(err)
	})
	first.Write([]byte("still here"))
	first.CloseWrite()
	if heard, err := io.ReadAll(first); string(heard) != "heard: still here" {
		t.Errorf("the guest of the one that stayed heard %q, %v", heard, err)
	}
	d.stop()
}

// Run replaces itself in place when the entrances are closed, and what their guests did
// is on record: only then does it say that it ends.
func TestEntrancesThroughARestart(t *testing.T) {
	t.Parallel()
	audittest.Kernel(t)
	sshd, far := peertest.StartSSHD(t), echo(t)
	d := newDaemon(t, "")
	socket := filepath.Join(d.dir, "run", "echo.sock")
	d.configure(d.forwarding("echo", sshd, peertest.PortOf(far), `listen = true`, `listen-socket = "echo.sock"`))
	d.start()
	d.until("it is open", func(s status.Status) bool { return entranceIn(s, "echo").Connected })
	c, err := net.Dial("unix", socket)
	must(t, err)
	defer c.Close()
	d.until("the guest is carried", func(s status.Status) bool { return entranceIn(s, "echo").Carried == 1 })
	if _, errs, code := auditbridgeCommand(t, "restart", "--config", d.config); code != 0 {
		t.Fatalf("restart: exit %d: %s", code, errs)
	}
	d.until("it is open again", func(s status.Status) bool { return entranceIn(s, "echo").Connected })
	if heard, complaint := guest(t, 0, "unix", socket, "x"); heard != "heard: x" {
		t.Errorf("heard %q: %s", heard, complaint)
	}
	d.stop()
	before, _, _ := strings.Cut(strings.Join(d.journalLines(), "\n"), "op=stop ")
	for _, op := range []string{"op=guests-gone ", "op=entrance-closed "} {
		if !strings.Contains(before, op) {
			t.Errorf("%s does not stand before the end", op)
		}
	}
}

// What a dead run left in a socket's place is replaced, what is somebody else's is not;
// and what happens to who is at an entrance happens to nobody else.
func TestEntrancesAfterADeath(t *testing.T) {
	beside(t)
	sshd, far, collector := peertest.StartSSHD(t), echo(t), peertest.StartRsyslog(t)
	d := newDaemon(t, "")
	socket := filepath.Join(d.dir, "run", "echo.sock")
	d.configure(fromStdin + plain("siem", collector.Port, `format = "audit"`) + d.forwarding("echo", sshd, peertest.PortOf(far), `listen = true`, fmt.Sprintf(`listen-socket = %q`, socket)))
	works := func(what string) {
		t.Helper()
		d.until(what, func(s status.Status) bool { return entranceIn(s, "echo").Connected })
		if heard, complaint := guest(t, 0, "unix", socket, "x"); heard != "heard: x" {
			t.Fatalf("%s: heard %q: %s", what, heard, complaint)
		}
	}
	d.start()
	works("it is open")
	d.kill()
	if _, err := os.Lstat(socket); err != nil {
		t.Fatalf("nothing is left by the dead run: %v", err)
	}
	d.start()
	works("the dead one's socket is replaced")

	// The process at the entrance dies: another takes the socket over, and records go on.
	pids := map[string]int{}
	peertest.Until(t, "both ships run", func() bool {
		for _, pid := range peertest.Descendants(d.cmd.Process.Pid) {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
			files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/4", pid))
			if !strings.Contains(string(line), "ship") || len(files) == 0 {
				continue
			}
			if what, _ := os.Readlink(files[0]); strings.HasPrefix(what, "socket:") {
				pids["entrance"] = pid
			} else {
				pids["records"] = pid
			}
		}
		return len(pids) == 2
	})
	must(t, syscall.Kill(pids["entrance"], syscall.SIGKILL))
	d.onRecord("op=link-down ", " entrance=echo ", "nobody is at the entrance", " res=failed")
	works("another is at the entrance")

	// So it is when somebody takes the socket's file away.
	must(t, os.Remove(socket))
	d.onRecord("op=link-down ", " entrance=echo ", "somebody took the socket away", " res=failed")
	peertest.Until(t, "there is another", func() bool {
		_, err := os.Lstat(socket)
		return err == nil
	})
	works("another socket is there")
	if peertest.HasEnded(pids["records"]) {
		t.Error("the other ship has died, too")
	}
	d.feed(mixed)
	d.untilDelivered()
	d.stop()

	must(t, os.WriteFile(socket, []byte("precious"), 0o600))
	if out, _, code := auditbridgeCommand(t, "check", "--config", d.config); code != 2 || !strings.Contains(out, "exists and is no socket") {
		t.Errorf("check ends with %d: %s", code, out)
	}
	must(t, os.Remove(socket))
	l, err := net.Listen("unix", socket)
	must(t, err)
	closing := sync.OnceFunc(func() { l.Close() })
	defer closing()
	d.start()
	d.onRecord("op=entrance-open ", " entrance=echo ", "another process answers there already", " res=failed")
	d.until("status says so", func(s status.Status) bool {
		return s.State == status.Degraded && !entranceIn(s, "echo").Listening && strings.Contains(fmt.Sprint(s.Causes), "other programs cannot send through echo, nobody listens at unix:"+socket)
	})
	closing()
	works("it is had once it is free")
	d.stop()
}
