package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
)

// TestEveryFormatArrives: each destination gets the events in its own format,
// from a confined ship, which writes run's process and version, and where a
// format wants it the local time of the host.
func TestEveryFormatArrives(t *testing.T) {
	beside(t)
	collector := peertest.StartRsyslog(t)
	settings := "node = \"node1\"\nrouter = \"router1\"\n" + fromStdin
	for _, format := range []string{"rfc5424", "rfc3164", "cef", "json", "audit"} {
		settings += plain(format, collector.Port, fmt.Sprintf("format = %q", format))
	}
	d := newDaemon(t, settings)
	d.as = func(run *exec.Cmd) { run.Env = append(os.Environ(), "TZ=Asia/Kathmandu") } // 16:35 UTC is 22:20 there
	d.start()
	d.feed(mixed)
	peertest.Until(t, "all destinations have got what was sent", func() bool {
		s, ok := d.status()
		if !ok || s.Stored != 11 || len(s.Destinations) != 5 {
			return false
		}
		for _, b := range s.Destinations {
			if !b.Connected || b.Pending > 0 {
				return false
			}
		}
		return true
	})
	d.stdin.Close()
	<-d.ended
	d.untilReceived(collector)
	received := strings.Join(collector.Received(), "\n")
	pid, version := d.cmd.Process.Pid, regexp.QuoteMeta(thisBuild().Version)
	for format, want := range map[string]string{
		"rfc5424": fmt.Sprintf(`(?m)^<36>1 2024-03-06T16:35:29.200Z node1.router1 auditbridge %d LOGIN \[.* serial="2" .* msg-acct="mallory"`, pid),
		"rfc3164": fmt.Sprintf(`(?m)^<36>Mar  6 22:20:29 node1 auditbridge\[%d\]: audit\(1709742929.200:2\) records \d+-\d+: class=login result=fail .* node=node1.router1 .* msg-acct=mallory `, pid),
		"cef":     fmt.Sprintf(`(?m)^<36>Mar  6 22:20:29 node1 CEF:0\|auditbridge\|auditbridge\|%s\|audit:USER_LOGIN\|Login\|5\|rt=1709742929200 dvchost=node1.router1 .* duser=mallory `, version),
		"json":    fmt.Sprintf(`(?m)^<36>1 2024-03-06T16:35:29.200Z node1.router1 auditbridge %d LOGIN \[[^]]* records="1"\] \{"time":"2024-03-06T16:35:29.200Z",.*"acct":"mallory"`, pid),
		"audit":   fmt.Sprintf(`(?m)^<36>1 2024-03-06T16:35:29.200Z node1.router1 auditbridge %d LOGIN \[[^]]* sequence="\d+"\] type=USER_LOGIN msg=audit\(1709742929.200:2\): `, pid),
	} {
		if n := len(regexp.MustCompile(want).FindAllString(received, -1)); n != 1 {
			t.Errorf("%s: %d messages like %s in\n%s", format, n, want, received)
		}
	}
}
