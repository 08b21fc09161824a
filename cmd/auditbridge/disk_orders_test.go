package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// TestTheWatchCarriesOutDiskActions: run executes nothing, so the program of one
// level is started by the watch, once, whoever of the two is started again; that of
// the next is every operator's banner. Both are on record.
func TestTheWatchCarriesOutDiskActions(t *testing.T) {
	beside(t)
	dir := t.TempDir()
	script, heard := filepath.Join(dir, "make-room"), filepath.Join(dir, "heard")
	must(t, os.WriteFile(script, []byte("#!/bin/sh\ncat >>"+heard+"\n"), 0o700))
	source, log := elsewhere(t)
	d := newDaemon(t, source+fmt.Sprintf("max-size = \"16MiB\"\nspace-left-action = %q\nadmin-space-left-action = \"banner\"\n", "exec:"+script)+quickly)
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46235, "bash")
	d.start()
	grow := func(from, n int) {
		f, err := os.OpenFile(log, os.O_APPEND|os.O_WRONLY, 0)
		must(t, err)
		_, err = f.WriteString(numbered(from, n))
		must(t, err)
		must(t, f.Close())
	}
	grow(1, 3200)
	d.until("the program is ordered", func(s status.Status) bool { return len(s.Disk.Orders) == 1 && s.Disk.Level == "space-left" })
	w.start()
	d.until("it has ended", func(s status.Status) bool { return len(s.Disk.Orders) == 0 })
	d.onRecord("op=space-action ", " why=space-left action=exec:"+script+" ")
	d.onRecord("op=space-action-done ", " why=space-left ")
	w.kill()
	w.start()
	grow(3201, 700)
	ann.Sees(t, "[space-banner,")
	text, err := os.ReadFile(heard)
	must(t, err)
	var event struct {
		Event, Level, Text string
		Disk               status.Disk
	}
	must(t, json.Unmarshal(text, &event))
	if event.Event != "disk" || event.Level != "space-left" || event.Disk.UsedBytes == 0 || !strings.Contains(event.Text, "has reached space-left") {
		t.Errorf("the program was told %s", text)
	}
	d.stop()
}
