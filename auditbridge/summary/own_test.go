package summary

import (
	"testing"
	"time"

	"auditbridge/auditbridge"
)

// What our own records say, as the program writes them.
func TestOwnRecords(t *testing.T) {
	text, number := auditbridge.Text, auditbridge.Number[int]
	for _, row := range []struct {
		op     string
		failed bool
		fields []auditbridge.Field
		want   string
	}{
		{"rules-drift", true, []auditbridge.Field{number("missing", 5), number("extra", 1), text("exe", "/usr/sbin/auditctl")}, "auditbridge found that the kernel's audit rules are not those that were loaded: 5 missing, 1 that nobody loaded, by /usr/sbin/auditctl."},
		{"rules-healed", false, []auditbridge.Field{number("added", 5), number("deleted", 0)}, "auditbridge put back the audit rules that were loaded: 5 added, 0 deleted."},
		{"rules-healed", true, []auditbridge.Field{text("why", "locked")}, "auditbridge could not put back the audit rules that were loaded: locked."},
		{"rules-loaded", false, []auditbridge.Field{number("added", 5), number("deleted", 1), number("kept", 7)}, "auditbridge loaded the audit rule files that were changed: 5 added, 1 deleted."},
		{"rules-loaded", true, []auditbridge.Field{text("why", "locked")}, "auditbridge could not load the audit rule files that were changed: locked."},
		{"rule-file", false, []auditbridge.Field{text("file", "/etc/audit/rules.d/a.rules"), text("exe", "/usr/bin/vi"), text("diff", "x")}, "auditbridge found changed the audit rule file /etc/audit/rules.d/a.rules, by /usr/bin/vi."},
		{"start", false, []auditbridge.Field{text("ver", "1.0"), text("go", "go1.25"), text("fips", "false"), text("source", "kernel")}, "auditbridge started auditing from kernel, version 1.0."},
		{"start", false, []auditbridge.Field{text("ver", "v2"), text("go", "go1.25"), text("fips", "false"), text("source", "kernel"), text("old", "v1")}, "auditbridge started auditing from kernel, version v2 after v1."},
		{"restart", false, []auditbridge.Field{text("old", "v1"), text("new", "v2"), text("exe", "/usr/sbin/auditbridge")}, `auditbridge replaced auditbridge v1 by v2.`},
		{"restart", true, []auditbridge.Field{text("reason", "not valid")}, `auditbridge could not replace auditbridge: "not valid".`},
		{"stop", false, []auditbridge.Field{text("why", "signal terminated")}, `auditbridge stopped auditing: "signal terminated".`},
		{"config", false, []auditbridge.Field{text("why", "files"), text("key", "audit.retention"), text("old", "180d"), text("new", "90d"), text("where", "a.toml:7:1")}, "auditbridge took over a changed configuration from 180d to 90d (key audit.retention)."},
		{"config", true, []auditbridge.Field{text("why", "reload"), text("reason", "unknown key")}, `auditbridge refused a changed configuration: "unknown key".`},
		{"block", false, []auditbridge.Field{number("first", 5), number("count", 20)}, "auditbridge closed a block from record 5 of 20."},
		{"open", false, []auditbridge.Field{number("first", 1), number("last", 90)}, "auditbridge opened the journal, records 1 to 90."},
		{"segment", false, []auditbridge.Field{number("format", 1), number("first", 91)}, "auditbridge began a segment at record 91."},
		{"heartbeat", false, nil, "auditbridge showed that it is alive."},
		{"rotate", false, []auditbridge.Field{text("why", "size"), number("segment", 91)}, "auditbridge began a new segment: size."},
		{"cut", false, []auditbridge.Field{text("segment", "1.log"), number("offset", 100), number("bytes", 12), text("quarantine", "1.log.cut")}, "auditbridge cut 12 torn bytes off the journal, kept as 1.log.cut."},
		{"damage", true, []auditbridge.Field{text("file", "1.log"), number("says", 4)}, "auditbridge found damage in the journal in 1.log."},
		{"gap", true, []auditbridge.Field{number("after", 7), number("before", 12), text("why", "removed")}, "auditbridge found records missing in the journal after 7 before 12: removed."},
		{"refused", true, []auditbridge.Field{number("n", 70), text("why", "disk-full")}, "auditbridge refused 70 records: disk-full."},
		{"drop", false, []auditbridge.Field{number("segments", 2), number("first", 1), number("last", 90), text("why", "age")}, "auditbridge dropped 2 old segments, records 1 to 90: age."},
		{"accounts", false, []auditbridge.Field{text("table", "passwd"), number("n", 3), text("names", "0:root,1:daemon,1000:alice")}, "auditbridge recorded who has which number in passwd."},
		{"accounts", true, []auditbridge.Field{text("table", "group"), text("why", "no such file")}, `auditbridge could not record who has which number in group: "no such file".`},
		{"accounts-changed", false, []auditbridge.Field{text("table", "passwd"), text("renamed", "1000:alice>alicia")}, "auditbridge recorded a change of who has which number in passwd."},
		{"notes-dropped", false, []auditbridge.Field{number("n", 3)}, "auditbridge dropped 3 records of its own."},
		{"ring-set-aside", true, []auditbridge.Field{text("why", "another version")}, `auditbridge set aside the ring of the last run: "another version".`},
		{"kernel-lost", true, []auditbridge.Field{number("n", 9)}, "auditbridge learned that the kernel lost 9 records."},
		{"kernel-lost-reset", false, []auditbridge.Field{number("old", 9), number("serial", 77)}, "auditbridge learned that the kernel's count of lost records, 9, was reset."},
		{"socket-overrun", true, []auditbridge.Field{number("n", 1)}, "auditbridge lost records in 1 overruns of the audit socket."},
		{"truncated-record", true, []auditbridge.Field{number("n", 1)}, "auditbridge received 1 records cut short."},
		{"malformed-message", true, []auditbridge.Field{number("n", 1)}, "auditbridge received 1 malformed messages."},
		{"foreign-message", true, []auditbridge.Field{number("n", 4)}, "auditbridge ignored 4 messages that did not come from the kernel."},
		{"cursor-reset", true, []auditbridge.Field{text("relay", "siem"), number("at", 50), text("reason", "hash mismatch")}, `auditbridge set back the cursor of siem from record 50: "hash mismatch".`},
		{"disk-error", true, []auditbridge.Field{text("why", "input/output error"), number("lost", 2)}, `auditbridge met a disk error, 2 records lost: "input/output error".`},
		{"disk-full", true, []auditbridge.Field{number("durable", 4)}, "auditbridge found the disk full."},
		{"space-action", false, []auditbridge.Field{text("why", "admin-space-left"), text("action", "syslog")}, "auditbridge acted on too little space by syslog: admin-space-left."},
		{"space-action", false, []auditbridge.Field{text("why", "disk-full"), text("action", "halt"), text("enforce", "report")}, "auditbridge acted on too little space by halt, enforce report: disk-full."},
		{"space-action", true, []auditbridge.Field{text("why", "disk-full"), text("action", "rotate"), text("reason", "nothing to drop")}, `auditbridge could not act on too little space by rotate: "nothing to drop".`},
		{"flood", true, []auditbridge.Field{text("by", "auid=1000 exe=/bin/x key=k"), number("percent", 93), number("bytes-per-second", 5000000)}, `auditbridge met a flood of records by "auid=1000 exe=/bin/x key=k", 93 percent of them.`},
		{"disk-level", true, []auditbridge.Field{text("level", "disk-full"), text("was", "admin-space-left"), text("cause", "quota")}, "auditbridge noted the journal's disk at disk-full after admin-space-left: quota."},
		{"space-action-done", false, []auditbridge.Field{text("why", "space-left"), text("action", "email")}, "auditbridge carried out email at space-left."},
		{"single-user", false, []auditbridge.Field{text("why", "disk-full"), text("action", "single")}, "auditbridge put the host into single-user mode: disk-full."},
		{"suspend", false, []auditbridge.Field{text("why", "disk full"), text("action", "suspend")}, `auditbridge suspended storing: "disk full".`},
		{"resume", false, []auditbridge.Field{text("state", "suspended")}, "auditbridge was told to resume storing after suspended."},
		{"resumed", false, []auditbridge.Field{text("state", "suspended")}, "auditbridge resumed storing after suspended."},
		{"halt", false, []auditbridge.Field{text("why", "disk full"), text("action", "halt")}, `auditbridge halted the host: "disk full".`},
		{"halt-withheld", true, []auditbridge.Field{text("why", "still-full"), text("level", "disk-full"), text("action", "single")}, "auditbridge withheld a halt at disk-full and did single: still-full."},
		{"nologin", false, []auditbridge.Field{text("why", "disk-full"), text("action", "nologin")}, "auditbridge kept all but root from logging in: disk-full."},
		{"link-up", false, []auditbridge.Field{text("relay", "siem"), text("peer", "192.0.2.9:601")}, "auditbridge reached siem at 192.0.2.9:601."},
		{"link-down", true, []auditbridge.Field{text("relay", "siem"), text("peer", "192.0.2.9:601"), text("reason", "connection refused")}, `auditbridge lost the link to siem at 192.0.2.9:601: "connection refused".`},
		{"link-warning", false, []auditbridge.Field{text("relay", "siem"), text("reason", "it wants a channel")}, `auditbridge saw a fault in the link to siem that does no harm yet: "it wants a channel".`},
		{"link-up", false, []auditbridge.Field{text("entrance", "siem-tunnel"), text("peer", "192.0.2.9:22")}, "auditbridge reached the SSH server of siem-tunnel at 192.0.2.9:22."},
		{"link-down", true, []auditbridge.Field{text("entrance", "siem-tunnel"), text("peer", "192.0.2.9:22"), text("reason", "EOF")}, "auditbridge lost the link to the SSH server of siem-tunnel at 192.0.2.9:22: EOF."},
		{"link-warning", false, []auditbridge.Field{text("entrance", "siem-tunnel"), text("reason", "it wants a channel")}, `auditbridge saw a fault in the link to the SSH server of siem-tunnel that does no harm yet: "it wants a channel".`},
		{"entrance-open", false, []auditbridge.Field{text("entrance", "siem-tunnel"), text("at", "unix:/run/x.sock")}, "auditbridge let other programs send through siem-tunnel at unix:/run/x.sock."},
		{"entrance-open", true, []auditbridge.Field{text("entrance", "siem-tunnel"), text("at", "127.0.0.1:7777"), text("reason", "address in use")}, `auditbridge could not let other programs send through siem-tunnel at 127.0.0.1:7777: "address in use".`},
		{"entrance-closed", false, []auditbridge.Field{text("entrance", "siem-tunnel"), text("at", "127.0.0.1:7777")}, "auditbridge let nobody send through siem-tunnel any more at 127.0.0.1:7777."},
		{"guests-came", false, []auditbridge.Field{text("entrance", "siem-tunnel"), text("at", "unix:/run/x.sock"), number("guest-uid", 104), number("guest-pid", 70)}, "auditbridge saw other programs begin to send through siem-tunnel, the first of user 104, process 70."},
		{"guests-gone", false, []auditbridge.Field{text("entrance", "siem-tunnel"), number("n", 3)}, "auditbridge saw the last of 3 connections through siem-tunnel end."},
		{"guest-refused", true, []auditbridge.Field{text("entrance", "siem-tunnel"), number("n", 2), number("guest-uid", 33), text("reason", "uid 33 is not in listen-uids")}, `auditbridge refused 2 connections through siem-tunnel to user 33: "uid 33 is not in listen-uids".`},
		{"ship-refused", true, []auditbridge.Field{text("relay", "siem"), text("reason", "backward")}, "auditbridge refused what ship reported of siem: backward."},
		{"abnormal-end", true, []auditbridge.Field{number("last", 90)}, "auditbridge found that the last run had ended without a farewell, after record 90."},
		{"serials-missing", true, []auditbridge.Field{number("missing", 2), number("first-serial", 70), number("last-serial", 74)}, "auditbridge missed 2 serials of the kernel, 70 to 74."},
		{"serials-missing", true, []auditbridge.Field{number("missing", 2), number("first-serial", 70), number("last-serial", 71), text("after", "stop")},
			"auditbridge missed 2 serials of the kernel, 70 to 71, that passed before it began, after stop."},
		{"serials-late", false, []auditbridge.Field{number("n", 2)}, "auditbridge received 2 serials of the kernel after all that had been missed."},
		{"multicast-lost", true, []auditbridge.Field{number("n", 3), number("at-most", 5)}, "auditbridge missed 3 records that the kernel sent to listeners, at most 5."},
		{"multicast-lost", true, []auditbridge.Field{number("n", 3), number("at-most", 3), text("after", "abnormal-end")},
			"auditbridge missed 3 records that the kernel sent to listeners, at most 3, before it began, after abnormal-end."},
		{"source-lost", true, []auditbridge.Field{text("path", "/run/audispd_events"), text("why", "EOF")}, "auditbridge lost its source of records at /run/audispd_events: EOF."},
		{"source-gap", true, []auditbridge.Field{text("path", "/var/log/audit/audit.log"), text("why", "truncated"), number("offset", 90)}, "auditbridge missed lines of its source of records at /var/log/audit/audit.log, at byte 90: truncated."},
		{"source-heard", false, []auditbridge.Field{text("path", "/run/audispd_events")}, "auditbridge heard its source of records again at /run/audispd_events."},
		{"cursor-removed", false, []auditbridge.Field{text("relay", "siem"), number("at", 5)}, "auditbridge removed the cursor of siem, at record 5."},
		{"clock-held", true, []auditbridge.Field{text("seen", "2026-03-06T12:00:00Z"), text("wall", "2026-03-07T18:00:00Z")}, "auditbridge held segments back, because the clock is not believed: it says 2026-03-07T18:00:00Z, last 2026-03-06T12:00:00Z."},
		{"clock-step", false, []auditbridge.Field{text("old", "2026-03-06T12:00:00.000Z"), text("new", "2026-03-07T12:00:00.000Z"), text("origin", "syscall"), text("exe", "/usr/bin/date")}, "auditbridge set the host's clock from 2026-03-06T12:00:00.000Z to 2026-03-07T12:00:00.000Z by /usr/bin/date."},
		{"clock-step", false, []auditbridge.Field{text("old", "2026-03-06T12:00:00.000Z"), text("new", "2026-03-07T12:00:00.000Z"), text("origin", "unaudited")}, "auditbridge noticed that the host's clock was set from 2026-03-06T12:00:00.000Z to 2026-03-07T12:00:00.000Z."},
		{"clock-believed", false, nil, "auditbridge believed the clock again."},
		{"journal-read", false, []auditbridge.Field{text("with", "verify")}, "auditbridge heard of a reading of the journal with verify."},
		{"ask-refused", true, []auditbridge.Field{text("what", "status"), text("reason", "not root")}, `auditbridge refused to answer what was asked: status, "not root".`},
		{"cursor-unkept", true, []auditbridge.Field{text("relay", "siem"), text("reason", "no space")}, `auditbridge could not keep the cursor of siem: "no space".`},
		{"events-cut", true, []auditbridge.Field{text("relay", "siem"), number("n", 3)}, "auditbridge sent in pieces 3 events to siem, too many being open at once."},
		{"cursor-kept", false, []auditbridge.Field{text("relay", "siem")}, "auditbridge kept the cursor of siem again."},
		{"alarm-raised", true, []auditbridge.Field{text("alarm", "link-down"), number("number", 17), text("of", "siem"), text("severity", "warning"), text("title", "A destination is not connected")}, `auditbridge raised the alarm link-down of siem: "A destination is not connected".`},
		{"warning", false, []auditbridge.Field{text("warning", "backlog-small"), text("title", "The kernel queue is short"), text("detail", "it takes 64 records")}, `auditbridge warned of backlog-small: "The kernel queue is short", "it takes 64 records".`},
		{"alarm-cleared", false, []auditbridge.Field{text("alarm", "disk-full"), number("number", 17)}, "auditbridge cleared the alarm disk-full."},
		{"failure-action", true, []auditbridge.Field{text("at", "2026-03-06T12:00:00.000Z"), text("action", "halt"), text("because", "run-gone"), text("reason", "nobody has brought auditing back")}, `auditbridge was to act because nobody records by halt: run-gone: "nobody has brought auditing back".`},
		{"banner-raised", true, []auditbridge.Field{text("at", "2026-03-06T12:00:00.000Z"), text("because", "run-gone,link-down of siem")}, `auditbridge told operators that auditing does not work as it must: "run-gone,link-down of siem".`},
		{"banner-changed", true, []auditbridge.Field{text("because", "kernel-off"), text("reason", "enabled 0")}, `auditbridge told operators what else is wrong with auditing: kernel-off: "enabled 0".`},
		{"banner-cleared", false, []auditbridge.Field{text("because", "kernel-off")}, "auditbridge told operators that auditing works again, after kernel-off."},
		{"banner-snoozed", false, []auditbridge.Field{text("reason", "known")}, "auditbridge kept the message that auditing fails from terminals: known."},
		{"banner-unsnoozed", false, []auditbridge.Field{text("reason", "mended")}, "auditbridge let the message that auditing fails be repeated on terminals: mended."},
		{"watch-begins", false, []auditbridge.Field{number("watch-pid", 70)}, "auditbridge heard of a watch in process 70."},
		{"hook-failed", true, []auditbridge.Field{text("reason", "exit status 1")}, `auditbridge failed to tell a program of an alarm: "exit status 1".`},
		{"something-new", false, nil, "auditbridge recorded something-new."},
	} {
		note := auditbridge.OwnNote(auditbridge.TypeDaemonConfig, row.op, row.fields...)
		note.Failed = row.failed
		line := auditbridge.AppendNote(nil, &note, time.Unix(1700000000, 0), auditbridge.FirstNoteSerial)
		if got := sentences(line, nil); len(got) != 1 || got[0] != row.want {
			t.Errorf("op=%s: %q, want %q", row.op, got, row.want)
		}
	}
}

