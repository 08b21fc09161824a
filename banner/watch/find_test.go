package watch

import (
	"strings"
	"testing"
	"time"

	"auditbridge/internal/status"
)

// well is a look at a host where all is as it must be.
func well(ms int) Facts {
	return Facts{
		At:  at(ms),
		Run: Run{PID: 7, Life: Alive, Status: &status.Status{PID: 7, Recording: status.RecordingOK, SignOfLife: at(ms), Time: at(ms), Disk: status.Disk{Level: "ok"}}},
		Kernel: Kernel{
			Enabled: 1, Failure: 1, Backlog: 8192, Wait: 15000, Rules: 9, Features: 3, Owner: Owner{PID: 7, Name: "auditbridge"},
		},
		Probe: Probe{Sent: at(0), Arrived: true},
	}
}

func foundCodes(found []Finding) string {
	var all []string
	for _, f := range found {
		all = append(all, strings.TrimSuffix(f.Code+"/"+f.Object, "/"))
	}
	return strings.Join(all, " ")
}

// Each thing that can go wrong is found, by its own name, and nothing else with
// it; every finding there is has a row.
func TestWhatIsFound(t *testing.T) {
	kernel := Want{Source: "kernel", Local: true, Backlog: 8192, MaxLag: time.Hour}
	beside := Want{Source: "multicast", Local: true, Backlog: 64}
	auditd := Owner{PID: 99, Started: "1", Name: "auditd", Program: "/usr/sbin/auditd"}
	rows := []struct {
		want string
		by   Want
		does func(f *Facts)
	}{
		{"", kernel, func(f *Facts) {}},
		{"", beside, func(f *Facts) { f.Kernel.Owner = auditd }},
		{"kernel-absent", kernel, func(f *Facts) { f.Kernel = Kernel{Absent: true} }},
		{"run-failed", kernel, func(f *Facts) { f.Run = Run{Life: Gone, PID: 7, Failure: "no such key"}; f.Kernel.Owner = Owner{} }},
		{"run-failed", kernel, func(f *Facts) {
			f.Run = Run{Life: Never, Early: true, Failure: "no such key"}
			f.Kernel.Owner = Owner{}
		}},
		{"run-absent", kernel, func(f *Facts) { f.Run = Run{Life: Never}; f.Kernel.Owner = Owner{} }},
		{"", kernel, func(f *Facts) { f.Run = Run{Life: Never, Early: true}; f.Kernel.Owner = Owner{} }},
		{"run-gone", kernel, func(f *Facts) { f.Run = Run{Life: Gone, PID: 7}; f.Kernel.Owner.Dead = true }},
		{"run-stopped", kernel, func(f *Facts) { f.Run = Run{Life: Stopped, PID: 7} }},
		{"run-stuck", kernel, func(f *Facts) { f.Run.Status.SignOfLife, f.Run.Status.InRing = at(1000), 3 }},
		{"", kernel, func(f *Facts) { f.Run.Status.SignOfLife = at(1000) }}, // nothing waits for it
		{"", kernel, func(f *Facts) { f.Run.Status.InRing = 3 }},
		{"run-silent", kernel, func(f *Facts) { f.Run.Status = nil }},
		{"kernel-off", kernel, func(f *Facts) { f.Kernel.Enabled = 0; f.Probe.Overdue, f.Probe.Arrived = true, false }},
		{"socket-taken", kernel, func(f *Facts) { f.Kernel.Owner = Owner{PID: 99, Name: "auditd"} }},
		{"run-gone socket-taken", kernel, func(f *Facts) { f.Run = Run{Life: Gone, PID: 7}; f.Kernel.Owner = Owner{PID: 99, Name: "auditd"} }},
		{"socket-free", kernel, func(f *Facts) { f.Kernel.Owner = Owner{} }},
		{"auditd-gone", beside, func(f *Facts) { f.Kernel.Owner = Owner{} }},
		{"auditd-gone", beside, func(f *Facts) { f.Kernel.Owner = Owner{PID: 99, Dead: true} }},
		{"auditd-stopped", beside, func(f *Facts) { f.Kernel.Owner = auditd; f.Kernel.Owner.Stopped = true }},
		{"auditd-replaced", beside, func(f *Facts) { f.Kernel.Owner = Owner{PID: 100, Started: "2", Name: "auditd", Program: "/tmp/auditd"} }},
		{"disk-full", kernel, func(f *Facts) { f.Run.Status.Recording = status.RecordingFull }},
		{"disk-error", kernel, func(f *Facts) { f.Run.Status.Recording = status.RecordingFailed }},
		{"recording-suspended", kernel, func(f *Facts) { f.Run.Status.Recording = status.RecordingSuspended }},
		{"probe-lost", kernel, func(f *Facts) { f.Probe = Probe{Sent: f.At, Overdue: true} }},
		{"records-refused", kernel, func(f *Facts) { f.Run.Status.Refused = 5 }},
		{"records-lost", kernel, func(f *Facts) { f.Kernel.Lost = 5 }},
		{"rate-limited", kernel, func(f *Facts) { f.Kernel.Rate = 1 }},
		{"backlog-limited", kernel, func(f *Facts) { f.Kernel.Backlog = 1 }},
		{"", kernel, func(f *Facts) { f.Kernel.Backlog = 0 }},
		{"rules-gone", kernel, func(f *Facts) { f.Kernel.Rules = 0 }},
		{"rules-fewer", kernel, func(f *Facts) { f.Kernel.Rules = 8 }},
		{"", kernel, func(f *Facts) { f.Kernel.Rules = -1 }},
		{"space-banner", kernel, func(f *Facts) { f.Run.Status.Disk = status.Disk{Level: "admin-space-left", Banner: true} }},
		{"admin-space-left", kernel, func(f *Facts) { f.Run.Status.Disk = status.Disk{Level: "admin-space-left", Action: "syslog"} }},
		{"space-left", kernel, func(f *Facts) { f.Run.Status.Disk.Level = "space-left" }},
		{"link-late/siem", kernel, func(f *Facts) { f.Late = []Late{{"siem", f.At.Add(-2 * time.Hour)}, {"other", f.At}} }},
		{"link-down/siem", kernel, func(f *Facts) {
			f.Run.Status.Destinations = []status.Destination{{Name: "siem"}, {Name: "other", Connected: true}}
		}},
		{"configuration-invalid", kernel, func(f *Facts) { f.Config = "unknown key" }},
		{"program-missing", kernel, func(f *Facts) { f.Program = "/usr/sbin/auditbridge" }},
		{"kernel-silent", kernel, func(f *Facts) { f.Kernel = Kernel{Silent: "queue full"} }},
		{"failure-ignored", kernel, func(f *Facts) { f.Kernel.Failure = 0 }},
		{"wait-forbidden", kernel, func(f *Facts) { f.Kernel.Wait = 0 }},
		{"features-changed", kernel, func(f *Facts) { f.Kernel.Features = 1 }},
		{"", Want{Source: "file:/srv/other/audit.log"}, func(f *Facts) { f.Kernel = Kernel{Absent: true} }},
	}
	shown := map[string]bool{"lost-reset": true, "no-rules": true, "auditd-absent": true} // by tests of their own
	for _, row := range rows {
		var m Memory
		before := well(1000)
		if row.by.Source != "kernel" {
			before.Kernel.Owner = auditd
		}
		if got := m.Find(&row.by, &before); len(got) != 0 {
			t.Errorf("%s: all is well, and found is %s", row.by.Source, foundCodes(got))
		}
		f := well(2000)
		row.does(&f)
		if got := foundCodes(m.Find(&row.by, &f)); got != row.want {
			t.Errorf("want %q, found %q", row.want, got)
		}
		for name := range strings.FieldsSeq(row.want) {
			code, _, _ := strings.Cut(name, "/")
			shown[code] = true
		}
	}
	for _, k := range Kinds() {
		if !shown[k.ID] {
			t.Errorf("no row finds %s", k.ID)
		}
	}
}

