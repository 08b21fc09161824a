package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
	"auditbridge/internal/warning"
)

// warns tells whether a warning of that code is among them, with that detail.
func warns(all []warning.Warning, code, detail string) bool {
	return slices.ContainsFunc(all, func(w warning.Warning) bool {
		return w.Code == code && strings.Contains(w.Detail, detail) && w.Remedy != ""
	})
}

// TestWhatWeakensAuditIsSaidAtTheStart: how the kernel and the host are set up, if
// that makes audit weaker than it looks, is said on standard error and on record,
// once, and by status as long as it holds; none of it is a state of ours.
func TestWhatWeakensAuditIsSaidAtTheStart(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	kernel.Set("-r", "100000")
	d := newDaemon(t, "")
	d.start()
	kernel.Set("-b", "7000") // run has made it 8192
	all := []struct{ code, detail string }{{"shared-disk", "it lies on that of /"}, {"no-rules", ""}, {"rate-limit", "100000 records a second"}, {"backlog-small", "it takes 7000 records"}}
	d.until("all is said", func(s status.Status) bool {
		return s.State == status.OK && !slices.ContainsFunc(all, func(w struct{ code, detail string }) bool { return !warns(s.Warnings, w.code, w.detail) })
	})
	cmdline, err := os.ReadFile("/proc/cmdline")
	must(t, err)
	if s, _ := d.status(); warns(s.Warnings, "boot-audit", "") == strings.Contains(string(cmdline), "audit=1") {
		t.Errorf("booted with %sbut %v", cmdline, s.Warnings)
	}
	for _, w := range all {
		peertest.Until(t, w.code+" is in the log", func() bool { return strings.Contains(d.said.String(), " warning="+w.code+" ") })
		peertest.Until(t, w.code+" is on record", func() bool {
			return strings.Contains(strings.Join(d.journalLines(), "\n"), " warning="+w.code+" title=")
		})
	}
	kernel.Set("-r", "0")
	kernel.Set("-b", "8192")
	d.until("the kernel is as it should be", func(s status.Status) bool {
		return !warns(s.Warnings, "rate-limit", "") && !warns(s.Warnings, "backlog-small", "")
	})
	if text := d.text(); !strings.Contains(text, "warning: shared-disk, The journal shares its file system (it lies on that of /") || strings.Contains(text, "rate-limit") {
		t.Errorf("status says\n%s", text)
	}
	d.stop()
	if n := strings.Count(strings.Join(d.journalLines(), "\n"), " warning=rate-limit "); n != 1 {
		t.Errorf("it is on record %d times", n)
	}
}

// Each is said once, whether it comes at the start or later, and shown while it holds.
func TestWarningsComeAndGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, kernel := []warning.Warning{{Code: "a", Title: "A"}}, &status.Kernel{BacklogLimit: 8192, Rules: 3}
		set := func(change func()) { mu.Lock(); defer mu.Unlock(); change() }
		var said []string
		var w *warnings
		w = newWarnings(func() []warning.Warning { mu.Lock(); defer mu.Unlock(); return now },
			func() *status.Status { mu.Lock(); defer mu.Unlock(); return &status.Status{Warnings: w.now(kernel)} },
			func(n auditbridge.Note) { said = append(said, n.Fields[0].Value) }, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- w.Run(ctx) }()
		time.Sleep(3 * warningPause)
		set(func() { kernel = &status.Kernel{BacklogLimit: 8192, RateLimit: 5, Rules: 3} })
		time.Sleep(3 * warningPause)
		set(func() { now, kernel = []warning.Warning{{Code: "b", Title: "B"}}, nil })
		time.Sleep(2 * hostPause)
		if all := w.now(nil); len(all) != 1 || all[0].Code != "b" {
			t.Errorf("holding: %v", all)
		}
		stop()
		if err := <-ended; err != nil || !slices.Equal(said, []string{"a", "rate-limit", "b"}) {
			t.Errorf("said %v, %v", said, err)
		}
	})
}

// TestCheckWarnsOfTheHost: what can be known of this host without its kernel, as
// anybody; no configuration is less valid for it.
func TestCheckWarnsOfTheHost(t *testing.T) {
	beside(t)
	d := newDaemon(t, "")
	out, _, code := auditbridgeCommand(t, "check", "--config", d.config)
	if code != 0 || !strings.Contains(out, "this host: shared-disk: The journal shares its file system (it lies on that of ") {
		t.Errorf("exit %d:\n%s", code, out)
	}
	out, _, _ = auditbridgeCommand(t, "check", "--json", "--config", d.config)
	var r struct {
		Host []warning.Warning `json:"host"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || !warns(r.Host, "shared-disk", "") {
		t.Errorf("%v: %s", err, out)
	}
}
