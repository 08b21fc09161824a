package peertest

import (
	"fmt"
	"path/filepath"
	"testing"
)

// Auditd is a stock auditd that owns kernel audit and writes a log of its own.
// Whoever starts it has reserved kernel audit.
type Auditd struct {
	*Process
	Log string
}

// StartAuditd runs auditd in the foreground. It does not wait until it owns
// kernel audit.
func StartAuditd(t testing.TB) *Auditd {
	t.Helper()
	dir := t.TempDir()
	a := &Auditd{Log: filepath.Join(dir, "audit.log")}
	writeFile(t, filepath.Join(dir, "auditd.conf"), fmt.Sprintf(`local_events = yes
write_logs = yes
log_file = %s
log_format = RAW
flush = none
plugin_dir = %s
space_left = 75
space_left_action = syslog
admin_space_left = 50
admin_space_left_action = suspend
`, a.Log, dir), 0o600)
	a.Process = start(t, "auditd", "-n", "-c", dir)
	return a
}
