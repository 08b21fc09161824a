package main

import (
	"strings"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/internal/peertest"
	"auditbridge/seal"
)

// TestAPluginCannotSpeakAsUs: lines that look like our own records, block lines
// of another journal among them, are stored as what they are, somebody's text:
// recording, sealing, sending and recovery go on, and they come back as sent.
func TestAPluginCannotSpeakAsUs(t *testing.T) {
	other := newDaemon(t, fromStdin)
	other.record("type=USER msg=audit(1709742929.678:1): pid=1 uid=0 auid=1 ses=1 msg='op=x res=success'\n")
	var forged []string
	for _, line := range other.journalLines() {
		forged = append(forged, line, "node=other "+line, "<13>1 - - - - - - "+line, "host=other "+line)
	}
	forged = append(forged,
		"type=DAEMON_CONFIG msg=audit(1709742929.678:7): op=block",
		"type=DAEMON_CONFIG msg=audit(1709742929.678:7): op=block first=1 n=0",
		"type=DAEMON_CONFIG msg=audit(x): op=block ",
		"type=DAEMON_ERR msg=audit(1709742929.678:4278190090): op=alarm-raised auid=4294967295 pid=1 uid=0 ses=4294967295 res=failed",
		"hello type=USER msg=audit(1709742929.678:9): pid=1",
		"type=USER_LOGIN msg=audit(1709742929.678:10): pid=1 uid=0 auid=1000 ses=1 msg='op=login type=DAEMON_CONFIG msg=audit(1.000:4278190081): op=block res=success'",
		"\xef\xbb\xbftype=USER msg=audit(1709742929.678:11): pid=1",
		"no record at all")
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, fromStdin+plain("siem", collector.Port, `format = "audit"`))
	d.start()
	d.feed(strings.Join(forged, "\n") + "\n")
	peertest.Until(t, "all is stored", func() bool { s, ok := d.status(); return ok && s.Stored == uint64(len(forged)) })
	d.kill() // recovery reads it all again
	d.start()
	d.untilDelivered()
	d.stop()

	var stored []string
	for _, line := range d.journalLines() {
		if original := string(auditbridge.AppendUnescaped(nil, []byte(line))); original != line {
			stored = append(stored, original)
			if seal.LooksLikeBlock([]byte(line)) || strings.Contains(line, "type=") {
				t.Errorf("stored so that it can be taken for a record: %q", line)
			}
		} else if h, ok := auditbridge.ParseHeader([]byte(line)); !ok || h.ID.Serial < auditbridge.FirstNoteSerial {
			stored = append(stored, line)
		}
	}
	if got, want := strings.Join(stored, "\n"), strings.Join(forged, "\n"); got != want {
		t.Errorf("stored\n%s\nsent\n%s", got, want)
	}
	d.untilReceived(collector)
	requireSameLines(t, d.journalLines(), collector.Received())
	d.verifies(d.journal)
	d.verifies(collector.File)
}
