package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestWhoReadsTheJournalIsOnRecord: one record for each command that reads it,
// however it is named; reading another log, or asking for the status, is none.
func TestWhoReadsTheJournalIsOnRecord(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	d.start()
	link := d.dir + "/link"
	must(t, os.Symlink(d.journal, link))
	other := d.dir + "/other.log"
	must(t, os.WriteFile(other, []byte("type=USER msg=audit(1.000:1): pid=1\n"), 0o600))
	segment := d.journal + "/audit.log"
	for _, args := range [][]string{{"verify"}, {"verify", link}, {"dump", segment}, {"read", d.journal}, {"read", segment, other}, {"read", other}, {"status"}} {
		if _, errs, code := auditbridgeCommand(t, append(args, "--config", d.config)...); code == 2 {
			t.Errorf("%v exits 2: %s", args, errs)
		}
	}
	d.stop()
	var with []string
	for _, line := range d.journalLines() {
		if _, rest, ok := strings.Cut(line, ": op=journal-read "); ok {
			if !strings.Contains(rest, fmt.Sprintf(" uid=%d ", os.Getuid())) {
				t.Errorf("by whom? %s", rest)
			}
			_, command, _ := strings.Cut(rest, " with=")
			with = append(with, strings.TrimSuffix(command, " res=success"))
		}
	}
	if got := strings.Join(with, " "); got != "verify verify dump read read" {
		t.Errorf("on record: %s", got)
	}
	if _, errs, code := auditbridgeCommand(t, "verify", "--config", d.config); code != 0 || errs != "" {
		t.Errorf("while run is not there, verify exits %d: %s", code, errs)
	}
}
