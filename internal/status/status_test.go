package status

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/internal/warning"

	"github.com/google/go-cmp/cmp"
)

var now = time.Date(2026, 3, 6, 12, 0, 0, 0, time.UTC)

// well is a status with nothing wrong.
func well() *Status {
	return &Status{
		Running: true, Answering: true, PID: 7, Recording: RecordingOK, Time: now, SignOfLife: now, JournalDir: "/var/log/audit/auditbridge",
		Received: 100, Stored: 90, InRing: 10, InRingBytes: 2000, Written: 95, Durable: 94, Ship: true,
		Destinations: []Destination{{Name: "siem", Via: "tunnel", Protocol: "relp", Promise: "acknowledged", Connected: true, Read: 80, Delivered: 50, Excluded: 20, Pending: 10,
			Classes: map[string]uint64{"login": 3, "system": 40}}},
		Disk:       Disk{Level: "ok", FreeBytes: 9 << 30, UsedBytes: 1 << 30},
		Checkpoint: Checkpoint{90, now},
		Source:     "kernel",
		Kernel:     &Kernel{Ours: true, Enabled: 1, Failure: 1, Backlog: 3, BacklogLimit: 8192, Rules: 12},
	}
}

// listen makes it the status of a listener beside whoever owns kernel audit.
func listen(s *Status) { s.Source, s.Multicast, s.Ours = "multicast", &Multicast{}, false }