// What seems to stand still is given time where others hold run up: a processor, or
// a disk, that they have taken is no failure. Somebody who sets the clock stops
// nothing.
func TestWhatStandsStill(t *testing.T) {
	w := Want{Source: "kernel", Local: true, Backlog: 8192}
	silent := func(f *Facts) { f.Run.Status = nil }
	waits := func(f *Facts) { f.Run.Status.SignOfLife, f.Run.Status.InRing = at(0), 1 }
	for _, row := range []struct {
		what  string
		does  func(f *Facts)
		busy  bool
		looks []int
		want  []string
	}{
		{"no answer", silent, false, []int{1000, 1500}, []string{"run-silent", "run-silent"}},
		{"no answer, held up", silent, true, []int{1000, 3000, 5900, 6000}, []string{"", "", "", "run-silent"}},
		{"nobody listens, for it begins", func(f *Facts) { f.Run.Status, f.Run.Begins = nil, true }, false, []int{1000, 2400, 2500}, []string{"", "", "run-silent"}},
		{"nothing is written", waits, false, []int{1000, 1500}, []string{"run-stuck", "run-stuck"}},
		{"nothing is written, held up", waits, true, []int{1000, 3000, 5900, 6000}, []string{"", "", "", "run-stuck"}},
		{"no sign of life, nothing to write", func(f *Facts) { f.Run.Status.SignOfLife = at(0) }, false, []int{1000, 5000, 10000, 10001}, []string{"", "", "", "run-stuck"}},
		{"the clock is set on", func(f *Facts) { f.Run.Status.Time = f.At.Add(time.Hour) }, false, []int{1000, 2000, 20000}, []string{"", "", ""}},
		{"the clock is set back", func(f *Facts) {
			f.Run.Status.SignOfLife, f.Run.Status.InRing, f.Run.Status.Time = at(0), 1, at(0).Add(-time.Hour)
		}, false, []int{1000}, []string{"run-stuck"}},
	} {
		var m Memory
		first := well(0)
		m.Find(&w, &first)
		for i, ms := range row.looks {
			f := well(ms)
			f.Run.Busy = row.busy
			row.does(&f)
			if got := foundCodes(m.Find(&w, &f)); got != row.want[i] {
				t.Errorf("%s: after %d ms found %q, want %q", row.what, ms, got, row.want[i])
			}
		}
		f := well(30_000)
		if got := foundCodes(m.Find(&w, &f)); got != "" {
			t.Errorf("%s: it moves again, and found is %q", row.what, got)
		}
	}
}

