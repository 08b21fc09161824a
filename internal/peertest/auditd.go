package peertest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Auditd is a stock auditd that owns kernel audit and writes a log of its own.
// Whoever starts it has reserved kernel audit.
type Auditd struct {
	*Process
	Log string
	dir string
}

// StartAuditd runs auditd in the foreground. It does not wait until it owns
// kernel audit.
func StartAuditd(t testing.TB) *Auditd {
	t.Helper()
	a := NewAuditd(t, "")
	a.Start(t)
	return a
}

// NewAuditd prepares an auditd. settings are lines of auditd.conf that are put
// behind, and so in force before, what every auditd here has.
func NewAuditd(t testing.TB, settings string) *Auditd {
	t.Helper()
	a := &Auditd{dir: t.TempDir()}
	a.Log = filepath.Join(a.dir, "audit.log")
	if err := os.Mkdir(a.plugins(), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(a.dir, "auditd.conf"), fmt.Sprintf(`local_events = yes
write_logs = yes
log_file = %s
log_format = RAW
flush = none
plugin_dir = %s
space_left = 75
space_left_action = syslog
admin_space_left = 50
admin_space_left_action = suspend
%s`, a.Log, a.plugins(), settings), 0o600)
	return a
}

func (a *Auditd) plugins() string { return filepath.Join(a.dir, "plugins.d") }

// Plugin puts text into plugins.d as NAME.conf.
func (a *Auditd) Plugin(t testing.TB, name, text string) {
	t.Helper()
	writeFile(t, filepath.Join(a.plugins(), name+".conf"), text, 0o640)
}

// Start runs it in the foreground, for the first time or after Stop.
func (a *Auditd) Start(t testing.TB) {
	t.Helper()
	a.StartAs(t, "auditd")
}

// StartAs is Start from another file.
func (a *Auditd) StartAs(t testing.TB, program string) {
	t.Helper()
	a.Process = start(t, program, "-n", "-c", a.dir)
}

// Tell sends a signal to auditd alone: what its plugins hear is its business.
func (a *Auditd) Tell(sig syscall.Signal) { syscall.Kill(a.PID(), sig) }

// Stop ends auditd as an administrator does, and waits for it.
func (a *Auditd) Stop() {
	a.Tell(syscall.SIGTERM)
	<-a.ended
}

// AuditdReceiver is a stock auditd that only takes what others send, by auditd's own
// protocol: kernel audit is none of its business. It has a mount namespace of its
// own, with /run and a log directory of a given size.
type AuditdReceiver struct {
	*Process
	Port int
	dir  string
	size string
}

// StartAuditdReceiver runs one whose log has room for size, such as "64m". settings
// are lines of auditd.conf.
func StartAuditdReceiver(t testing.TB, size, settings string) *AuditdReceiver {
	t.Helper()
	a := &AuditdReceiver{Port: FreePort(t), dir: t.TempDir(), size: size}
	for _, dir := range []string{"log", "plugins.d"} {
		if err := os.Mkdir(filepath.Join(a.dir, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(a.dir, "auditd.conf"), fmt.Sprintf(`local_events = no
write_logs = yes
log_file = %s/log/audit.log
log_format = RAW
flush = incremental_async
freq = 1
max_log_file_action = ignore
plugin_dir = %s/plugins.d
space_left = 2
space_left_action = ignore
admin_space_left = 1
admin_space_left_action = ignore
disk_full_action = ignore
disk_error_action = ignore
tcp_listen_port = %d
tcp_max_per_addr = 100
tcp_client_max_idle = 0
use_libwrap = no
%s`, a.dir, a.dir, a.Port, settings), 0o600)
	a.Start(t)
	return a
}

// Start runs it, for the first time or after Kill or Stop; its log is empty then.
func (a *AuditdReceiver) Start(t testing.TB) {
	t.Helper()
	a.Process = start(t, "unshare", "--mount", "--propagation", "private", "sh", "-c", fmt.Sprintf(
		"mount -t tmpfs -o size=%s tmpfs %s/log && mount -t tmpfs tmpfs /run && exec auditd -n -c %s", a.size, a.dir, a.dir))
	a.untilListening(a.Port)
}

// Grow makes room for size in the log's directory.
func (a *AuditdReceiver) Grow(t testing.TB, size string) {
	t.Helper()
	if out, err := exec.Command("nsenter", "--mount", "--target", fmt.Sprint(a.PID()), "mount", "-o", "remount,size="+size, a.dir+"/log").CombinedOutput(); err != nil {
		t.Fatalf("make room: %v: %s", err, out)
	}
}

// Stop ends it as an administrator does, and waits for it.
func (a *AuditdReceiver) Stop() {
	syscall.Kill(a.PID(), syscall.SIGTERM)
	<-a.ended
}

// Received returns the lines of its log that are not its own; one still being
// written is not among them.
func (a *AuditdReceiver) Received() (lines []string) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/root%s/log/audit.log", a.PID(), a.dir))
	if err != nil {
		return nil
	}
	all := strings.Split(string(text), "\n")
	for _, l := range all[:len(all)-1] {
		if !strings.HasPrefix(l, "type=DAEMON_") {
			lines = append(lines, l)
		}
	}
	return lines
}
