package status

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/alarm"
)

// Each condition of an alarm, and nothing else, holds in the state it is about;
// every alarm there is has a row.
func TestConditionsOfAlarms(t *testing.T) {
	well := func() *Status {
		return &Status{
			PID: 7, Running: true, Answering: true, Recording: RecordingOK, Balanced: true, Ship: true,
			Kernel: &Kernel{Ours: true, Enabled: 1, Rules: 3}, Disk: Disk{Level: "ok"},
			Destinations: []Destination{{Name: "siem", Connected: true}},
			Entrances:    []Entrance{{Name: "echo", Listening: true, Connected: true}},
		}
	}
	expires := func(in time.Duration) func(*Status) {
		return func(s *Status) {
			s.Time = time.Now()
			s.Destinations[0].Expiring = &Certificate{NotAfter: s.Time.Add(in)}
		}
	}
	rows := map[string]func(s *Status){
		"server-unchecked":    func(s *Status) { s.Destinations[0].Skips = "name" },
		"certificate-month":   expires(29 * 24 * time.Hour),
		"certificate-week":    expires(6 * 24 * time.Hour),
		"certificate-day":     expires(23 * time.Hour),
		"disk-full":           func(s *Status) { s.Disk.Level = "disk-full" },
		"disk-error":          func(s *Status) { s.Disk.Level = "disk-error" },
		"flood":               func(s *Status) { s.Disk.Flood = "auid=1000 exe=/bin/x key=k" },
		"recording-suspended": func(s *Status) { s.Recording = RecordingSuspended },
		"space-left":          func(s *Status) { s.Disk.Level = "space-left" },
		"admin-space-left":    func(s *Status) { s.Disk.Level = "admin-space-left" },
		"kernel-taken":        func(s *Status) { s.KernelPID, s.Ours = 9, false },
		"kernel-released":     func(s *Status) { s.Ours = false },
		"kernel-off":          func(s *Status) { s.Enabled = 0 },
		"kernel-silent":       func(s *Status) { s.KernelSilentSince = time.Now() },
		"no-rules":            func(s *Status) { s.Rules = 0 },
		"records-lost":        func(s *Status) { s.KernelLostAtMost++ },
		"records-refused":     func(s *Status) { s.Refused++ },
		"books-unbalanced":    func(s *Status) { s.Balanced = false },
		"sender-down":         func(s *Status) { s.Ship = false },
		"link-down":           func(s *Status) { s.Destinations[0].Connected = false },
		"entrance-down":       func(s *Status) { s.Entrances[0].Connected = false },
		"undelivered-dropped": func(s *Status) { s.Destinations[0].Missed++ },
		"watch-gone":          func(s *Status) { s.Watch = &Watch{Missing: "its process has ended"} },
		"clock-held":          func(s *Status) { s.ClockHeld = true },
		"rules-drift":         func(s *Status) { s.RulesDrift = 2 },
		"deputy-lost":         func(s *Status) { s.DeputyLost = true },
		"unconfined":          func(s *Status) { s.Unconfined = "no seccomp" },
	}
	for _, early := range []*Status{well(), func() *Status { s := well(); expires(31 * 24 * time.Hour)(s); return s }()} {
		if got := Conditions(early, well()); len(got) != 0 {
			t.Errorf("when all is well: %v", got)
		}
	}
	for _, k := range alarm.Kinds() {
		is := rows[k.ID]
		if is == nil {
			t.Errorf("no row for %s", k.ID)
			continue
		}
		s := well()
		is(s)
		want := map[string]string{ // a lower level is one of the higher ones, too
			"admin-space-left": "admin-space-left space-left",
			"disk-full":        "admin-space-left disk-full space-left",
			"certificate-week": "certificate-month certificate-week",
			"certificate-day":  "certificate-day certificate-month certificate-week",
		}[k.ID]
		if got := ids(Conditions(s, well())); got != cmp.Or(want, k.ID) {
			t.Errorf("%s: %s", k.ID, got)
		}
	}
	beside := well()
	beside.Multicast, beside.KernelPID, beside.Ours = &Multicast{}, 9, false
	if got := Conditions(beside, nil); len(got) != 0 {
		t.Errorf("beside auditd: %v", got)
	}
	lost := well()
	lost.KernelLost, lost.Refused = 5, 5
	another := well()
	another.PID = 8
	if got := Conditions(lost, another); len(got) != 0 {
		t.Errorf("by the counts of another process: %v", got)
	}
}

func ids(all []alarm.Condition) string {
	var names []string
	for _, c := range all {
		names = append(names, c.ID)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}