// What happened in a moment is found for a few seconds, so that it is raised; what
// was so before the first look is no change.
func TestWhatIsOverIsFoundAWhile(t *testing.T) {
	w := Want{Source: "kernel", Local: true, Backlog: 8192}
	var m Memory
	for _, step := range []struct {
		ms   int
		lost uint32
		want string
	}{
		{0, 40, ""}, {1000, 40, ""}, {2000, 0, "lost-reset"}, {3000, 0, "lost-reset"}, {5500, 0, ""}, {6000, 2, "records-lost"}, {10000, 2, ""},
	} {
		f := well(step.ms)
		f.Kernel.Lost = step.lost
		if got := foundCodes(m.Find(&w, &f)); got != step.want {
			t.Errorf("at %d: found %q, want %q", step.ms, got, step.want)
		}
	}
}

// Rules that were never there are one thing, rules that were deleted another.
func TestRulesThatAreGone(t *testing.T) {
	w := Want{Source: "kernel", Local: true, Backlog: 8192}
	var m Memory
	for _, step := range []struct {
		ms, rules int
		want      string
	}{
		{0, 0, "no-rules"}, {1000, 5, ""}, {2000, 0, "rules-gone"}, {3_600_000, 0, "rules-gone"}, {3_601_000, 4, "rules-fewer"},
		{3_602_000, 5, ""}, {4_000_000, 4, "rules-fewer"}, {4_601_000, 4, ""}, {4_602_000, 3, "rules-fewer"},
	} {
		f := well(step.ms)
		f.Kernel.Rules = step.rules
		if got := foundCodes(m.Find(&w, &f)); got != step.want {
			t.Errorf("at %d: found %q, want %q", step.ms, got, step.want)
		}
	}
}

// An auditd that the host starts at boot, and that is not there, is missed; where
// there is to be none, none is.
func TestAnAuditdThatDoesNotStart(t *testing.T) {
	beside := Want{Source: "multicast", Local: true, Backlog: 64}
	for _, row := range []struct {
		missed bool
		want   string
	}{{true, "auditd-absent"}, {false, ""}} {
		var m Memory
		f := well(1000)
		f.Kernel.Owner, f.Auditd = Owner{}, row.missed
		if got := foundCodes(m.Find(&beside, &f)); got != row.want {
			t.Errorf("%+v: found %q", row, got)
		}
	}
}

