package main

import (
	"os"
	"strings"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
	"auditbridge/seal"
)

// TestAPluginCannotSpeakAsUs: lines that look like our own records, block lines
// of another journal among them, are stored as what they are, somebody's text:
// recording, sealing, sending and recovery go on, and they come back as sent.
func TestAPluginCannotSpeakAsUs(t *testing.T) {
	beside(t)
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

// TestWhatUsersWriteIsOneLineAndComesBack: whatever stands in a user message, the
// live kernel's record of it is one line of the journal and one message at a
// stock rsyslog, from both of which it comes back byte for byte; who sent it is
// what the kernel says; and no filter holds back what nobody understands.
func TestWhatUsersWriteIsOneLineAndComesBack(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	far, collector, logins := peertest.StartSSHD(t), peertest.StartRsyslog(t), peertest.StartRsyslog(t)
	d := newDaemon(t, "")
	d.configure(tunnelled(d, far, collector, "audit") + plain("logins", logins.Port, `format = "audit"`, `include = ["login"]`, `filter = [{severity = "emergency"}]`))
	d.start()
	texts := []string{
		"newline\ntype=USER_LOGIN msg=audit(1.000:1): pid=1 uid=0 auid=0 ses=1 msg='res=success'",
		"escape \x1b[2J\x1b]0;owned\x07",
		"separator \x1dUID=\"root\" AUID=\"root\"",
		"marked ab-esc=1",
		`backslash \x0A \ \\`,
		"bytes \x80\xfe\xff é \x7f\t\r",
		"forged type=DAEMON_CONFIG msg=audit(1.000:4278190081): op=block",
		"identity' auid=0 uid=0 ses=1 res=success'",
		"long " + strings.Repeat("y", 8560-5),
	}
	for _, text := range texts {
		kernel.SendUserMessage(1112, text)
	}
	kernel.SendUserMessage(1112, "ended\x00 by NUL")
	kernel.SendUserMessage(1199, "unknown one")
	kernel.SendUserMessage(2999, "unknown two")
	peertest.Until(t, "what nobody understands passes the filter", func() bool {
		got := strings.Join(logins.Received(), "\n")
		return strings.Contains(got, "UNKNOWN[1199]") && strings.Contains(got, "UNKNOWN[2999]")
	})
	d.until("all of it is stored", func(s status.Status) bool { return s.Stored >= uint64(len(texts)+3) })
	d.untilDelivered()
	d.stop()
	d.untilReceived(collector)
	requireSameLines(t, d.journalLines(), collector.Received())
	d.verifies(d.journal)
	d.verifies(collector.File)
	if got := strings.Join(logins.Received(), "\n"); strings.Contains(got, "] type=USER_LOGIN ") {
		t.Errorf("a login passed the filter:\n%s", got)
	}
	for _, text := range append(texts, "ended") {
		var found []string
		for _, line := range d.journalLines() {
			if original := string(auditbridge.AppendUnescaped(nil, []byte(line))); strings.HasSuffix(original, " msg='"+text+"'") {
				found = append(found, original)
			}
		}
		if len(found) != 1 || !strings.HasPrefix(found[0], "type=USER_LOGIN msg=audit(") {
			t.Errorf("%.40q stands in %d lines: %.200q", text, len(found), found)
			continue
		}
		loginUID, err := os.ReadFile("/proc/self/loginuid")
		must(t, err)
		if want := " uid=0 auid=" + strings.TrimSpace(string(loginUID)) + " ses="; !strings.Contains(strings.TrimSuffix(found[0], text+"'"), want) {
			t.Errorf("the kernel's word is not in front: %.200q", found[0])
		}
	}
}