func TestVerdicts(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Status)
		state  State
		losing Losing
		exit   int
		cause  string
	}{
		{"all is well", func(s *Status) {}, OK, LosingNo, 0, ""},
		{"run is dead", func(s *Status) { s.Running, s.Answering = false, false }, Impaired, LosingYes, 3, "auditbridge run is not running; its last sign of life was 2026-03-06T12:00:00Z"},
		{"run is dead and never lived", func(s *Status) { *s = Status{} }, Impaired, LosingYes, 3, "auditbridge run is not running"},
		{"run is dead and auditd took over", func(s *Status) { s.Running, s.KernelPID, s.KernelOwner = false, 99, "auditd" }, Impaired, LosingUnknown, 3,
			"auditbridge run is not running; its last sign of life was 2026-03-06T12:00:00Z; kernel audit is owned by auditd (pid 99)"},
		{"run is dead and we may not ask the kernel", func(s *Status) { s.Running, s.KernelSilentSince = false, now }, Impaired, LosingUnknown, 3, "auditbridge run is not running"},
		{"run is dead, auditd's plugin", func(s *Status) { s.Running, s.Source = false, "plugin" }, Impaired, LosingUnknown, 3, "auditbridge run is not running"},
		{"run hangs", func(s *Status) { s.Answering = false }, Impaired, LosingUnknown, 4, "auditbridge run (pid 7) does not answer"},
		{"the writer hangs", func(s *Status) { s.SignOfLife = now.Add(-11 * time.Second) }, Impaired, LosingUnknown, 4, "the journal's writer has shown no sign of life since 2026-03-06T11:59:49Z"},
		{"disk full", func(s *Status) { s.Recording = RecordingFull }, Impaired, LosingYes, 4, "the journal's disk is full"},
		{"suspended", func(s *Status) { s.Recording = RecordingSuspended }, Impaired, LosingYes, 4, "recording is suspended"},
		{"disk fails", func(s *Status) { s.Recording = RecordingFailed }, Impaired, LosingYes, 4, "the journal's disk does not work"},
		{"another daemon", func(s *Status) { s.KernelPID = 99 }, Impaired, LosingYes, 4, "process 99 holds the kernel's audit socket"},
		{"another daemon with a name", func(s *Status) { s.KernelPID, s.KernelOwner = 99, "auditd" }, Impaired, LosingYes, 4, "auditd (pid 99) holds the kernel's audit socket"},
		{"no owner", func(s *Status) { s.Ours = false }, Impaired, LosingYes, 4, "nobody holds the kernel's audit socket"},
		{"auditctl -e 0", func(s *Status) { s.Enabled = 0 }, Impaired, LosingYes, 4, "kernel audit is switched off"},
		{"locked", func(s *Status) { s.Enabled = 2 }, OK, LosingNo, 0, ""},
		{"no rules", func(s *Status) { s.Rules = 0 }, OK, LosingNo, 0, ""},
		{"warnings", func(s *Status) { s.Warnings = warning.Kernel{}.Warnings() }, OK, LosingNo, 0, ""},
		{"not asked yet", func(s *Status) { s.Kernel = nil }, OK, LosingNo, 0, ""},
		{"the kernel does not answer", func(s *Status) { s.KernelSilentSince = now }, Degraded, LosingUnknown, 1, "kernel losses unknown since 2026-03-06T12:00:00Z"},
		{"the kernel lost some", func(s *Status) { s.KernelLost, s.KernelLostAtMost = 3, 5 }, Degraded, LosingNo, 1, "the kernel lost 3 to 5 records before we could hear of them"},
		{"nobody heard for a while, and it is known since a moment", func(s *Status) { wasAway(s); s.Alarms = []Alarm{{ID: "records-lost"}} }, Degraded, LosingNo, 1,
			"run was stopped from 2026-03-06T11:58:00Z to 2026-03-06T12:00:00Z: 7 events passed unheard, serials 70 to 76"},
		{"nobody heard for a while, long ago", wasAway, OK, LosingNo, 0, ""},
		{"some were refused", func(s *Status) { s.Refused, s.Received = 4, 104 }, Degraded, LosingNo, 1, "4 records were refused since run started"},
		{"received less than stored", func(s *Status) { s.Stored++ }, Degraded, LosingUnknown, 1, "the books do not balance: received 100, stored 91 + in the ring 10 + refused 0"},
		{"a relay's book", func(s *Status) { s.Destinations[0].Read++ }, Degraded, LosingUnknown, 1, "the books do not balance: siem read 81, delivered 50 + excluded 20 + pending 10"},
		{"a range that is none", func(s *Status) { s.KernelLost = 2; s.KernelLostAtMost = 1 }, Degraded, LosingUnknown, 1, "the kernel lost 2 records"},
		{"the start found damage", func(s *Status) { s.Damaged = 2 }, Degraded, LosingNo, 1, "the start of run found the journal damaged, in places: 2"},
		{"ship is dead", func(s *Status) { s.Ship = false }, Degraded, LosingNo, 1, "the sender, auditbridge ship, is not running"},
		{"link down", func(s *Status) { s.Destinations[0].Connected, s.Destinations[0].LastError = false, "host key differs" }, Degraded, LosingNo, 1, "siem is not connected: host key differs"},
		{"space is low", func(s *Status) { s.Disk.Level = "space-left" }, Degraded, LosingNo, 1, "the journal has 9.0 GiB left of max-size (space-left)"},
		{"rules were changed by hand", func(s *Status) { s.RulesDrift = 1 }, Impaired, LosingNo, 4, "the kernel's audit rules are not those that were loaded"},
		{"the deputy has died", func(s *Status) { s.DeputyLost = true }, Degraded, LosingNo, 1, "run's deputy has died"},
		{"run is not confined", func(s *Status) { s.Unconfined = "no seccomp" }, Degraded, LosingNo, 1, "run is not confined: no seccomp"},
		{"alarm", func(s *Status) {
			s.Alarms = []Alarm{{ID: "undelivered-dropped", Object: "siem", Title: "Records were dropped"}}
		}, Degraded, LosingNo, 1, "siem: Records were dropped"},
		{"a listener beside auditd", func(s *Status) { listen(s); s.KernelPID, s.KernelOwner = 99, "auditd" }, OK, LosingNo, 0, ""},
		{"a listener beside nobody", listen, OK, LosingNo, 0, ""},
		{"a listener, and audit is off", func(s *Status) { listen(s); s.Enabled = 0 }, Impaired, LosingYes, 4, "kernel audit is switched off"},
		{"a listener missed some", func(s *Status) { listen(s); s.KernelLost, s.KernelLostAtMost = 3, 5 }, Degraded, LosingNo, 1, "we did not hear 3 to 5 records"},
		{"a listener that is audited itself", func(s *Status) { listen(s); s.Audited = "locked" }, OK, LosingNo, 0, ""},
		{"a listener that may only listen", func(s *Status) { listen(s); s.Kernel, s.Barred = nil, "not allowed" }, Degraded, LosingUnknown, 1, "whether kernel audit is on, and what it lost, is not known: not allowed"},
		{"the worst comes first", func(s *Status) { s.KernelLost, s.Recording = 1, RecordingFull }, Impaired, LosingYes, 4, "the journal's disk is full"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := well()
			row.change(s)
			Judge(s, nil, now)
			cause := ""
			if len(s.Causes) > 0 {
				cause = s.Causes[0].What
			}
			if s.State != row.state || s.Losing != row.losing || s.ExitCode() != row.exit || !strings.HasPrefix(cause, row.cause) || row.cause == "" && cause != "" {
				t.Errorf("%s, losing %s, exit %d, %q\nwant %s, losing %s, exit %d, %q", s.State, s.Losing, s.ExitCode(), cause, row.state, row.losing, row.exit, row.cause)
			}
		})
	}
}

