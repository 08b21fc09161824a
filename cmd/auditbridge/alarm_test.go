package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/alarm"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// TestAlarmsAreRaisedAndClearedOnRecord: a disk that fills raises an alarm and
// room clears it, with one number; both are records of class alarm, shipped to a
// server that wants logins only, and nothing in the configuration names them.
func TestAlarmsAreRaisedAndClearedOnRecord(t *testing.T) {
	beside(t)
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, fromStdin+plain("siem", collector.Port, `include = ["login"]`))
	smallDisk(t, d, "40m")
	d.start()
	d.until("the link is up", func(s status.Status) bool { return s.Destinations[0].Connected })
	remove := ballast(t, d)
	d.feed(numbered(1, 8000))
	d.until("an alarm is raised", func(s status.Status) bool { return hasAlarm(s, "disk-full") })
	out, _, _ := auditbridgeCommand(t, "status", "--config", d.config)
	if !strings.Contains(out, "alarm:   disk-full of no-space, The journal's disk is full, since ") {
		t.Errorf("status says\n%s", out)
	}
	remove()
	d.until("the alarm is cleared", func(s status.Status) bool { return !hasAlarm(s, "disk-full") })
	d.onRecord("op=alarm-cleared ", " alarm=disk-full ")
	peertest.Until(t, "the far end has heard both", func() bool {
		all := strings.Join(collector.Received(), "\n")
		return strings.Contains(all, `ALARM`) && strings.Contains(all, "alarm-raised") && strings.Contains(all, "alarm-cleared")
	})
	d.stop()
	numbers := map[string]bool{}
	events := 0
	segments, err := filepath.Glob(filepath.Join(d.journal, "0*.log"))
	must(t, err)
	inCEF, _, _ := auditbridgeCommand(t, append([]string{"read", "-o", "cef", "--include", "alarm"}, segments...)...)
	for kind, text := range map[string]string{"title": alarm.Lookup("disk-full").Title, "description": alarm.Lookup("disk-full").Description, "remedy": alarm.Lookup("disk-full").Remedy} {
		if !strings.Contains(inCEF, kind+`\=`+text) && !strings.Contains(inCEF, kind+`\="`+text) {
			t.Errorf("in CEF the alarm has no %s %q:\n%s", kind, text, inCEF)
		}
	}
	text, errs, code := auditbridgeCommand(t, append([]string{"read", "-o", "json", "--include", "alarm"}, segments...)...)
	if code != 0 {
		t.Fatal(errs)
	}
	for line := range strings.Lines(text) {
		var e struct {
			Class   string
			Records []struct{ Fields map[string]any }
		}
		must(t, json.Unmarshal([]byte(line), &e))
		if f := e.Records[0].Fields; e.Class == "alarm" && f["alarm"] == "disk-full" {
			numbers[f["number"].(string)] = true
			events++
		}
	}
	if len(numbers) != 1 || events != 2 {
		t.Errorf("%d events of alarms with the numbers %v", events, numbers)
	}
}

// TestAnAlarmIsClearedByTheNextProcess: what was raised when run died is cleared
// on record by the next run, when its cause is gone.
func TestAnAlarmIsClearedByTheNextProcess(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	d.start()
	d.stop()
	must(t, os.WriteFile(filepath.Join(d.dir, "state", alarmsFile), []byte(`[{"id":"disk-full","number":7,"since":"2026-03-06T12:00:00Z"}]`), 0o600))
	d.start()
	d.onRecord("op=alarm-cleared ", " alarm=disk-full number=7 ", "res=success")
	d.stop()
}

// TestWhatIsRefusedInTheFirstSecondHasItsAlarm: it is news although nobody had looked
// a second before.
func TestWhatIsRefusedInTheFirstSecondHasItsAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var refused atomic.Uint64
		var raised []string
		a := &alarms{
			stateDir: t.TempDir(), log: slog.New(slog.DiscardHandler),
			look: func() *status.Status {
				return &status.Status{Time: time.Now(), Recording: status.RecordingOK, Balanced: true, Refused: refused.Load()}
			},
			note: func(n auditbridge.Note) { raised = append(raised, n.Op+" "+n.Fields[0].Value) },
		}
		a.begin()
		refused.Store(5)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- a.Run(ctx) }()
		time.Sleep(alarmPause + time.Millisecond)
		stop()
		must(t, <-ended)
		if got := strings.Join(raised, ", "); got != "alarm-raised records-refused" {
			t.Errorf("on record: %q", got)
		}
	})
}

func hasAlarm(s status.Status, id string) bool {
	for _, a := range s.Alarms {
		if a.ID == id && a.Title != "" && a.Remedy != "" && a.Number > 0 && !a.Since.IsZero() {
			return true
		}
	}
	return false
}
