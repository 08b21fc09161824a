package metrics

import (
	"slices"
	"time"

	"auditbridge/internal/alarm"
	"auditbridge/internal/status"
	"auditbridge/internal/warning"
)

type put = func(value float64, labels ...string)

// table holds every metric there is, in the order of docs/metrics.md. A name, its
// labels and its meaning stay once they are published: dashboards and alerting
// rules elsewhere are built on them.
var table = []metric{
	{"auditbridge_build_info", gauge, "version", "1, for the version that runs.", []string{"version"},
		func(s *status.Status, put put) { put(1, s.Version) }},
	{"auditbridge_start_timestamp_seconds", gauge, "started", "When run started, in seconds since 1970.", nil,
		moment(func(s *status.Status) time.Time { return s.Started })},
	{"auditbridge_state", gauge, "state", "1 for the state that holds, 0 for the others.", []string{"state"},
		oneOf(func(s *status.Status) string { return string(s.State) }, string(status.OK), string(status.Degraded), string(status.Impaired))},
	{"auditbridge_losing", gauge, "losing", "Whether records are being lost now: 1 for the answer, 0 for the others.", []string{"losing"},
		oneOf(func(s *status.Status) string { return string(s.Losing) }, string(status.LosingNo), string(status.LosingYes), string(status.LosingUnknown))},
	{"auditbridge_recording", gauge, "recording", "What the journal does with what arrives: 1 for that, 0 for the others.", []string{"recording"},
		oneOf(func(s *status.Status) string { return string(s.Recording) },
			string(status.RecordingOK), string(status.RecordingFull), string(status.RecordingSuspended), string(status.RecordingFailed))},

	{"auditbridge_received_records_total", counter, "received", "Records received since run started: stored, in the ring, or refused.", nil,
		count(func(s *status.Status) uint64 { return s.Received })},
	{"auditbridge_stored_records_total", counter, "stored", "Records stored in the journal.", nil,
		count(func(s *status.Status) uint64 { return s.Stored })},
	{"auditbridge_ring_records", gauge, "in_ring", "Records received and not stored yet.", nil,
		count(func(s *status.Status) uint64 { return s.InRing })},
	{"auditbridge_ring_bytes", gauge, "in_ring_bytes", "What lies in the ring.", nil,
		count(func(s *status.Status) uint64 { return s.InRingBytes })},
	{"auditbridge_refused_records_total", counter, "refused", "Records that a full ring or a full disk refused.", nil,
		count(func(s *status.Status) uint64 { return s.Refused })},
	{"auditbridge_refused_records_by_type_total", counter, "refused_types", "Of these, how many of which type of record, since run started.", []string{"type"},
		func(s *status.Status, put put) {
			for kind, n := range s.RefusedTypes {
				put(float64(n), kind)
			}
		}},
	{"auditbridge_refused_first_serial", gauge, "refused_first_serial", "The first serial of the latest gap of refused records. This and the next are left out while there was none.", nil,
		serial(func(s *status.Status) uint32 { return s.RefusedFirst })},
	{"auditbridge_refused_last_serial", gauge, "refused_last_serial", "The last serial of that gap.", nil,
		serial(func(s *status.Status) uint32 { return s.RefusedLast })},
	{"auditbridge_kernel_lost_records_min_total", counter, "kernel_lost", "Records lost before we could hear of them, at least.", nil,
		count(func(s *status.Status) uint64 { return s.KernelLost })},
	{"auditbridge_kernel_lost_records_max_total", counter, "kernel_lost_at_most", "The same, at most: loss is a range.", nil,
		count(func(s *status.Status) uint64 { return s.KernelLostAtMost })},
	{"auditbridge_away_missing_serials", gauge, "away.missing", "Of these, serials that passed from the end of the run before until this one heard, one an event. Left out while none is known.", nil,
		func(s *status.Status, put put) {
			if s.Away != nil {
				put(float64(s.Away.Missing))
			}
		}},
	{"auditbridge_kernel_lost_resets_total", counter, "kernel_lost_resets", "How often somebody set the kernel's own count of lost records back.", nil,
		count(func(s *status.Status) uint64 { return s.KernelLostResets })},
	{"auditbridge_socket_overruns_total", counter, "overruns", "Times the kernel's socket had no room; what that cost is among the records lost.", nil,
		count(func(s *status.Status) uint64 { return s.Overruns })},
	{"auditbridge_foreign_messages_total", counter, "foreign", "Messages on the kernel's socket that are not the kernel's, dropped.", nil,
		count(func(s *status.Status) uint64 { return s.Foreign })},
	{"auditbridge_malformed_messages_total", counter, "malformed", "Messages on the kernel's socket that are none, dropped.", nil,
		count(func(s *status.Status) uint64 { return s.Malformed })},
	{"auditbridge_truncated_records_total", counter, "truncated", "Records that are longer than any may be, stored cut.", nil,
		count(func(s *status.Status) uint64 { return s.Truncated })},
	{"auditbridge_quarantined_bytes_total", counter, "quarantined_bytes", "Bytes that the start of run copied to quarantine: damaged, or torn.", nil,
		count(func(s *status.Status) uint64 { return s.Quarantined })},
	{"auditbridge_damaged_places_total", counter, "damaged", "Places where the start of run found the journal, its mark or a cursor damaged.", nil,
		count(func(s *status.Status) uint64 { return s.Damaged })},
	{"auditbridge_notes_dropped_total", counter, "notes_dropped", "Our own records that found no place to wait while nothing could be written.", nil,
		count(func(s *status.Status) uint64 { return s.NotesDropped })},
	{"auditbridge_gaps_total", counter, "gaps", "Gaps put on record in the journal.", nil,
		count(func(s *status.Status) uint64 { return s.Gaps })},
	{"auditbridge_books_balanced", gauge, "balanced", "1 while all books balance, 0 when they do not.", nil,
		truth(func(s *status.Status) bool { return s.Balanced })},

	{"auditbridge_kernel_owned", gauge, "kernel_ours", "1 while run holds the kernel's audit socket. This and the next are left out where the kernel is not asked.", nil,
		ofKernel(func(k *status.Kernel) int { return map[bool]int{true: 1}[k.Ours] })},
	{"auditbridge_kernel_enabled", gauge, "kernel_enabled", "Kernel audit is 0 off, 1 on, 2 on and locked until reboot.", nil,
		ofKernel(func(k *status.Kernel) int { return k.Enabled })},
	{"auditbridge_kernel_backlog_records", gauge, "kernel_backlog", "Records in the kernel's queue.", nil,
		ofKernel(func(k *status.Kernel) int { return k.Backlog })},
	{"auditbridge_kernel_backlog_limit_records", gauge, "kernel_backlog_limit", "How many the kernel's queue takes.", nil,
		ofKernel(func(k *status.Kernel) int { return k.BacklogLimit })},
	{"auditbridge_kernel_rate_limit_records", gauge, "kernel_rate_limit", "How many records a second the kernel makes at most; 0 is without limit.", nil,
		ofKernel(func(k *status.Kernel) int { return k.RateLimit })},
	{"auditbridge_kernel_rules", gauge, "kernel_rules", "Audit rules in the kernel; -1 while that is not known.", nil,
		ofKernel(func(k *status.Kernel) int { return k.Rules })},
	{"auditbridge_kernel_rules_drift", gauge, "rules_drift", "Audit rules and settings of the kernel that are not as they were loaded.", nil,
		func(s *status.Status, put put) { put(float64(s.RulesDrift)) }},
	{"auditbridge_multicast_dropped_records_total", counter, "multicast_dropped", "Records that found no room in a listener's socket. This and the next are left out where the source is another.", nil,
		ofListener(func(m *status.Multicast) uint64 { return m.Dropped })},
	{"auditbridge_multicast_missing_serials_total", counter, "multicast_missing", "Serials that did not come to a listener, one an event.", nil,
		ofListener(func(m *status.Multicast) uint64 { return m.Missing })},

	{"auditbridge_written_sequence", gauge, "written", "The journal's last sequence.", nil,
		count(func(s *status.Status) uint64 { return s.Written })},
	{"auditbridge_durable_sequence", gauge, "durable", "The last one that is on disk.", nil,
		count(func(s *status.Status) uint64 { return s.Durable })},
	{"auditbridge_checkpoint_sequence", gauge, "checkpoint.sequence", "The last one that is sealed by a signature.", nil,
		count(func(s *status.Status) uint64 { return s.Checkpoint.Sequence })},
	{"auditbridge_checkpoint_timestamp_seconds", gauge, "checkpoint.time", "When it was sealed, in seconds since 1970; left out before the first.", nil,
		moment(func(s *status.Status) time.Time { return s.Checkpoint.Time })},
	{"auditbridge_sign_of_life_timestamp_seconds", gauge, "sign_of_life", "When the journal's writer last showed that it lives, in seconds since 1970.", nil,
		moment(func(s *status.Status) time.Time { return s.SignOfLife })},
	{"auditbridge_disk_level", gauge, "disk.level", "Which level the journal's room has reached: 1 for that, 0 for the others.", []string{"level"},
		oneOf(func(s *status.Status) string { return s.Disk.Level }, "ok", "space-left", "admin-space-left", "disk-full", "disk-error")},
	{"auditbridge_disk_used_bytes", gauge, "disk.used_bytes", "What the journal takes.", nil,
		func(s *status.Status, put put) { put(float64(s.Disk.UsedBytes)) }},
	{"auditbridge_disk_free_bytes", gauge, "disk.free_bytes", "What it has left.", nil,
		func(s *status.Status, put put) { put(float64(s.Disk.FreeBytes)) }},
	{"auditbridge_clock_held", gauge, "clock_held", "1 while the clock is not believed and nothing is dropped for its age.", nil,
		truth(func(s *status.Status) bool { return s.ClockHeld })},

	{"auditbridge_sender_running", gauge, "ship", "1 while the sender, auditbridge ship, runs.", nil,
		truth(func(s *status.Status) bool { return s.Ship })},
	{"auditbridge_destination_connected", gauge, "destinations[].connected", "1 while the destination is connected.", []string{"destination"},
		each(func(d *status.Destination) float64 { return number(d.Connected) })},
	{"auditbridge_destination_read_records_total", counter, "destinations[].read", "Records its relay has read: delivered, excluded or pending.", []string{"destination"},
		each(func(d *status.Destination) float64 { return float64(d.Read) })},
	{"auditbridge_destination_delivered_records_total", counter, "destinations[].delivered", "Records delivered.", []string{"destination"},
		each(func(d *status.Destination) float64 { return float64(d.Delivered) })},
	{"auditbridge_destination_excluded_records_total", counter, "destinations[].excluded", "Records that its include and filters leave out.", []string{"destination"},
		each(func(d *status.Destination) float64 { return float64(d.Excluded) })},
	{"auditbridge_destination_pending_records", gauge, "destinations[].pending", "Records that wait to be sent.", []string{"destination"},
		each(func(d *status.Destination) float64 { return float64(d.Pending) })},
	{"auditbridge_destination_missed_records_total", counter, "destinations[].missed", "Records dropped from the journal before they were sent.", []string{"destination"},
		each(func(d *status.Destination) float64 { return float64(d.Missed) })},
	{"auditbridge_destination_certificate_expires_timestamp_seconds", gauge, "destinations[].expiring", "When the first of the certificates expires that sending needs, the server's as it was last seen.", []string{"destination"},
		func(s *status.Status, put put) {
			for i := range s.Destinations {
				if first := s.Destinations[i].Expiring; first != nil {
					put(float64(first.NotAfter.Unix()), s.Destinations[i].Name)
				}
			}
		}},
	{"auditbridge_destination_read_events_total", counter, "destinations[].classes", "Events its relay has read since the sender started, sent or not.", []string{"destination", "class"},
		func(s *status.Status, put put) {
			for i := range s.Destinations {
				for class, n := range s.Destinations[i].Classes {
					put(float64(n), s.Destinations[i].Name, class)
				}
			}
		}},
	{"auditbridge_destination_pieces_total", counter, "destinations[].pieces", "Of these, what is no whole event: by limit, when too much was open at once, late or malformed.", []string{"destination", "cause"},
		func(s *status.Status, put put) {
			for i := range s.Destinations {
				for why, n := range s.Destinations[i].Pieces {
					put(float64(n), s.Destinations[i].Name, why)
				}
			}
		}},

	{"auditbridge_entrance_listening", gauge, "entrances[].listening", "1 while a port-forwarding with listen takes connections of other programs. These are left out where none does.", []string{"forwarding"},
		eachEntrance(func(e *status.Entrance) float64 { return number(e.Listening) })},
	{"auditbridge_entrance_connected", gauge, "entrances[].connected", "1 while its SSH connection is there.", []string{"forwarding"},
		eachEntrance(func(e *status.Entrance) float64 { return number(e.Connected) })},
	{"auditbridge_entrance_open_connections", gauge, "entrances[].open", "Connections of other programs that are open.", []string{"forwarding"},
		eachEntrance(func(e *status.Entrance) float64 { return float64(e.Open) })},
	{"auditbridge_entrance_carried_connections_total", counter, "entrances[].carried", "Connections that were let in.", []string{"forwarding"},
		eachEntrance(func(e *status.Entrance) float64 { return float64(e.Carried) })},
	{"auditbridge_entrance_refused_connections_total", counter, "entrances[].refused", "Connections that were not: no right, no room, no tunnel, or nobody at its far end.", []string{"forwarding"},
		eachEntrance(func(e *status.Entrance) float64 { return float64(e.Refused) })},
	{"auditbridge_entrance_cut_connections_total", counter, "entrances[].cut", "Of those let in, what did not end in order.", []string{"forwarding"},
		eachEntrance(func(e *status.Entrance) float64 { return float64(e.Cut) })},
	{"auditbridge_entrance_sent_bytes_total", counter, "entrances[].sent_bytes", "Bytes taken to the far end.", []string{"forwarding"},
		eachEntrance(func(e *status.Entrance) float64 { return float64(e.Sent) })},
	{"auditbridge_entrance_received_bytes_total", counter, "entrances[].received_bytes", "Bytes brought from there.", []string{"forwarding"},
		eachEntrance(func(e *status.Entrance) float64 { return float64(e.Received) })},

	{"auditbridge_warning", gauge, "warnings[].code", "1 for each warning of how the host is set up that holds, 0 for the others.", []string{"warning"}, warnings},
	{"auditbridge_alarms_raised", gauge, "alarms[].id", "How many alarms of that id are raised: one, or one for each destination.", []string{"alarm"}, alarms},
}