// The kernel goes on naming a dead owner whose socket a successor has: a probe
// that arrives tells that it hears.
func TestASocketThatIsInherited(t *testing.T) {
	w := Want{Source: "kernel", Local: true, Backlog: 8192}
	for _, row := range []struct {
		probe Probe
		want  string
	}{
		{Probe{Sent: at(0), Arrived: true}, ""},                          // it says nothing of now
		{Probe{Sent: at(2500)}, ""},                                      // under way
		{Probe{Sent: at(2500), Arrived: true}, ""},                       // inherited
		{Probe{Sent: at(2500), Overdue: true}, "socket-free probe-lost"}, // nobody hears
	} {
		var m Memory
		first := well(1000)
		m.Find(&w, &first)
		for _, ms := range []int{2000, 3000} {
			f := well(ms)
			f.Run.PID, f.Run.Status.PID, f.Kernel.Owner.Dead = 8, 8, true
			if ms == 3000 {
				f.Probe = row.probe
			}
			got := foundCodes(m.Find(&w, &f))
			if ms == 3000 && got != row.want {
				t.Errorf("%+v: found %q, want %q", row.probe, got, row.want)
			}
		}
	}
}

// Whoever takes auditd's place within one look is told of, whatever it calls itself,
// until auditd is back. An auditd that is started again is not, nor one whose file an
// upgrade has replaced, nor whatever had the kernel's audit from the beginning.
func TestWhoHasTakenAuditdsPlace(t *testing.T) {
	beside := Want{Source: "plugin", Local: true, Backlog: 64}
	auditd, own := "/usr/sbin/auditd", "/opt/own/auditd"
	for _, row := range []struct {
		what string
		by   []Owner
		want string // of the last; nothing before it
	}{
		{"started again", []Owner{{PID: 9, Started: "1", Program: auditd}, {PID: 12, Started: "2", Program: auditd}}, ""},
		{"started again, with a gap", []Owner{{PID: 9, Started: "1", Program: own}, {PID: 12, Started: "2", Program: own}}, ""},
		{"upgraded", []Owner{{PID: 9, Started: "1", Program: own}, {PID: 9, Started: "1", Program: own + " (deleted)"}}, ""},
		{"upgraded and started again", []Owner{{PID: 9, Started: "1", Program: own + " (deleted)"}, {PID: 12, Started: "2", Program: own}}, ""},
		{"another auditd, from a package", []Owner{{PID: 9, Started: "1", Program: own}, {PID: 12, Started: "2", Program: auditd}}, ""},
		{"another neighbour from the beginning", []Owner{{PID: 9, Started: "1", Program: "/usr/bin/auditbeat"}, {PID: 9, Started: "1", Program: "/usr/bin/auditbeat"}}, ""},
		{"about to end", []Owner{{PID: 9, Started: "1", Program: auditd}, {PID: 9, Started: "1"}}, ""},
		{"an intruder", []Owner{{PID: 9, Started: "1", Program: auditd}, {PID: 12, Started: "2", Program: "/usr/bin/python3.11"}}, "auditd-replaced"},
		{"an intruder with the pid", []Owner{{PID: 9, Started: "1", Program: auditd}, {PID: 9, Started: "2", Program: "/tmp/auditd"}}, "auditd-replaced"},
		{"an intruder from a file that is gone", []Owner{{PID: 9, Started: "1", Program: auditd}, {PID: 12, Started: "2", Program: auditd + " (deleted)"}}, "auditd-replaced"},
		{"an intruder that hides what it runs", []Owner{{PID: 9, Started: "1", Program: auditd}, {PID: 12, Started: "2"}}, "auditd-replaced"},
		{"auditd itself becomes another program", []Owner{{PID: 9, Started: "1", Program: auditd}, {PID: 9, Started: "1", Program: "/tmp/x"}}, "auditd-replaced"},
	} {
		var m Memory
		look := func(ms int, o Owner) string {
			f := well(ms)
			f.Kernel.Owner = o
			return foundCodes(m.Find(&beside, &f))
		}
		for i, o := range row.by {
			want := ""
			if i == len(row.by)-1 {
				want = row.want
			}
			if got := look(1000*i, o); got != want {
				t.Errorf("%s: at look %d found %q, want %q", row.what, i, got, want)
			}
		}
		last := row.by[len(row.by)-1]
		if got := look(9000, last); got != row.want {
			t.Errorf("%s: it is found only once", row.what)
		}
		if got := look(10_000, Owner{PID: 40, Started: "9", Program: auditd}); got != "" {
			t.Errorf("%s: auditd is back, and found is %q", row.what, got)
		}
	}
}