// wasAway makes it the status of a run before which events passed unheard.
func wasAway(s *Status) {
	s.KernelLost, s.KernelLostAtMost = 7, 7
	s.Away = &Away{Since: now.Add(-2 * time.Minute), Until: now, After: "stop", Missing: 7, First: 70, Last: 76}
}

// What grew since the last look is being lost now; what did not was lost once.
func TestLosingNow(t *testing.T) {
	before, s := well(), well()
	before.KernelLost, s.KernelLost = 1, 1
	before.KernelLostAtMost, s.KernelLostAtMost = 1, 1
	Judge(before, nil, now)
	Judge(s, before, now.Add(time.Second))
	if s.State != Degraded || s.Losing != LosingNo || !s.Since.Equal(now) {
		t.Errorf("an old loss: %s, losing %s, since %v", s.State, s.Losing, s.Since)
	}
	next := well()
	next.KernelLost, next.KernelLostAtMost = 2, 2
	Judge(next, s, now.Add(2*time.Second))
	if next.State != Impaired || next.Losing != LosingYes || !next.Since.Equal(now.Add(2*time.Second)) {
		t.Errorf("a loss that goes on: %s, losing %s, since %v", next.State, next.Losing, next.Since)
	}
	known := well()
	wasAway(known)
	known.KernelLost, known.KernelLostAtMost = known.KernelLost+2, known.KernelLostAtMost+2
	Judge(known, next, now.Add(3*time.Second))
	if known.State != Degraded || known.Losing != LosingNo {
		t.Errorf("a loss of the time before us, which is known now: %s, losing %s", known.State, known.Losing)
	}
}

// What was received and stands neither in the journal nor in the ring is missing.
// The ring's records and bytes are read one after the other, while it is worked
// on: only what does not change from one look to the next is said of it.
func TestRecordsThatAreNowhere(t *testing.T) {
	look := func(bytes uint64, before *Status, at time.Duration) *Status {
		s := well()
		s.InRing, s.Stored, s.InRingBytes = 5, 95, bytes
		Judge(s, before, now.Add(at))
		return s
	}
	first := look(0, nil, 0)
	if !first.Balanced {
		t.Error("one look is believed")
	}
	if again := look(0, first, time.Second/2); !again.Balanced {
		t.Error("a look of a moment later is believed")
	}
	still := look(0, first, 2*time.Second)
	if want := "the books do not balance: 5 records are said to be in the ring, which holds 0 bytes"; still.Balanced || still.State != Degraded || still.Causes[0].What != want {
		t.Errorf("%s, %+v\nwant %s", still.State, still.Causes, want)
	}
	if after := look(0, still, 2*time.Second+1); after.Balanced {
		t.Error("it is forgotten at once")
	}
	if busy := look(900, still, 4*time.Second); !busy.Balanced {
		t.Error("records that wait are missing")
	}
	other := look(0, first, 2*time.Second)
	other.Balanced = true
	other.PID++
	if s := look(0, other, 9*time.Second); !s.Balanced {
		t.Error("another process is believed")
	}
}

// A listener that cannot tell whether it missed more does not say that it did.
func TestLosingPerhaps(t *testing.T) {
	before, s := well(), well()
	listen(s)
	before.KernelLost, before.KernelLostAtMost = 3, 3
	s.KernelLost, s.KernelLostAtMost = 3, 4
	Judge(before, nil, now)
	Judge(s, before, now.Add(time.Second))
	if s.State != Impaired || s.Losing != LosingUnknown {
		t.Errorf("%s, losing %s", s.State, s.Losing)
	}
}