func count(of func(*status.Status) uint64) func(*status.Status, put) {
	return func(s *status.Status, put put) { put(float64(of(s))) }
}

func serial(of func(*status.Status) uint32) func(*status.Status, put) {
	return func(s *status.Status, put put) {
		if s.RefusedFirst != 0 {
			put(float64(of(s)))
		}
	}
}

func truth(of func(*status.Status) bool) func(*status.Status, put) {
	return func(s *status.Status, put put) { put(number(of(s))) }
}

func number(holds bool) float64 {
	if holds {
		return 1
	}
	return 0
}

// moment leaves a time out that never was.
func moment(of func(*status.Status) time.Time) func(*status.Status, put) {
	return func(s *status.Status, put put) {
		if t := of(s); !t.IsZero() {
			put(float64(t.UnixMilli()) / 1000)
		}
	}
}

// oneOf says 1 of what holds and 0 of what else could.
func oneOf(of func(*status.Status) string, all ...string) func(*status.Status, put) {
	return func(s *status.Status, put put) {
		for _, one := range all {
			put(number(one == of(s)), one)
		}
	}
}

func ofKernel(of func(*status.Kernel) int) func(*status.Status, put) {
	return func(s *status.Status, put put) {
		if s.Kernel != nil {
			put(float64(of(s.Kernel)))
		}
	}
}

