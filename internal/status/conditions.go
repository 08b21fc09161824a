package status

import (
	"time"

	"auditbridge/internal/alarm"
)

// Conditions lists what alarms are about, as it holds in s, in the order of
// alarms.txt. before is the judged status of a moment ago, nil when there is
// none. It is pure.
func Conditions(s, before *Status) (holds []alarm.Condition) {
	if before != nil && before.PID != s.PID {
		before = nil // its counts are of another process
	}
	add := func(id, object string, does bool) {
		if does {
			holds = append(holds, alarm.Condition{ID: id, Object: object})
		}
	}
	// A lower level is one of the higher ones, too: these stay raised below it. The
	// guard decides when one begins and ends.
	full := s.Disk.Level == "disk-full"
	add("space-left", "", full || s.Disk.Level == "space-left" || s.Disk.Level == "admin-space-left")
	add("admin-space-left", "", full || s.Disk.Level == "admin-space-left")
	add("disk-full", s.Disk.Cause, full)
	add("disk-error", s.Disk.Cause, s.Disk.Level == "disk-error")
	add("flood", s.Disk.Flood, s.Disk.Flood != "")
	add("recording-suspended", "", s.Recording == RecordingSuspended)
	owns := s.Multicast == nil
	add("kernel-taken", "", owns && s.KernelPID != 0)
	add("kernel-released", "", owns && s.KernelPID == 0 && s.Kernel != nil && !s.Ours)
	add("kernel-off", "", s.Kernel != nil && s.Enabled == 0)
	add("kernel-silent", "", !s.KernelSilentSince.IsZero())
	add("no-rules", "", s.Kernel != nil && s.Enabled != 0 && s.Rules == 0)
	add("records-lost", "", before != nil && (s.KernelLost > before.KernelLost || s.KernelLostAtMost > before.KernelLostAtMost))
	add("records-refused", "", before != nil && s.Refused > before.Refused)
	add("books-unbalanced", "", !s.Balanced)
	add("sender-down", "", len(s.Destinations) > 0 && !s.Ship)
	for _, d := range s.Destinations {
		add("link-down", d.Name, !d.Connected)
	}
	for _, e := range s.Entrances {
		add("entrance-down", e.Name, !e.works())
	}
	for _, d := range s.Destinations {
		add("server-unchecked", d.Name, d.Skips != "")
	}
	for _, expiry := range expiries {
		for _, d := range s.Destinations {
			add(expiry.alarm, d.Name, d.Expiring != nil && s.Time.After(d.Expiring.NotAfter.Add(-expiry.before)))
		}
	}
	for _, d := range s.Destinations {
		add("undelivered-dropped", d.Name, before != nil && missedMore(&d, before))
	}
	add("watch-gone", "", s.Watch != nil && s.Watch.Missing != "")
	add("clock-held", "", s.ClockHeld)
	add("deputy-lost", "", s.DeputyLost)
	add("unconfined", "", s.Unconfined != "")
	add("rules-drift", "", s.RulesDrift > 0)
	return holds
}

// missedMore says that records were dropped since which d had not got.
func missedMore(d *Destination, before *Status) bool {
	for _, old := range before.Destinations {
		if old.Name == d.Name {
			return d.Missed > old.Missed
		}
	}
	return false
}

// expiries are how long before a certificate's end there is an alarm.
var expiries = []struct {
	alarm  string
	before time.Duration
}{{"certificate-month", 30 * 24 * time.Hour}, {"certificate-week", 7 * 24 * time.Hour}, {"certificate-day", 24 * time.Hour}}