func TestText(t *testing.T) {
	s := well()
	s.Destinations[0].Connected = false
	s.Destinations[0].LastError = "refused\nOK since ever\x1b[2J"
	Judge(s, nil, now)
	var b strings.Builder
	if err := WriteText(&b, s); err != nil {
		t.Fatal(err)
	}
	want := `DEGRADED since 2026-03-06T12:00:00Z: no records are being lost
  cause: siem is not connected: refused\x0AOK since ever\x1B[2J
  next:  10 records wait in the journal; sending is tried again
  try:   ss -tn
records: received 100 = stored 90 + in the ring 10 + refused 0, in balance
lost:    by the kernel 0 records, gaps 0
kernel:  audit on, 3 of 8192 in its queue, 12 rules
journal: /var/log/audit/auditbridge, durable up to 94 of 95
disk:    ok, 1.0 GiB used, 9.0 GiB free
sealed:  up to 90 at 2026-03-06T12:00:00Z
to siem: not connected via tunnel by relp (acknowledged), delivered 50, excluded 20, pending 10
  events read: login 3 system 40
watch:   none: nobody tells operators when auditing fails
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// What the kernel says stands in a line of its own; a kernel without rules is
// well, but whoever looks shall see it. Foreign text is made safe everywhere.
func TestLinesOfTheText(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(*Status)
		want   string
	}{
		{"no rules", func(s *Status) { s.Rules = 0 }, "\nkernel:  audit on, 3 of 8192 in its queue, NO RULES: it audits only what needs none, such as logins\n"},
		{"rules not known", func(s *Status) { s.Rules = -1 }, "\nkernel:  audit on, 3 of 8192 in its queue\n"},
		{"off", func(s *Status) { s.Enabled = 0 }, "\nkernel:  audit off, 3 of 8192"},
		{"how to switch it on", func(s *Status) { s.Enabled = 0 }, "\n  try:   auditctl -e 1\n"},
		{"a listener beside auditd", func(s *Status) { listen(s); s.KernelPID, s.KernelOwner = 99, "audit\x1bd" },
			"\nsource:  multicast, beside audit\\x1Bd (pid 99); its losses are not in the kernel's counter\nkernel:  audit on"},
		{"a listener beside nobody", listen, "\nsource:  multicast, nobody owns kernel audit, which prints each record to the kernel's log too; its losses are not in the kernel's counter\n"},
		{"what a listener missed", func(s *Status) {
			listen(s)
			s.KernelLost, s.KernelLostAtMost, s.Gaps, s.Dropped, s.Missing = 9, 12, 2, 9, 3
		}, "\nlost:    9 to 12 records (dropped by the socket 9, serials missing 3), gaps 2\n"},
		{"what passed while nobody heard", func(s *Status) { wasAway(s); s.Away.After = "abnormal-end" },
			"\nlost:    by the kernel 7 records, gaps 0\n         of these, run was dead from 2026-03-06T11:58:00Z to 2026-03-06T12:00:00Z: 7 events passed unheard, serials 70 to 76\n"},
		{"a listener that is audited itself", func(s *Status) { listen(s); s.Audited = "locked" }, "\n         run is audited itself: locked\n"},
		{"no watch", func(s *Status) {}, "\nwatch:   none: nobody tells operators when auditing fails\n"},
		{"a watch", func(s *Status) { s.Watch = &Watch{State: OK, Since: now} }, "\nwatch:   ok since 2026-"},
		{"what a watch finds", func(s *Status) {
			s.Watch = &Watch{State: Impaired, Findings: []Finding{{Code: "probe-lost"}, {Code: "link-down", Object: "si\x1bem"}}, SnoozedUntil: now, SnoozeReason: "known\n"}
		}, ": probe-lost, link-down of si\\x1Bem; not repeated on terminals until 2026-"},
		{"a watch that is gone", func(s *Status) { s.Watch = &Watch{Missing: "its process has ended"} }, "\nwatch:   missing (its process has ended), heard last at an unknown time\n"},
		{"locked", func(s *Status) { s.Enabled = 2 }, "\nkernel:  audit on, locked until reboot, 3 of"},
		{"a range that is none", func(s *Status) { s.KernelLost, s.KernelLostAtMost = 2, 1 }, "\n  cause: the books do not balance: lost at least 2, at most 1\n"},
		{"what went wrong on the way", func(s *Status) {
			s.KernelLostResets, s.Overruns, s.Foreign, s.Malformed, s.Truncated, s.Quarantined, s.NotesDropped = 1, 2, 3, 4, 5, 6, 7
		}, "\nalso:    resets of the kernel's count 1, overruns of the socket 2, messages not of the kernel 3, malformed messages 4, records cut short 5, bytes in quarantine 6, own records dropped 7\n"},
		{"which were refused", func(s *Status) { s.RefusedTypes, s.RefusedFirst, s.RefusedLast = map[string]uint64{"EOE": 2}, 7, 9 }, "\nrefused: EOE 2; the latest are of serials 7 to 9\nlost:"},
		{"what was refused", func(s *Status) { s.RefusedTypes = map[string]uint64{"EOE": 2, "SYSCALL": 5, "?\x1b": 2} }, "\nrefused: SYSCALL 5 ?\\x1B 2 EOE 2\nlost:"},
		{"what a destination did not get", func(s *Status) {
			s.Destinations[0].Missed, s.Destinations[0].Pieces = 8, map[string]uint64{"limit": 9, "late": 1}
		}, "pending 10, dropped before they were sent 8, events sent in pieces 9\n"},
		{"a warning", func(s *Status) { s.Warnings = warning.Kernel{BacklogLimit: 64, Rules: 1}.Warnings() }, "\nwarning: backlog-small, The kernel queue is short (it takes 64 records)\n         Make it longer: "},
		{"a warning that an alarm repeats", func(s *Status) {
			s.Warnings, s.Alarms = warning.Kernel{RateLimit: 9}.Warnings(), []Alarm{{ID: "no-rules", Title: "No rules", Severity: "warning"}}
		}, "(warning)\nwarning: rate-limit, The kernel rate limit is set (9 records a second)\n"},
	} {
		s := well()
		row.change(s)
		Judge(s, nil, now)
		var b strings.Builder
		if err := WriteText(&b, s); err != nil || !strings.Contains(b.String(), row.want) {
			t.Errorf("%s: no %q in\n%s", row.name, row.want, &b)
		}
	}
	var b strings.Builder
	if err := WriteText(&b, &Status{State: "ok\x1b[2J\n"}); err != nil || strings.ContainsAny(b.String(), "\x1b") || strings.Count(b.String(), "\n") != 3 {
		t.Errorf("a state that is none: %q", b.String())
	}
}

// What the watch finds counts when run does not see it itself, and is said once
// when it does.
func TestTheWatchIsHeard(t *testing.T) {
	finding := Finding{Code: "probe-lost", State: Impaired, Title: "A message is lost", Detail: "sent", Description: "So it goes.", Remedy: "Look."}
	s := well()
	s.Watch = &Watch{State: Impaired, Findings: []Finding{finding}}
	Judge(s, nil, now)
	if len(s.Causes) != 1 || s.State != Impaired || s.Causes[0].What != "the watch finds: A message is lost: sent" || s.ExitCode() != 4 {
		t.Errorf("%s %+v", s.State, s.Causes)
	}
	s = well()
	s.Enabled = 0
	s.Watch = &Watch{State: Impaired, Findings: []Finding{{Code: "kernel-off", State: Impaired}}}
	Judge(s, nil, now)
	if len(s.Causes) != 1 || s.State != Impaired {
		t.Errorf("seen by both: %+v", s.Causes)
	}
	s = well()
	s.Watch = &Watch{PID: 8, Missing: "its process is stopped"}
	Judge(s, nil, now)
	if len(s.Causes) != 1 || s.State != Degraded || s.ExitCode() != 1 {
		t.Errorf("gone: %s %+v", s.State, s.Causes)
	}
}

// The JSON is flat: kernel_enabled stands beside kernel_lost, and comes back.
func TestKernelInJSON(t *testing.T) {
	text, err := json.Marshal(well())
	if err != nil || !strings.Contains(string(text), `"kernel_enabled":1,`) {
		t.Fatalf("%s, %v", text, err)
	}
	var back Status
	if err := json.Unmarshal(text, &back); err != nil || back.Kernel == nil || back.BacklogLimit != 8192 {
		t.Errorf("%+v, %v", back.Kernel, err)
	}
}

func TestTrackerRemembersSinceWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		facts := well()
		facts.SignOfLife = time.Time{}
		start := time.Now()
		tracker := NewTracker(func() Status { mu.Lock(); defer mu.Unlock(); return *facts })
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- tracker.Run(ctx) }()
		time.Sleep(2 * window)
		synctest.Wait()
		mu.Lock()
		facts.KernelLost, facts.KernelLostAtMost = 1, 1
		mu.Unlock()
		if s := tracker.Now(); s.Losing != LosingYes || !s.Since.Equal(start.Add(2*window)) {
			t.Errorf("at the loss: losing %s since %v", s.Losing, s.Since)
		}
		time.Sleep(3 * window)
		if s := tracker.Now(); s.State != Degraded || s.Losing != LosingNo {
			t.Errorf("later: %s, losing %s", s.State, s.Losing)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
