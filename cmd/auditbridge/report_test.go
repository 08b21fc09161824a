package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/internal/status"
)

// TestTheHistoryOfAlarms: report alarms lists what was raised and cleared, of
// the journal's own records only, with run dead too.
func TestTheHistoryOfAlarms(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	d.start()
	if out, errs, code := auditbridgeCommand(t, "report", "alarms", "--config", d.config); code != 0 || out != "no alarm was raised since the oldest record kept\n" {
		t.Errorf("before any it exits %d: %s%s", code, out, errs)
	}
	d.stop()
	must(t, os.WriteFile(filepath.Join(d.dir, "state", alarmsFile), []byte(`[{"id":"disk-full","number":7,"since":"2026-03-06T12:00:00Z"}]`), 0o600))
	d.configure(fromStdin + plain("siem", 9)) // where nobody listens
	d.start()
	d.feed("type=DAEMON_ERR msg=audit(1709742929.678:4278190090): op=alarm-raised auid=0 pid=1 uid=0 ses=1 alarm=forged number=8 res=failed\n")
	d.onRecord("op=alarm-cleared ", " alarm=disk-full number=7 ")
	d.until("an alarm is raised", func(s status.Status) bool { return len(s.Alarms) > 0 })
	d.kill()
	out, errs, code := auditbridgeCommand(t, "report", "alarms", "--json", d.journal)
	if code != 0 {
		t.Fatal(errs)
	}
	var all []pastAlarm
	must(t, json.Unmarshal([]byte(out), &all))
	var earlier, open bool
	for _, a := range all {
		earlier = earlier || a.ID == "disk-full" && a.Number == 7 && a.Raised == nil && a.Cleared != nil && a.Title == "The journal's disk is full"
		open = open || a.Raised != nil && a.Cleared == nil && a.Severity != "" && a.Title != ""
		if a.ID == "forged" {
			t.Error("what a source sent is taken for our own")
		}
	}
	if !earlier || !open {
		t.Errorf("reported: %s", out)
	}
	text, _, _ := auditbridgeCommand(t, "report", "alarms", d.journal)
	if !strings.HasPrefix(text, "RAISED ") || !strings.Contains(text, "earlier ") || !strings.Contains(text, " not yet ") {
		t.Errorf("as text:\n%s", text)
	}
	if _, errs, code := auditbridgeCommand(t, "report", "alarms", d.dir+"/nowhere"); code != 1 || !strings.Contains(errs, "nowhere") {
		t.Errorf("of no journal it exits %d: %s", code, errs)
	}
}
