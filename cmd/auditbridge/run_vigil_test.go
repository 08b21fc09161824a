package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/banner"
	"auditbridge/banner/watch"
	"auditbridge/internal/peertest"
)

// A watch that is back within a second was started again. One that is not is told of,
// again and again, and that it is back; one that was taken away is told of no more.
func TestOperatorsHearThatTheWatchIsMissing(t *testing.T) {
	root := t.TempDir()
	ann := peertest.StartPerson(t, root, 46234, "bash")
	why, there := "", true
	v := newVigil(func() (string, bool) { return why, there }, func() watch.Settings {
		return watch.Settings{Node: "fabric", Repeat: time.Minute, Places: banner.Places{RunDir: filepath.Join(root, "run/auditbridge")}}
	}, slog.New(slog.DiscardHandler))
	v.root, v.teller.Root = root, root
	motd := func() string {
		text, _ := os.ReadFile(filepath.Join(root, "run/motd.d/00-auditbridge"))
		return string(text)
	}
	begin := time.Unix(1_700_000_000, 0)
	for i, step := range []struct {
		after time.Duration
		why   string
		there bool
		told  string // how often that it is missing, and that it is back
		motd  bool
	}{
		{0, "", true, "", false},
		{250 * time.Millisecond, "its process has ended", false, "", false},
		{1000 * time.Millisecond, "its process has ended", false, "", false},
		{1100 * time.Millisecond, "", true, "", false},
		{2000 * time.Millisecond, "its process is stopped", false, "", false},
		{3000 * time.Millisecond, "its process is stopped", false, "missing", true},
		{62 * time.Second, "its process is stopped", false, "missing", true},
		{63 * time.Second, "its process is stopped", false, "missing missing", true},
		{64 * time.Second, "", true, "missing missing back", false},
		{70 * time.Second, "its process has ended", false, "missing missing back", false},
		{71 * time.Second, "its process has ended", false, "missing missing back missing", true},
		{72 * time.Second, "", false, "missing missing back missing", false}, // auditbridge watch clear
	} {
		why, there = step.why, step.there
		v.look(begin.Add(step.after))
		v.teller.Tell(strings.Repeat("x", i+1))
		ann.Sees(t, strings.Repeat("x", i+1)) // and all before it
		var told []string
		for line := range strings.Lines(ann.Shown()) {
			switch {
			case strings.Contains(line, "AUDIT LOGGING IS NOT WATCHED on fabric"):
				told = append(told, "missing")
			case strings.Contains(line, "AUDIT LOGGING IS WATCHED AGAIN on fabric"):
				told = append(told, "back")
			}
		}
		if got := strings.Join(told, " "); got != step.told {
			t.Fatalf("after %v: told %q, want %q", step.after, got, step.told)
		}
		if got := strings.Contains(motd(), "AUDIT LOGGING IS NOT WATCHED"); got != step.motd {
			t.Errorf("after %v the next login sees %q", step.after, motd())
		}
	}
}
