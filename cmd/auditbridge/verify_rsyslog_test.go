package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
)

// TestWhatAStockRsyslogWritesVerifies: each of the templates with which
// rsyslogd writes files leaves the records as they were sealed.
func TestWhatAStockRsyslogWritesVerifies(t *testing.T) {
	beside(t)
	templates := []string{"RSYSLOG_TraditionalFileFormat", "RSYSLOG_FileFormat", "RSYSLOG_SyslogProtocol23Format"}
	dir, port := t.TempDir(), peertest.FreePort(t)
	files := make([]string, len(templates))
	var actions strings.Builder
	for i, template := range templates {
		files[i] = filepath.Join(dir, template)
		fmt.Fprintf(&actions, "action(type=\"omfile\" file=%q template=%q)\n", files[i], template)
	}
	peertest.StartRsyslogWith(t, port, files[0], fmt.Sprintf(`global(workDirectory=%q maxMessageSize="64k")
module(load="imtcp")
input(type="imtcp" address="127.0.0.1" port="%d")
%s`, dir, port, &actions))
	d := newDaemon(t, fromStdin+plain("siem", port, `format = "audit"`))
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	d.stop()
	want := len(d.journalLines())
	for _, file := range files {
		peertest.Until(t, file+" is whole", func() bool {
			data, _ := os.ReadFile(file)
			return strings.Count(string(data), "\n") >= want
		})
		out, errs, code := auditbridgeCommand(t, "verify", file)
		if code != 0 || !strings.Contains(out, "; unproven: 0 at the start, 0 at the end\n") {
			t.Errorf("%s: exit %d: %s%s", file, code, out, errs)
		}
	}
}