func ofListener(of func(*status.Multicast) uint64) func(*status.Status, put) {
	return func(s *status.Status, put put) {
		if s.Multicast != nil {
			put(float64(of(s.Multicast)))
		}
	}
}

func each(of func(*status.Destination) float64) func(*status.Status, put) {
	return func(s *status.Status, put put) {
		for i := range s.Destinations {
			put(of(&s.Destinations[i]), s.Destinations[i].Name)
		}
	}
}

func eachEntrance(of func(*status.Entrance) float64) func(*status.Status, put) {
	return func(s *status.Status, put put) {
		for i := range s.Entrances {
			put(of(&s.Entrances[i]), s.Entrances[i].Name)
		}
	}
}

func warnings(s *status.Status, put put) {
	for _, code := range warning.Codes() {
		put(number(slices.ContainsFunc(s.Warnings, func(w warning.Warning) bool { return w.Code == code })), code)
	}
}

// alarms says 0 of those that are not raised: a rule elsewhere needs no guess
// whether one exists.
func alarms(s *status.Status, put put) {
	raised := map[string]int{}
	for _, a := range s.Alarms {
		raised[a.ID]++
	}
	for _, k := range alarm.Kinds() {
		put(float64(raised[k.ID]), k.ID)
		delete(raised, k.ID)
	}
	for id, n := range raised { // of an older or newer version's
		put(float64(n), id)
	}
}