// Whoever caused one of our own records is named as in every other sentence.
func TestOwnRecordsNameWhoCausedThem(t *testing.T) {
	note := auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "rotate", auditbridge.Text("why", "asked"))
	note.Actor = auditbridge.Actor{AUID: 1000, UID: 0, Session: 7, PID: 300}
	line := auditbridge.AppendNote(nil, &note, time.Unix(1700000000, 0), auditbridge.FirstNoteSerial)
	want := "User 1000 (session 7), as root, began a new segment: asked."
	if got := sentences(line, nil); len(got) != 1 || got[0] != want {
		t.Errorf("%q, want %q", got, want)
	}
	for want, note := range map[string]auditbridge.Note{
		"User 1000 (session 7), as root, read the journal with verify.":                                                                             auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "journal-read", auditbridge.Text("with", "verify")),
		"User 1000 (session 7), as root, asked in vain for status: stopped.":                                                                        auditbridge.OwnFailure("ask-refused", auditbridge.Text("what", "status"), auditbridge.Text("reason", "stopped")),
		"User 1000 (session 7), as root, changed the configuration to 3 (key audit.max-files).":                                                     auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "config", auditbridge.Text("why", "reload"), auditbridge.Text("key", "audit.max-files"), auditbridge.Text("old", "?"), auditbridge.Text("new", "3")),
		"User 1000 (session 7), as root, could not change the configuration: wrong.":                                                                auditbridge.OwnFailure("config", auditbridge.Text("why", "SIGHUP"), auditbridge.Text("reason", "wrong")),
		"User 1000 (session 7), as root, reset the kernel's count of lost records, 9.":                                                              auditbridge.OwnNote(auditbridge.TypeDaemonErr, "kernel-lost-reset", auditbridge.Number("old", 9)),
		"User 1000 (session 7), as root, changed the kernel's audit rules, which are not those that were loaded: 5 missing, by /usr/sbin/auditctl.": auditbridge.OwnFailure("rules-drift", auditbridge.Number("missing", 5), auditbridge.Text("exe", "/usr/sbin/auditctl")),
		"User 1000 (session 7), as root, changed the audit rule file 10.rules, by /usr/bin/vi.":                                                     auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "rule-file", auditbridge.Text("file", "10.rules"), auditbridge.Text("exe", "/usr/bin/vi")),
		"User 1000 (session 7), as root, had auditbridge try to resume storing after suspended.":                                                    auditbridge.OwnNote(auditbridge.TypeDaemonResume, "resume", auditbridge.Text("state", "suspended")),
	} {
		note.Actor = auditbridge.Actor{AUID: 1000, UID: 0, Session: 7, PID: 300}
		line := auditbridge.AppendNote(nil, &note, time.Unix(1700000000, 0), auditbridge.FirstNoteSerial)
		if got := sentences(line, nil); len(got) != 1 || got[0] != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
