package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/durable"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
	"auditbridge/retention"
)

// TestAClockThatJumpedAcrossARebootNeedsAWord: after a reboot that leaves the
// clock days ahead nothing is dropped for its age, status says so, and root's
// word that it is right goes on record with who gave it. Where the clock is
// synchronised no word is needed, and none is taken.
func TestAClockThatJumpedAcrossARebootNeedsAWord(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	d.start()
	d.stop()
	lastSeen(t, filepath.Join(d.dir, "state"), retention.Clock{Time: time.Now().Add(-72 * time.Hour), BootID: "another boot"})
	d.start()
	now, err := retention.ReadClocks()
	must(t, err)
	if !now.Synchronised {
		d.until("nothing ages", func(s status.Status) bool { return s.ClockHeld })
		out, _, code := auditbridgeCommand(t, "status", "--config", d.config)
		if code != 1 || !strings.Contains(out, "auditbridge confirm-clock") {
			t.Errorf("status exits %d and says\n%s", code, out)
		}
		if out, errs, code := auditbridgeCommand(t, "confirm-clock", "--config", d.config); code != 0 || !strings.Contains(out, "believed") {
			t.Fatalf("confirm-clock exits %d: %s%s", code, out, errs)
		}
	}
	d.until("segments age", func(s status.Status) bool { return !s.ClockHeld })
	if _, errs, code := auditbridgeCommand(t, "confirm-clock", "--config", d.config); code != 1 || !strings.Contains(errs, "nothing to confirm") {
		t.Errorf("a second word exits %d: %s", code, errs)
	}
	d.stop()
	if !now.Synchronised {
		all := strings.Join(d.journalLines(), "\n")
		for _, want := range []string{"op=clock-held auid=", "op=clock-believed auid="} {
			if !strings.Contains(all, want) {
				t.Errorf("%s is not on record", want)
			}
		}
	}
	if _, errs, code := auditbridgeCommand(t, "confirm-clock", "--config", d.config); code != 1 || !strings.Contains(errs, "not running") {
		t.Errorf("without run it exits %d: %s", code, errs)
	}
}

// lastSeen makes a clock the one retention saw last.
func lastSeen(t *testing.T, stateDir string, c retention.Clock) {
	t.Helper()
	dir, err := durable.OpenDir(stateDir, 0, -1)
	must(t, err)
	defer dir.Close()
	slots, err := durable.OpenSlots(dir, "retention", [8]byte([]byte("abretain")), 1, 0o600, -1)
	must(t, err)
	defer slots.Close()
	state := map[string]any{}
	must(t, json.Unmarshal(slots.State(), &state))
	state["clock"] = c
	text, err := json.Marshal(state)
	must(t, err)
	must(t, slots.Store(text))
}

// TestARemovedDestinationIsForgotten: a server that is taken out of the
// configuration leaves no cursor behind, and that is on record.
func TestARemovedDestinationIsForgotten(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin+siem)
	d.start()
	d.stop()
	cursor := filepath.Join(d.dir, "state", "relay-siem.cursor")
	if _, err := os.Stat(cursor); err != nil {
		t.Fatal(err)
	}
	d.configure(fromStdin)
	d.start()
	peertest.Until(t, "the cursor is gone", func() bool {
		_, err := os.Stat(cursor)
		return os.IsNotExist(err)
	})
	d.stop()
	if all := strings.Join(d.journalLines(), "\n"); !strings.Contains(all, "op=cursor-removed ") || !strings.Contains(all, " relay=siem ") {
		t.Error("that its place is forgotten is not on record")
	}
}
