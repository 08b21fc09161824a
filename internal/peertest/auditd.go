package peertest

import (
	"fmt"
	"os"
	"path/filepath"
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
	a.Process = start(t, "auditd", "-n", "-c", a.dir)
}

// Tell sends a signal to auditd alone: what its plugins hear is its business.
func (a *Auditd) Tell(sig syscall.Signal) { syscall.Kill(a.PID(), sig) }

// Stop ends auditd as an administrator does, and waits for it.
func (a *Auditd) Stop() {
	a.Tell(syscall.SIGTERM)
	<-a.ended
}
