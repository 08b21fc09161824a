package peertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// SyslogNG is a stock syslog-ng that takes messages apart, and writes what it found to
// a file.
type SyslogNG struct {
	*Process
	Port int
	file string
}

// StartSyslogNG runs syslog-ng, from where scripts/peers unpacks it: its package and
// rsyslog's exclude each other. Its source, of which %d is the port, is such as
// `syslog(ip("127.0.0.1") port(%d) transport("tcp"))`; template is what a line of the
// file is made from.
func StartSyslogNG(t testing.TB, source, template string) *SyslogNG {
	t.Helper()
	root := filepath.Join(repository(t), ".peers", "syslog-ng")
	dir := t.TempDir()
	s := &SyslogNG{Port: FreePort(t), file: filepath.Join(dir, "received")}
	conf := writeFile(t, filepath.Join(dir, "syslog-ng.conf"), fmt.Sprintf(`@version: 3.38
options { keep-hostname(yes); keep-timestamp(yes); chain-hostnames(no); use-dns(no); dns-cache(no); stats-freq(0); log-msg-size(65536); frac-digits(3); };
source in { %s; };
destination out { file("%s" template("%s\n") template-escape(no)); };
log { source(in); destination(out); };
`, fmt.Sprintf(source, s.Port), s.file, template), 0o600)
	libraries := []string{filepath.Join(root, "usr/lib/syslog-ng")}
	for _, under := range []string{"usr/lib", "lib"} {
		more, _ := filepath.Glob(filepath.Join(root, under, "*-linux-gnu"))
		libraries = append(libraries, more...)
	}
	plugins, _ := filepath.Glob(filepath.Join(root, "usr/lib/syslog-ng/[0-9]*.[0-9]*"))
	if len(plugins) != 1 {
		t.Fatalf("%s is not there: run scripts/peers", root)
	}
	s.Process = start(t, "env", "LD_LIBRARY_PATH="+strings.Join(libraries, ":"), filepath.Join(root, "usr/sbin/syslog-ng"), "--foreground", "--no-caps", "--cfgfile", conf,
		"--module-path", plugins[0], "--persist-file", filepath.Join(dir, "persist"), "--control", filepath.Join(dir, "control"), "--pidfile", filepath.Join(dir, "pid"))
	s.untilListening(s.Port)
	return s
}

// Received returns the lines written so far.
func (s *SyslogNG) Received() []string { return (&Rsyslog{File: s.file}).Received() }

// repository is where go.mod is, above the package that is tested.
func repository(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
	}
	t.Fatal("no go.mod above this")
	return ""
}
